// Where sublayers run: pure, without ranks.
#include "model/joint_sites.h"

#include <gtest/gtest.h>

#include "comm/chain.h"
#include "model/moves.h"
#include "model/stack.h"
#include "tests/support/errors.h"
#include "tests/support/stack_draw.h"

namespace ortho {
namespace {

using test::StackCase;

Sharding sharding_of(const StackCase& one, int rank = 0) {
  return {one.spec, one.windows, one.cuts, rank, one.order};
}

std::vector<JointSite> sites_of(const StackCase& one) {
  return joint_sites(one.spec, sharding_of(one));
}

// Also that the draws, which other tests use, come by everything that a mesh can ask for.
TEST(JointSites, EachLeavesItsAxisAndTheChannelsWhole) {
  int halos = 0, segments = 0, inner_cuts = 0, by_batch = 0, nested = 0, home = 0;
  for (const int ranks : {2, 3, 4, 6, 8})
    for (std::uint64_t number = 0; number < 40; ++number) {
      const StackCase one = test::draw_stack(1, number, ranks);
      const Sharding sharding = sharding_of(one);
      const NodeShape nodes = sharding.nodes(one.spec.channels);
      for (const JointSite& site : sites_of(one)) {
        const Layout& layout = site.layout;
        EXPECT_EQ(layout.parts(site.map.axes.back()), 1) << test::case_text(one);
        EXPECT_EQ(layout.parts(nodes.channel_axis()), 1) << test::case_text(one);
        int parts = 1, outer = 0;
        for (size_t axis = 0; axis < nodes.shape.size(); ++axis) {
          const int own = layout.parts(static_cast<int>(axis));
          EXPECT_LE(own, nodes.shape[axis]) << test::case_text(one);
          parts *= own;
          if (static_cast<int>(axis) < site.map.axes.back() && own > 1) outer = own;
        }
        EXPECT_EQ(parts, ranks) << "none replicates";
        const bool reaches = one.spec.wiring == Wiring::causal && outer > 1 &&
                             nodes.shape[static_cast<size_t>(site.map.axes.back())] > 1;
        EXPECT_EQ(site.halo.has_value(), reaches) << test::case_text(one);
        home += layout.cuts() == sharding.home().cuts() ? 1 : 0;
        by_batch += layout.parts(nodes.batch_axis()) > one.cuts.batch ? 1 : 0;
        for (size_t m = 1; m < layout.cuts().size(); ++m)
          nested += layout.cuts()[m] == layout.cuts()[m - 1] ? 1 : 0;
        if (!site.halo) continue;
        ++halos;
        const Shape local = sharding.local_tokens(layout);
        for (int axis = 0; axis < site.halo->first; ++axis)
          if (local[static_cast<size_t>(axis)] > 1) ++segments;
        for (int axis = site.map.axes.back() + 1; axis < nodes.token_axes(); ++axis)
          if (layout.parts(axis) > 1) ++inner_cuts;
      }
    }
  for (const int count : {halos, segments, inner_cuts, by_batch, nested, home})
    EXPECT_GT(count, 20);
}

// All bytes and messages of one forward pass, as the plans of this rank say.
struct Sent {
  std::int64_t halo_bytes = 0, move_bytes = 0, moves = 0;
};
Sent sent(const StackCase& one, int rank) {
  const Sharding sharding = sharding_of(one, rank);
  Params<float> params(param_specs(one.spec), param_layouts(one.spec, sharding), rank, true);
  const auto backend = make_cpu_backend<float>(1);
  Arena<float> arena(true);
  Moves<float> moves(sharding, nullptr, arena);
  const Stack<float> stack({one.spec, sharding, params, *backend, arena, moves});
  Sent all;
  for (const auto& move : moves.all()) {
    const std::int64_t bytes = move->plan().sent_bytes(Way::forward);
    EXPECT_EQ(move->plan().sent_bytes(Way::backward), 4 * move->plan().target.packed);
    const bool halo = move->what().ends_with("halo");
    (halo ? all.halo_bytes : all.move_bytes) += bytes;
    all.moves += halo ? 0 : 1;
  }
  return all;
}

// s_1 cut, one window: sublayers 2 … n need the (s_i - 1) * stride_i tokens before the own ones,
// which the last rank sends nobody; sublayer 1 goes to other lines and back, (p-1)/p of the part
// each way.
TEST(JointSites, BytesOfACutOutermostAxisAreThoseOfTheFormula) {
  for (const int p : {2, 4}) {
    StackCase one = {test::small_spec({4 * p, 4, 3}), 1, {1, {p}}, {}};
    one.spec.combine = Combine::parallel;
    one.spec.blocks = 3;
    const std::int64_t token = 4 * one.spec.channels, part = 4 * 4 * 3 * token;
    for (int rank = 0; rank < p; ++rank) {
      const Sent all = sent(one, rank);
      EXPECT_EQ(all.halo_bytes, rank < p - 1 ? 3 * (2 * 1 + 3 * 3) * token : 0);
      EXPECT_EQ(all.moves, 3 * 2);
      EXPECT_EQ(all.move_bytes, 3 * 2 * part * (p - 1) / p);
    }
  }
}

// Three axes, one of them cut: 1 + 1/(3-1) moves a block, in every wiring, where going home after
// the cut axis takes 2.
TEST(JointSites, ChainedBlocksCostAMoveAndAHalf) {
  for (const Wiring wiring : {Wiring::causal, Wiring::grid})
    for (const Sequence sequence : {Sequence::ascending, Sequence::descending})
      for (const std::int64_t blocks : {1, 2, 3, 4, 5}) {
        StackCase one = {test::small_spec({4, 4, 4}), 1, {1, {4}}, {}};
        one.spec.wiring = wiring;
        one.spec.sequence = sequence;
        one.spec.blocks = blocks;
        EXPECT_EQ(sent(one, 0).moves, (3 * blocks + 1) / 2) << test::case_text(one);
      }
}

// With windows enough the batch is cut through all blocks and passes: there once, home once.
TEST(JointSites, ManyWindowsAreCutInstead) {
  StackCase one = {test::small_spec({8, 2, 2}), 4, {1, {4}}, {}};
  one.spec.refeeds = 3;
  for (const JointSite& site : sites_of(one))
    EXPECT_EQ(site.layout.parts(3), 4) << "axis " << site.map.axes.back();
  EXPECT_EQ(sent(one, 1).moves, 2);
  EXPECT_EQ(sent(one, 1).halo_bytes, 0);
}

// s_3 = 3 would be cheap to move to but leaves one rank of two with twice the work.
TEST(JointSites, NoLayoutIsLessEvenThanNeeded) {
  const StackCase one = {test::small_spec({4, 4, 3}), 1, {1, {2}}, {}};
  for (const Layout& layout : joint_candidates(one.spec, sharding_of(one)))
    EXPECT_EQ(layout.parts(2), 1);
  const StackCase odd = {test::small_spec({4, 3}), 1, {1, {2}}, {}};
  EXPECT_EQ(joint_candidates(odd.spec, sharding_of(odd)).size(), 2U) << "s_1 needs it";
}

TEST(JointSites, RefusesWhatCannotBe) {
  const StackCase few = {test::small_spec({8, 2, 2}), 3, {1, {4}}, {}};
  const std::string lines = message_of([&] { sites_of(few); }, ErrorKind::usage);
  expect_in("s_1", lines);
  expect_in("fewer lines than ranks", lines);
}

// The residual stream keeps its cut channels wherever it goes; a map and its halo have them all.
TEST(JointSites, ACutOfTheChannelsStays) {
  int moved = 0, halos = 0;
  for (std::uint64_t number = 0; number < 40; ++number) {
    const StackCase one = test::draw_stack(1, number, 4, 3);
    const Sharding sharding = sharding_of(one);
    const int channels = sharding.nodes(one.spec.channels).channel_axis();
    for (const JointSite& site : sites_of(one)) {
      EXPECT_EQ(site.layout.cuts().back(), channels) << test::case_text(one);
      const Layout gathered = sharding.whole_channels(site.layout);
      EXPECT_EQ(gathered.parts(channels), 1);
      EXPECT_EQ(sharding.local(gathered, 4), sharding.local(site.layout, 4).with_channels(4));
      EXPECT_EQ(halo_elements(sharding, site, 4), 4 * halo_elements(sharding, site, 1));
      moved += site.layout.cuts() != sharding.home().cuts() ? 1 : 0;
      halos += site.halo.has_value() ? 1 : 0;
    }
  }
  EXPECT_GT(moved, 20);
  EXPECT_GT(halos, 20);
}

}  // namespace
}  // namespace ortho
