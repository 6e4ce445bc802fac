#include "model/joint_sites.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "comm/chain.h"
#include "core/error.h"

namespace ortho {
namespace {

constexpr double kMostCandidates = 32;

// The axes of a block's sublayers in the order in which they run.
std::vector<int> block_order(const ModelSpec& spec) {
  std::vector<int> order(joint_axes(spec).size());
  std::iota(order.begin(), order.end(), 0);
  if (spec.sequence == Sequence::descending) std::reverse(order.begin(), order.end());
  return order;
}

bool fits(const NodeShape& nodes, const Layout& layout) {
  for (size_t axis = 0; axis < nodes.shape.size(); ++axis)
    if (layout.parts(static_cast<int>(axis)) > nodes.shape[axis]) return false;
  return true;
}

// What mesh axis `m` may cut: what it cuts at home, then the other token axes and the batch, evenly
// cut ones first and among them those that nothing else cuts.
std::vector<int> cut_options(const NodeShape& nodes, const Layout& home, size_t m) {
  const int own = home.cuts()[m], ranks = home.mesh().axes()[m].ranks;
  std::vector<int> options = {own};
  if (own >= nodes.token_axes()) return options;  // the batch stays cut: no map works along it
  for (int axis = 0; axis < nodes.token_axes(); ++axis)
    if (axis != own) options.push_back(axis);
  options.push_back(nodes.batch_axis());
  const auto badness = [&](int axis) {
    const std::int64_t size = nodes.shape[static_cast<size_t>(axis)];
    const std::int64_t parts = std::int64_t{home.parts(axis)} * ranks;
    return (size < parts ? 4 : 0) + (size % parts != 0 ? 2 : 0) + (home.parts(axis) > 1 ? 1 : 0);
  };
  std::stable_sort(options.begin() + 1, options.end(),
                   [&](int a, int b) { return badness(a) < badness(b); });
  return options;
}

// Every choice of an option a mesh axis, the first of all of them first.
std::vector<std::vector<int>> all_choices(const std::vector<std::vector<int>>& options) {
  std::vector<std::vector<int>> choices = {{}};
  for (const std::vector<int>& own : options) {
    std::vector<std::vector<int>> longer;
    for (const std::vector<int>& choice : choices)
      for (const int option : own) {
        longer.push_back(choice);
        longer.back().push_back(option);
      }
    choices = std::move(longer);
  }
  return choices;
}

// Drops the layouts whose largest part exceeds home's and that which some axis needs anyway: the
// moves may get cheaper there, but the maps wait for the largest part.
void keep_balanced(const NodeShape& nodes, std::vector<Layout>& layouts) {
  const auto largest = [&](const Layout& layout) { return elements(layout.box(nodes.shape, 0)); };
  std::int64_t limit = largest(layouts.front());
  for (int axis = 0; axis < nodes.token_axes(); ++axis) {
    std::int64_t least = elements(nodes.shape);
    for (const Layout& layout : layouts)
      if (layout.parts(axis) == 1) least = std::min(least, largest(layout));
    limit = std::max(limit, least);
  }
  std::erase_if(layouts, [&](const Layout& layout) { return largest(layout) > limit; });
}

// Taps along `axis` reach back over the innermost cut axis outside it.
std::optional<Halo> tap_halo(const ModelSpec& spec, const Layout& layout, int axis) {
  const std::int64_t rows = joint_axes(spec)[static_cast<size_t>(axis)] - 1;
  if (!carries(spec.wiring) || rows == 0) return std::nullopt;
  for (int first = axis; first-- > 0;)
    if (layout.parts(first) > 1) return Halo{first, axis, rows};
  return std::nullopt;
}

// Seconds of the halo of the map along an axis in a layout, [axis][candidate].
std::vector<std::vector<double>> halo_costs(const ModelSpec& spec, const Sharding& sharding,
                                            const std::vector<Layout>& candidates,
                                            const LinkCost& link) {
  const NodeShape nodes = sharding.nodes(spec.channels);
  std::vector<std::vector<double>> sec(static_cast<size_t>(nodes.token_axes()));
  for (size_t axis = 0; axis < sec.size(); ++axis)
    for (const Layout& layout : candidates) {
      sec[axis].push_back(0);
      const std::optional<Halo> halo = tap_halo(spec, layout, static_cast<int>(axis));
      if (!halo || layout.parts(static_cast<int>(axis)) > 1) continue;
      for (const int rank : {0, layout.mesh().ranks() - 1})
        sec[axis].back() =
            std::max(sec[axis].back(), plan_sec(plan_halo(nodes, sharding.whole_channels(layout),
                                                          *halo, rank, int{sizeof(float)}),
                                                link));
      if (spec.wiring == Wiring::mirrored) sec[axis].back() *= 2;  // one halo behind, one ahead
    }
  return sec;
}

}  // namespace

std::vector<Layout> joint_candidates(const ModelSpec& spec, const Sharding& sharding) {
  const NodeShape nodes = sharding.nodes(spec.channels);
  const Layout& home = sharding.home();
  std::vector<std::vector<int>> options;
  int movable = 0;  // mesh axes with a choice
  for (size_t m = 0; m < home.cuts().size(); ++m) {
    options.push_back(cut_options(nodes, home, m));
    if (options.back().size() > 1) ++movable;
  }
  size_t most = 1;
  while (movable > 0 && std::pow(static_cast<double>(most + 1), movable) <= kMostCandidates) ++most;
  for (std::vector<int>& own : options)
    if (own.size() > most) own.resize(most);

  std::vector<Layout> layouts;
  for (std::vector<int>& cuts : all_choices(options)) {
    Layout layout(home.mesh(), std::move(cuts));
    if (fits(nodes, layout)) layouts.push_back(std::move(layout));
  }
  // With 1 channel: so they are not cut.
  for (int axis = 0; axis < nodes.token_axes(); ++axis) {
    Layout lines = lines_layout(sharding.nodes(1), home, axis, true);
    const auto same = [&](const Layout& other) { return other.cuts() == lines.cuts(); };
    if (std::none_of(layouts.begin(), layouts.end(), same)) layouts.push_back(std::move(lines));
  }
  keep_balanced(nodes, layouts);
  return layouts;
}

std::vector<JointSite> joint_sites(const ModelSpec& spec, const Sharding& sharding) {
  const NodeShape nodes = sharding.nodes(spec.channels);
  const std::vector<int> block = block_order(spec);
  std::vector<int> axes;
  for (std::int64_t i = 0; i < spec.blocks * spec.refeeds; ++i)
    axes.insert(axes.end(), block.begin(), block.end());

  const std::vector<Layout> candidates = joint_candidates(spec, sharding);
  const LinkCost link;
  const std::vector<std::vector<double>> halo_sec = halo_costs(spec, sharding, candidates, link);
  // The layouts of maps along `chain`, from home to home.
  const auto path = [&](const std::vector<int>& chain) {
    const auto halo = [&](size_t position, size_t candidate) {
      return halo_sec[static_cast<size_t>(chain[position])][candidate];
    };
    return cheapest_chain(nodes, candidates, chain, 0, 0, link, int{sizeof(float)}, halo).layouts;
  };

  std::vector<size_t> chosen(axes.size(), 0);
  const bool anywhere = sharding.ranks() > 1 && !spec.tokens.empty();
  if (anywhere && spec.combine == Combine::parallel) {
    for (size_t i = 0; i < axes.size(); ++i)
      chosen[i] = i < block.size() ? path({axes[i]})[0] : chosen[i - block.size()];
  } else if (anywhere) {
    chosen = path(axes);
  }
  std::vector<JointSite> sites;
  for (size_t i = 0; i < axes.size(); ++i) {
    const Layout& layout = candidates[chosen[i]];
    sites.push_back({axes[i], layout, tap_halo(spec, layout, axes[i])});
  }
  return sites;
}

std::int64_t halo_elements(const Sharding& sharding, const JointSite& site, std::int64_t channels) {
  if (!site.halo) return 0;
  const NodeShape nodes = sharding.nodes(channels);
  const Halo& halo = *site.halo;
  const Box own = sharding.box(sharding.whole_channels(site.layout), channels);
  Shape part = extent(flat_box(nodes, halo.first, halo.last, own));
  part[static_cast<size_t>(halo.first)] = halo.rows;
  return elements(part);
}

}  // namespace ortho
