#include "model/sharding.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "model/line_map.h"

namespace ortho {
namespace {

Layout home_layout(const ModelSpec& spec, const NodeShape& nodes, const Cuts& cuts) {
  REQUIRE(nodes.shape[static_cast<size_t>(nodes.batch_axis())] >= 1, "a batch of ",
          nodes.shape[static_cast<size_t>(nodes.batch_axis())], " windows: at least 1");
  REQUIRE(cuts.tokens.size() <= spec.tokens.size(), "the mesh cuts ", cuts.tokens.size(),
          " token axes, the model has ", spec.tokens.size(), ", ", shape_text(spec.tokens));
  std::vector<int> axes;
  if (cuts.batch > 1) axes.push_back(nodes.batch_axis());
  for (size_t i = 0; i < cuts.tokens.size(); ++i)
    if (cuts.tokens[i] > 1) axes.push_back(static_cast<int>(i));
  if (cuts.channels > 1) axes.push_back(nodes.channel_axis());
  Layout home(mesh_of(cuts), axes);
  check_layout(nodes, home);
  return home;
}

// A cut of the channels cuts the hidden units as well.
void check_units(const ModelSpec& spec, const Cuts& cuts) {
  if (cuts.channels == 1) return;
  REQUIRE(spec.hidden >= cuts.channels, "the mesh cuts the channels, and with them the ",
          spec.hidden, " hidden units, into ", cuts.channels,
          " parts: some ranks would hold none. Use at most ", spec.hidden, ".");
  REQUIRE(spec.activation != Activation::sort2, "the mesh cuts the channels into ", cuts.channels,
          " parts, but activation: sort2 compares units of both halves of hidden, which different "
          "ranks would hold. Cut tokens or the batch instead.");
  REQUIRE(!has_attention(spec) || spec.heads % cuts.channels == 0,
          "the mesh cuts the channels into ", cuts.channels, " parts, but attention has ",
          spec.heads, " heads, and a head is on one rank. Use a divisor of ", spec.heads,
          ", such as ", std::gcd(spec.heads, std::int64_t{cuts.channels}), ".");
}

void check_rows(const Nodes& nodes) {
  constexpr std::int64_t kMostRows = std::numeric_limits<std::int32_t>::max();
  REQUIRE(nodes.batch >= 1 && nodes.batch <= kMostRows / nodes.tokens, nodes.batch, " windows of ",
          nodes.tokens, " tokens on one rank: 1 to ", kMostRows,
          " tokens in all, which are numbered with 32 bits. Use fewer windows or more ranks.");
}

}  // namespace

Mesh mesh_of(const Cuts& cuts) {
  std::vector<MeshAxis> axes;
  if (cuts.batch > 1) axes.push_back({"batch", cuts.batch});
  for (size_t i = 0; i < cuts.tokens.size(); ++i)
    if (cuts.tokens[i] > 1) axes.push_back({text("s_", i + 1), cuts.tokens[i]});
  if (cuts.channels > 1) axes.push_back({"channels", cuts.channels});
  return Mesh(std::move(axes));
}

Sharding::Sharding(const ModelSpec& spec, std::int64_t windows, const Cuts& cuts, int rank)
    : Sharding(spec, windows, cuts, rank, tensor_order(spec)) {}

Sharding::Sharding(const ModelSpec& spec, std::int64_t windows, const Cuts& cuts, int rank,
                   Order order)
    : tokens_(spec.tokens),
      windows_(windows),
      order_(order),
      cuts_(cuts),
      rank_(rank),
      home_(home_layout(spec, nodes(spec.channels), cuts)) {
  check_units(spec, cuts);
  check_rows(local(home_, spec.channels));
}

Sharding::Sharding(const ModelSpec& spec, std::int64_t windows)
    : Sharding(spec, windows, Cuts{}, 0) {}

NodeShape Sharding::nodes(std::int64_t channels) const {
  return node_shape(tokens_, windows_, channels, order_);
}

Box Sharding::box(const Layout& layout, std::int64_t channels) const {
  return layout.box(nodes(channels).shape, rank_);
}

Nodes Sharding::local(const Layout& layout, std::int64_t channels) const {
  return nodes(channels).nodes(box(layout, channels));
}

Shape Sharding::local_tokens(const Layout& layout) const {
  const Shape part = extent(box(layout, 1));
  return {part.begin(), part.begin() + static_cast<std::ptrdiff_t>(tokens_.size())};
}

Layout Sharding::whole_channels(const Layout& layout) const {
  std::vector<int> cuts = layout.cuts();
  std::replace(cuts.begin(), cuts.end(), nodes(1).channel_axis(), kReplicates);
  return {layout.mesh(), cuts};
}

bool Sharding::leads_replica() const {
  const std::vector<int> at = mesh().coordinate(rank_);
  for (size_t m = 0; m < at.size(); ++m)
    if (mesh().axes()[m].name != "batch" && at[m] != 0) return false;
  return true;
}

HeldRows Sharding::rows(const Layout& layout) const {
  const auto axes = static_cast<std::ptrdiff_t>(tokens_.size());
  const auto batch = static_cast<size_t>(nodes(1).batch_axis());
  const Box part = box(layout, 1), at_home = box(home_, 1);
  HeldRows rows{
      tokens_,
      {{part.lo.begin(), part.lo.begin() + axes}, {part.hi.begin(), part.hi.begin() + axes}}};
  rows.batch.push_back(at_home.hi[batch] - at_home.lo[batch]);
  rows.box.lo.push_back(part.lo[batch] - at_home.lo[batch]);
  rows.box.hi.push_back(part.hi[batch] - at_home.lo[batch]);
  ASSERT(rows.box.lo.back() >= 0 && rows.box.hi.back() <= rows.windows(), "windows ",
         part.lo[batch], " to ", part.hi[batch], " are not of this rank's replica");
  return rows;
}

Range own_units(const ModelSpec& spec, const Sharding& sharding) {
  return split(spec.hidden, sharding.cuts().channels,
               sharding.mesh().coordinate_along("channels", sharding.rank()));
}

std::int64_t own_gated_width(const ModelSpec& spec, const Sharding& sharding) {
  return own_units(spec, sharding).size() * (spec.gate ? 2 : 1);
}

}  // namespace ortho
