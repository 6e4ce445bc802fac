// Which dimension of each weight a cut of the channels cuts.
#include <gtest/gtest.h>

#include <algorithm>

#include "model/sharding.h"
#include "tensor/backend.h"
#include "tests/support/errors.h"
#include "tests/support/grow_kit.h"

namespace ortho {
namespace {

const Cuts kCuts{2, {2}, 3};  // the channels are the innermost mesh axis

std::vector<ModelSpec> specs() {
  std::vector<ModelSpec> all;
  for (const MapKind map : {MapKind::joint, MapKind::dense})
    for (const Wiring wiring : {Wiring::causal, Wiring::grid})
      for (const bool gate : {true, false})
        for (const std::int64_t width : {0, 5})
          all.push_back(changed(joint({2, 3}), [&](ModelSpec& spec) {
            spec.map = map, spec.wiring = wiring, spec.gate = gate, spec.width = width;
            spec.hidden = 7;  // parts of 3, 2 and 2
            if (map == MapKind::dense) spec.weights = Weights::separate;
            spec.modalities = {Modality::text, Modality::pixel};
            spec.modality_head = spec.modality_table = true;
            spec.places.text = 4;
          }));
  return all;
}

// Each weight cut by the channels' mesh axis alone, a dense map as if it ran at home.
std::vector<Layout> channel_layouts(const ModelSpec& spec, const Sharding& sharding) {
  std::vector<Layout> layouts;
  for (const ParamSpec& param : param_specs(spec)) {
    std::vector<int> cuts(sharding.mesh().axes().size(), kReplicates);
    cuts.back() = channel_dim(spec, param);
    layouts.emplace_back(sharding.mesh(), cuts);
  }
  return layouts;
}

// How many of a group of ranks hold each element.
std::vector<int> holders(const ParamSpec& param, const Layout& layout,
                         const std::vector<int>& ranks) {
  const Shape shape = param.shape();
  std::vector<int> count(static_cast<size_t>(elements(shape)), 0);
  for (const int rank : ranks)
    for_each_run(shape, layout.box(shape, rank), [&](std::int64_t first, std::int64_t run) {
      for (std::int64_t i = first; i < first + run; ++i) ++count[static_cast<size_t>(i)];
    });
  return count;
}

TEST(ChannelCut, ChannelsAreInnermostInTheMesh) {
  EXPECT_EQ(mesh_text(mesh_of({2, {3, 1, 5}, 4})), "batch 2 x s_1 3 x s_3 5 x channels 4");
  EXPECT_TRUE(mesh_of({1, {1, 1}, 1}).axes().empty());
}

TEST(ChannelCut, PartsTileWhatIsCutAndAllHoldTheRest) {
  for (const ModelSpec& spec : specs()) {
    const Sharding sharding(spec, 4, kCuts, 0);
    const std::vector<Layout> layouts = channel_layouts(spec, sharding);
    const std::vector<ParamSpec> params = param_specs(spec);
    ASSERT_EQ(layouts.size(), params.size());
    for (size_t i = 0; i < params.size(); ++i)
      for (int rank = 0; rank < sharding.ranks(); rank += 3) {
        const bool cut = channel_dim(spec, params[i]) != kReplicates;
        const std::vector<int> ranks = sharding.mesh().group("channels", rank);
        for (const int times : holders(params[i], layouts[i], ranks))
          ASSERT_EQ(times, cut ? 1 : 3) << params[i].name;
      }
  }
}

// The range of a dimension of this kind that a rank holds of a weight.
Range held(const ParamSpec& param, const Layout& layout, int rank, DimKind kind) {
  const Box box = layout.box(param.shape(), rank);
  for (size_t d = 0; d < param.dims.size(); ++d)
    if (param.dims[d].kind == kind && param.dims[d].axis == -1) return {box.lo[d], box.hi[d]};
  ADD_FAILURE() << param.name << " has no such dimension";
  return {0, 0};
}

TEST(ChannelCut, ARankHoldsItsOwnUnitsOnEveryWay) {
  for (const ModelSpec& spec : specs())
    for (int rank = 0; rank < 12; ++rank) {
      const Sharding sharding(spec, 4, kCuts, rank);
      const std::vector<Layout> layouts = channel_layouts(spec, sharding);
      const std::vector<ParamSpec> params = param_specs(spec);
      const Range units = own_units(spec, sharding);
      int ways = 0;
      for (size_t i = 0; i < params.size(); ++i) {
        if (!params[i].name.starts_with("block.") || params[i].role == Role::gain) continue;
        const bool line =
            params[i].name.find(".axis.") != std::string::npos && spec.map == MapKind::dense;
        if (params[i].name.ends_with(".channel.w")) continue;  // needs all channels: not at home
        const Range own = held(params[i], layouts[i], rank, line ? DimKind::line : DimKind::hidden);
        EXPECT_EQ(own.lo, units.lo) << params[i].name;
        EXPECT_EQ(own.hi, units.hi) << params[i].name;
        const bool halves = spec.gate && params[i].role == Role::map;
        if (halves) {
          EXPECT_EQ(held(params[i], layouts[i], rank, DimKind::half).size(), 2) << params[i].name;
        }
        ++ways;
      }
      EXPECT_EQ(ways, 4);  // per axis w1 and w2; or in, a map an axis, out
    }
}

TEST(ChannelCut, TablesAndTheMapInLeadToTheChannelsAtHome) {
  for (const ModelSpec& spec : specs())
    for (int rank = 0; rank < 12; ++rank) {
      const Sharding sharding(spec, 4, kCuts, rank);
      const NodeShape nodes = sharding.nodes(spec.channels);
      const auto channel = static_cast<size_t>(nodes.channel_axis());
      const Box home = sharding.box(sharding.home(), spec.channels);
      const std::vector<Layout> layouts = channel_layouts(spec, sharding);
      const std::vector<ParamSpec> params = param_specs(spec);
      for (size_t i = 0; i < params.size(); ++i) {
        const bool leads =
            spec.width == 0 ? params[i].role == Role::table : params[i].name == "pre";
        if (!leads) continue;
        const Box box = layouts[i].box(params[i].shape(), rank);
        EXPECT_EQ(box.lo.back(), home.lo[channel]) << params[i].name;
        EXPECT_EQ(box.hi.back(), home.hi[channel]) << params[i].name;
      }
    }
}

// Norms, and whatever leads between the stream and ends of another width.
TEST(ChannelCut, TheRestStaysWholeButForSymbols) {
  for (const ModelSpec& spec : specs())
    for (const ParamSpec& param : param_specs(spec)) {
      const bool whole = param.role == Role::gain || param.name == "post" ||
                         (param.role == Role::table && spec.width != 0);
      if (!whole && param.role != Role::head) continue;
      EXPECT_EQ(channel_dim(spec, param), whole ? kReplicates : 1) << param.name;
    }
}

// y = W2 f(W1 h) of the units that a rank holds. Whole numbers: sums are exact in any order.
std::vector<double> sublayer(const ModelSpec& spec, const Sharding& sharding,
                             const std::vector<double>& h) {
  Params<double> params(param_specs(spec), param_layouts(spec, sharding), sharding.rank());
  const auto backend = make_cpu_backend<double>(1);
  const Random random(1, "whole");
  for (const char* name : {"block.0.axis.0.w1", "block.0.axis.0.w2"}) {
    Param<double>& param = params.at(name);
    double* next = param.value;
    for_each_run(param.spec.shape(), param.box, [&](std::int64_t first, std::int64_t count) {
      for (std::int64_t i = first; i < first + count; ++i)
        *next++ = static_cast<double>(random.below(static_cast<std::uint64_t>(i), 7)) - 3;
    });
  }
  const Range units = own_units(spec, sharding);
  const std::int64_t halves = spec.gate ? 2 : 1;
  const std::int64_t active = std::clamp(active_units(spec), units.lo, units.hi) - units.lo;
  const Nodes nodes{1, static_cast<std::int64_t>(h.size()) / spec.channels, spec.channels,
                    Order::channels_inner};
  const Nodes hidden = nodes.with_channels(units.size());
  std::vector<double> z(static_cast<size_t>(halves * hidden.elements())),
      q(static_cast<size_t>(hidden.elements())), y(h.size());
  backend->channel_map(nodes, halves * units.size(), h.data(), params.at("block.0.axis.0.w1").value,
                       z.data(), false);
  backend->activate({spec.activation, spec.gate, active}, hidden, z.data(), q.data());
  backend->channel_map(hidden, spec.channels, q.data(), params.at("block.0.axis.0.w2").value,
                       y.data(), false);
  return y;
}

TEST(ChannelCut, ResultsOfTheUnitsAddUp) {
  for (const bool gate : {true, false})
    for (const double active : {1.0, 0.5}) {
      const ModelSpec spec = changed(joint({}), [&](ModelSpec& s) {
        s.gate = gate, s.active = active, s.hidden = 7, s.activation = Activation::relu;
      });
      std::vector<double> h;
      for (int i = 0; i < 12; ++i) h.push_back(i % 5 - 2);
      const std::vector<double> whole_result = sublayer(spec, Sharding(spec, 4), h);
      std::vector<double> sum(h.size(), 0);
      for (int rank = 0; rank < 3; ++rank) {
        const auto part = sublayer(spec, Sharding(spec, 4, {1, {}, 3}, rank), h);
        for (size_t i = 0; i < sum.size(); ++i) sum[i] += part[i];
      }
      EXPECT_EQ(sum, whole_result);
      EXPECT_NE(sum, std::vector<double>(h.size(), 0));
    }
}

TEST(ChannelCut, RefusesUnitsThatCannotBeCut) {
  const auto why = [](const Change& change) {
    return message_of(
        [&] {
          Sharding(changed(joint({2}), change), 4, {1, {}, 3}, 0);
        },
        ErrorKind::usage);
  };
  const std::string few = why([](ModelSpec& spec) { spec.hidden = 2; });
  EXPECT_NE(few.find("2 hidden units, into 3 parts"), std::string::npos) << few;
  const std::string sorted = why([](ModelSpec& spec) { spec.activation = Activation::sort2; });
  EXPECT_NE(sorted.find("activation: sort2"), std::string::npos) << sorted;
}

}  // namespace
}  // namespace ortho
