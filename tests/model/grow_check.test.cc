// What growth refuses, and what the message says.
#include <gtest/gtest.h>

#include "model/grow.h"
#include "tests/support/errors.h"
#include "tests/support/grow_kit.h"

namespace ortho {
namespace {

struct Refused {
  const char* name;
  Change from, to;
  const char* values;  // what the message must name
  const char* hint;
};

const Change kSame = [](ModelSpec&) {};

using S = ModelSpec;

const std::vector<Refused> kCases = {
    {"map", kSame, [](S& s) { s.map = MapKind::dense; }, "model.map joint -> dense", "new run"},
    {"wiring", kSame, [](S& s) { s.wiring = Wiring::grid; }, "model.wiring causal -> grid", "Keep"},
    {"gate", kSame, [](S& s) { s.gate = false; }, "model.gate true -> false", "Keep true"},
    {"norm", kSame, [](S& s) { s.norm = Norm::none; }, "model.norm rms -> none", "Keep rms"},
    {"activation", kSame, [](S& s) { s.activation = Activation::relu; },
     "model.activation melu -> relu", "Keep melu"},
    {"active", kSame, [](S& s) { s.active = 0.5; }, "model.active 1 -> 0.5", "Keep 1"},
    {"combine", kSame, [](S& s) { s.combine = Combine::parallel; },
     "model.combine sequential -> parallel", "Keep sequential"},
    {"sequence", kSame, [](S& s) { s.sequence = Sequence::ascending; },
     "model.sequence descending -> ascending", "Keep descending"},
    {"width", kSame, [](S& s) { s.width = 6; }, "model.width 0 -> 6", "Keep 0"},
    {"inner axis shortened", kSame,
     [](S& s) {
       s.tokens = {2, 2};
     },
     "shortening token axis 0 from the inside from 3 to 2", "outermost"},
    {"axis added inside", kSame,
     [](S& s) {
       s.tokens = {2, 3, 2};
     },
     "model.tokens [2, 3] -> [2, 3, 2]", "new axes outside"},
    {"inner axis", kSame,
     [](S& s) {
       s.tokens = {2, 6};
     },
     "lengthening token axis 0 from the inside changes the strides", "add an axis outside"},
    {"no factor", [](S& s) { s.wiring = Wiring::grid; },
     [](S& s) {
       s.wiring = Wiring::grid, s.tokens = {3, 3};
     },
     "grows from 2 to 3", "a multiple of 2"},
    {"fewer channels that are units",
     [](S& s) { s.out = false, s.channels = s.hidden = 4, s.active = 0.5; },
     [](S& s) { s.out = false, s.hidden = 3, s.active = 0.5; }, "model.channels 4 -> 3",
     "out: true"},
    {"fewer channels that are halves of a gate",
     [](S& s) { s.map = MapKind::dense, s.in = false, s.channels = 12, s.hidden = 6; },
     [](S& s) { s.map = MapKind::dense, s.in = false, s.channels = 8; }, "model.channels 12 -> 8",
     "in: true"},
    {"fewer units of heads", [](S& s) { s.map = MapKind::dense, s.heads = 2, s.hidden = 8; },
     [](S& s) { s.map = MapKind::dense, s.heads = 2; }, "model.hidden 8 -> 4 with 2 heads",
     "Keep 8"},
    {"fewer units with attention", [](S& s) { s.map = MapKind::attention; },
     [](S& s) { s.map = MapKind::attention, s.hidden = 2; },
     "model.hidden 4 -> 2 with 1 head of attention", "Keep 4"},
    {"an axis of a set removed",
     [](S& s) {
       s.sets = {1, 1};
     },
     [](S& s) { s.tokens = {3}; }, "block.0.axis.0.gain would be left", "Keep them together"},
    {"a tied axis made shorter",
     [](S& s) {
       s.map = MapKind::dense, s.weights = Weights::tied, s.tokens = {4, 4};
     },
     [](S& s) {
       s.map = MapKind::dense, s.weights = Weights::tied, s.tokens = {2, 4};
     },
     "block.0.axis.0.w would be left", "the sizes that they have"},
    {"single axis removed",
     [](S& s) { s.map = MapKind::dense, s.combine = Combine::single, s.single_axis = 0; },
     [](S& s) {
       s.map = MapKind::dense, s.combine = Combine::single, s.single_axis = 0, s.tokens = {3};
     },
     "model.single_axis 0: its axis is removed", "new run"},
    {"branches", [](S& s) { s.branches = 2; }, kSame, "model.branches 2 -> 1", "Keep 2"},
    {"branches without a way out",
     [](S& s) { s.map = MapKind::dense, s.out = false, s.hidden = 3; },
     [](S& s) { s.map = MapKind::dense, s.out = false, s.hidden = 3, s.branches = 2; },
     "model.branches 1 -> 2", "Set out: true"},
    {"self", [](S& s) { s.combine = Combine::parallel; },
     [](S& s) { s.combine = Combine::parallel, s.self = Self::once; }, "model.self every -> once",
     "Keep every"},
    {"bias", [](S& s) { s.bias = true; }, kSame, "model.bias true -> false", "Keep true"},
    {"window narrower", kSame, [](S& s) { s.radius = 1; }, "model.radius 0 -> 1", "Keep 0"},
    {"window of a grid", [](S& s) { s.wiring = Wiring::grid, s.radius = 1; },
     [](S& s) { s.wiring = Wiring::grid, s.radius = 2; }, "model.radius 1 -> 2 with wiring: grid",
     "Keep 1"},
    {"weights back", [](S& s) { s.map = MapKind::dense, s.weights = Weights::per_channel; },
     [](S& s) { s.map = MapKind::dense; }, "model.weights per_channel -> shared",
     "Keep per_channel"},
    {"weights sideways", [](S& s) { s.map = MapKind::dense, s.weights = Weights::by_position; },
     [](S& s) { s.map = MapKind::dense, s.weights = Weights::per_channel; },
     "model.weights by_position -> per_channel", "Keep by_position"},
    {"a tie is made", [](S& s) { s.map = MapKind::dense, s.weights = Weights::tied; },
     [](S& s) {
       s.map = MapKind::dense, s.weights = Weights::tied, s.tokens = {3, 2, 3};
     },
     "the map axis.0.w would go from axis.0.w to size.3.w", "weights: shared"},
    {"fewer heads", [](S& s) { s.map = MapKind::dense, s.heads = 2; },
     [](S& s) { s.map = MapKind::dense; }, "model.heads 2 -> 1", "Keep 2"},
    {"narrower heads", [](S& s) { s.map = MapKind::dense, s.heads = 1; },
     [](S& s) { s.map = MapKind::dense, s.heads = 2; }, "model.heads 1 -> 2 with hidden 4 -> 4",
     "hidden 8 with 2 heads"},
    {"heads without a way in",
     [](S& s) { s.map = MapKind::dense, s.in = s.gate = false, s.channels = 4; },
     [](S& s) {
       s.map = MapKind::dense, s.in = s.gate = false, s.channels = s.hidden = 8, s.heads = 2;
     },
     "model.heads 1 -> 2 with in: false", "Set both to true"},
    {"heads of two kinds", [](S& s) { s.map = MapKind::dense, s.active = 0.5; },
     [](S& s) { s.map = MapKind::dense, s.active = 0.5, s.heads = 2, s.hidden = 8; },
     "model.heads 1 -> 2 with active 0.5", "Use active: 1"},
    {"layer norm", [](S& s) { s.norm = Norm::layer; },
     [](S& s) { s.norm = Norm::layer, s.channels = 5; }, "model.channels 3 -> 5", "norm: rms"},
    {"blocks without residual", [](S& s) { s.residual = false; },
     [](S& s) { s.residual = false, s.blocks = 2; }, "model.blocks 1 -> 2", "residual: true"},
    {"axis without residual", [](S& s) { s.residual = false; },
     [](S& s) {
       s.residual = false, s.tokens = {2, 2, 3};
     },
     "[2, 3] -> [2, 2, 3]", "residual: true"},
    {"channels that are units", [](S& s) { s.out = false, s.hidden = 3, s.active = 0.5; },
     [](S& s) { s.out = false, s.channels = s.hidden = 4, s.active = 0.5; },
     "model.channels 3 -> 4", "out: true"},
    {"symbols", kSame, [](S& s) { s.text_symbols = 4; }, "model.text_symbols 5 -> 4", "Keep 5"},
    {"places", [](S& s) { s.places.text = 4; }, [](S& s) { s.places.text = 6; },
     "model.places.text 4 -> 6", "Use 8"},
    {"modality", kSame, [](S& s) { s.modalities = {Modality::audio}; }, "has none of the old one's",
     "at least one"},
    {"audio levels", [](S& s) { s.modalities = {Modality::audio}; },
     [](S& s) { s.modalities = {Modality::audio}, s.audio_levels = 65536; },
     "model.audio_levels 256 -> 65536", "Keep 256"},
    {"modality table", [](S& s) { s.modality_table = true; }, kSame,
     "model.modality_table true -> false", "Keep true"},
    {"weights", [](S& s) { s.map = MapKind::dense, s.weights = Weights::separate; },
     [](S& s) { s.map = MapKind::dense; }, "model.weights separate -> shared", "Keep separate"},
    {"single axis",
     [](S& s) { s.map = MapKind::dense, s.combine = Combine::single, s.single_axis = 0; },
     [](S& s) {
       s.map = MapKind::dense, s.combine = Combine::single, s.single_axis = 0;
       s.tokens = {2, 2, 3};
     },
     "model.single_axis 0 of tokens [2, 3] -> 0 of tokens [2, 2, 3]", "Count it from the inside"},
    {"dense blocks without a way out",
     [](S& s) { s.map = MapKind::dense, s.out = false, s.hidden = 3; },
     [](S& s) { s.map = MapKind::dense, s.out = false, s.hidden = 3, s.blocks = 2; },
     "model.blocks 1 -> 2 with map: dense and out: false", "out: true"},
    {"channels that are halves of a gate",
     [](S& s) { s.map = MapKind::dense, s.in = false, s.channels = 8; },
     [](S& s) { s.map = MapKind::dense, s.in = false, s.channels = 12, s.hidden = 6; },
     "model.channels 8 -> 12 with in: false and a gate", "in: true"},
};

TEST(GrowCheck, RefusesWhatIsNoGrowth) {
  for (const Refused& row : kCases) {
    const std::string why = message_of(
        [&] {
          plan_growth(changed(joint({2, 3}), row.from), changed(joint({2, 3}), row.to));
        },
        ErrorKind::usage);
    EXPECT_NE(why.find(row.values), std::string::npos) << row.name << ": " << why;
    EXPECT_NE(why.find(row.hint), std::string::npos) << row.name << ": " << why;
  }
}

}  // namespace
}  // namespace ortho
