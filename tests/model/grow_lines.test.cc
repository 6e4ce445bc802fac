// Growth of blocks with maps of several kinds: promises on random models, and refusals.
#include "tests/support/grow_rows.h"

namespace ortho {
namespace {

using enum MapKind;

// Draws models as for joint, then kinds and sets for their axes. What grows outside gets columns.
ModelSpec with_lines(ModelSpec spec, std::uint64_t seed) {
  Draws choice(seed + 1000);
  spec.hidden = spec.out ? 4 : spec.channels;
  spec.maps.clear(), spec.sets.clear();
  for (size_t axis = 0; axis < spec.tokens.size(); ++axis) {
    spec.sets.push_back(choice.of<std::int64_t>({1, 2}));
    spec.maps.push_back(choice.coin() ? joint : attention);
    for (size_t outer = 0; outer < axis; ++outer)
      if (spec.sets[outer] == spec.sets[axis]) spec.maps[axis] = spec.maps[outer];
  }
  if (spec.tokens.empty()) spec.map = attention;
  spec.heads = has_attention(spec) && spec.hidden % 2 == 0 ? 2 : 1;
  return spec;
}

ModelSpec with_columns(ModelSpec spec) {
  for (std::int64_t number = 100; spec.maps.size() < spec.tokens.size(); ++number) {
    if (spec.maps.empty() && spec.map == attention) break;
    spec.maps.insert(spec.maps.begin(), number % 2 == 0 ? attention : joint);
    spec.sets.insert(spec.sets.begin(), number);
  }
  return spec;
}

int check_lines_row(const Row& row, std::uint64_t seeds) {
  int kept = 0;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    const ModelSpec from = with_lines(random_spec(joint, seed), seed);
    ModelSpec to = with_columns(changed(from, row.change));
    if (has_attention(from)) to.heads = from.heads * to.hidden / from.hidden;
    GrowPlan plan;
    try {
      plan = plan_growth(from, to);
    } catch (const Error& error) {
      EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(ErrorKind::usage)) << error.what();
      continue;
    }
    if (plan.promise.kind == PromiseKind::none) continue;
    const PromiseCheck single = grow_and_check<float>(plan, plan, seed);
    EXPECT_TRUE(single.kept) << row.name << ", seed " << seed << ": " << check_text(plan, single);
    const PromiseCheck exact = grow_and_check<double>(plan, plan, seed);
    EXPECT_LE(exact.largest_difference, bound_in_double(plan) * exact.largest_logit)
        << row.name << ", seed " << seed << ": " << check_text(plan, exact);
    ++kept;
  }
  return kept;
}

TEST(GrowLines, EveryRowOfRandomModels) {
  for (const Row& row : kRows) {
    if (changed(ortho::joint({2}), row.change).weights != Weights::shared) continue;
    EXPECT_GE(check_lines_row(row, 60), 5) << row.name;
  }
}

TEST(GrowLines, BrokenRulesAreNoticed) {
  using S = ModelSpec;
  const ModelSpec base = changed(ortho::joint({2, 3}), [](S& s) {
    s.maps = {attention, joint}, s.heads = 2;
  });
  expect_noticed(
      "w2 of a new axis", base,
      [](S& s) {
        s.tokens = {2, 2, 3};
        s.maps = {attention, attention, joint};
      },
      draw_instead);
  expect_noticed(
      "w2 of new heads", base, [](S& s) { s.hidden = 6, s.heads = 3; }, draw_instead);
  const ModelSpec set = changed(ortho::joint({2, 3}), [](S& s) {
    s.wiring = Wiring::grid, s.sets = {1, 1};
  });
  expect_noticed(
      "off the diagonal of a set", set,
      [](S& s) {
        s.tokens = {2, 6};
      },
      draw_instead);
}

TEST(GrowLines, RefusesWhatASoftmaxWouldNotSurvive) {
  using S = ModelSpec;
  const ModelSpec base = changed(ortho::joint({2, 3}), [](S& s) {
    s.maps = {attention, joint}, s.heads = 2;
  });
  const auto why = [](const ModelSpec& from, const Change& change) {
    return message_of([&] { plan_growth(from, changed(from, change)); }, ErrorKind::usage);
  };
  expect_in("a head of attention keeps its width, 2", why(base, [](S& s) { s.hidden = 6; }));
  expect_in("model.maps: axis.1 changes from attention to joint",
            why(base, [](S& s) { s.maps[0] = joint, s.heads = 1; }));
  expect_in("model.sets: axis.0 of tokens [2, 3] is no sublayer of its own", why(base, [](S& s) {
              s.tokens = {2, 2, 3}, s.maps = {joint, attention, joint}, s.sets = {1, 2, 1};
            }));
  const ModelSpec grid = changed(base, [](S& s) { s.wiring = Wiring::grid; });
  expect_in("token axis 1 from the inside has attention in a grid", why(grid, [](S& s) {
              s.tokens = {4, 3};
            }));
  const ModelSpec partial = changed(base, [](S& s) { s.active = 0.5; });
  expect_in("would move between heads", why(partial, [](S& s) { s.hidden = 8, s.heads = 4; }));
}

}  // namespace
}  // namespace ortho
