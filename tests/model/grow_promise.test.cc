// Every row of the growth table on real joint models.
#include "tests/support/grow_rows.h"

namespace ortho {
namespace {

TEST(GrowPromise, EveryRowOfRandomJointModels) {
  for (const Row& row : kRows) {
    const std::string name = row.name;
    if (name == "separate" || name == "by_position" || name == "per_channel") continue;
    EXPECT_GE(check_row(MapKind::joint, row, 40), 5) << row.name;
  }
}

TEST(GrowPromise, BrokenRulesAreNoticedInJointModels) {
  using S = ModelSpec;
  const ModelSpec base =
      changed(joint({2, 3}), [](S& s) { s.places.text = 4, s.norm = Norm::rms; });
  expect_noticed(
      "w2 of a new axis", base,
      [](S& s) {
        s.tokens = {2, 2, 3};
      },
      draw_instead);
  expect_noticed(
      "w2 of new blocks", base, [](S& s) { s.blocks = 2; }, draw_instead);
  expect_noticed(
      "channels", base, [](S& s) { s.channels = 6; }, draw_instead);
  expect_noticed(
      "gains", base, [](S& s) { s.channels = 6; }, forget_scale);
  expect_noticed(
      "hidden", base, [](S& s) { s.hidden = 6; }, draw_instead);
  expect_noticed(
      "halves of the gate", base, [](S& s) { s.hidden = 6; }, mix_halves);
  expect_noticed(
      "places", base, [](S& s) { s.places.text = 8; }, forget_repeats);
  expect_noticed(
      "items", base, [](S& s) { s.items = 4; }, draw_instead);
  const ModelSpec grid = changed(base, [](S& s) { s.wiring = Wiring::grid; });
  expect_noticed(
      "off the diagonal", grid,
      [](S& s) {
        s.tokens = {2, 6};
      },
      draw_instead);
  expect_noticed(
      "second block", grid,
      [](S& s) {
        s.tokens = {2, 6};
      },
      forget_repeats);
  const ModelSpec plain = changed(base, [](S& s) { s.out = false, s.hidden = s.channels; });
  expect_noticed(
      "u of a new axis", plain,
      [](S& s) {
        s.tokens = {2, 2, 3};
      },
      draw_instead);
}

}  // namespace
}  // namespace ortho
