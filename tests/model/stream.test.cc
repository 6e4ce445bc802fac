// Streams against the forward pass of the whole window, at every token.
#include "model/stream.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/support/errors.h"
#include "tests/support/model_kit.h"

namespace ortho {
namespace {

constexpr std::int64_t kWindows = 3;

ModelSpec joint_spec() {
  ModelSpec spec;
  spec.tokens = {3, 2, 4};
  spec.channels = 6;
  spec.hidden = 4;
  spec.modalities = {Modality::text, Modality::pixel};
  spec.text_symbols = 20;
  spec.modality_head = spec.modality_table = true;
  spec.places.text = 5;
  return spec;
}

ModelSpec dense_spec(Weights weights, Combine combine) {
  ModelSpec spec = joint_spec();
  spec.map = MapKind::dense;
  spec.weights = weights;
  spec.combine = combine;
  return spec;
}

// Joint and dense models, each with something that the others lack.
std::vector<ModelSpec> specs() {
  std::vector<ModelSpec> all(6, joint_spec());
  all[1].combine = Combine::parallel;
  all[1].norm = Norm::layer;
  all[2].sequence = Sequence::ascending;
  all[2].refeeds = 2;
  all[2].gate = false;
  all[3].norm = Norm::none;
  all[3].residual = false;
  all[4].tokens = {};
  all[4].width = 5;
  all[5].out = false;
  all[5].hidden = 6;
  for (const Weights weights : {Weights::shared, Weights::by_position, Weights::separate})
    for (const Combine combine : {Combine::parallel, Combine::sequential})
      for (const bool channel_axis : {false, true}) {
        ModelSpec spec = dense_spec(weights, combine);
        spec.channel_axis = channel_axis;
        spec.refeeds = channel_axis ? 2 : 1;
        all.push_back(spec);
      }
  for (size_t i = 0; i < 6; ++i) {  // what the maps may have besides
    ModelSpec spec = i < 2 ? joint_spec() : dense_spec(Weights::shared, Combine::sequential);
    if (i == 2) spec.weights = Weights::per_channel;
    if (i == 3) spec.weights = Weights::tied;
    if (i % 2 == 0) spec.combine = Combine::parallel, spec.self = Self::once;
    spec.bias = i < 4;
    spec.branches = 1 + static_cast<std::int64_t>(i) % 2;
    spec.radius = i == 1 || i == 4 ? 2 : 0;
    spec.heads = i > 3 ? 2 : 1;
    all.push_back(spec);
  }
  all.push_back(joint_spec());
  all.back().sets = {0, 1, 0};      // the first axis with the last
  for (size_t i = 0; i < 4; ++i) {  // attention: along all axes, beside joint maps, over a set
    ModelSpec spec = joint_spec();
    spec.map = MapKind::attention;
    spec.heads = 1 + static_cast<std::int64_t>(i) % 2;
    spec.gate = i != 1;
    spec.refeeds = i == 1 ? 2 : 1;
    if (i == 2) spec.maps = {MapKind::attention, MapKind::joint, MapKind::attention};
    if (i == 3) spec.sets = {0, 1, 0}, spec.branches = 2;
    all.push_back(spec);
  }
  ModelSpec bare = dense_spec(Weights::separate, Combine::sequential);
  bare.in = bare.out = bare.gate = false;
  bare.hidden = bare.channels;
  bare.sequence = Sequence::ascending;
  all.push_back(bare);
  ModelSpec single = dense_spec(Weights::shared, Combine::single);
  single.single_axis = 1;
  all.push_back(single);
  return all;
}

template <class T>
std::vector<T> logits(Head<T>& head, const std::string& name, std::int64_t first_row) {
  std::vector<std::int32_t> rows;
  for (std::int64_t w = 0; w < kWindows; ++w)
    rows.push_back(static_cast<std::int32_t>(first_row + w));
  std::vector<T> out(static_cast<size_t>(kWindows * head.classes(name)));
  head.logits(name, rows, {}, out.data());
  return out;
}

// Pushes the batch in parts of `steps` tokens in turn and compares the logits of each last token.
template <class T, class Compare>
void check(const ModelSpec& spec, std::int64_t chunk, const std::vector<std::int64_t>& steps,
           Compare compare) {
  ModelKit<T> kit(spec, kWindows, 3);
  const Batch batch = random_batch(spec, kWindows, 4);
  kit.model.run(batch);
  Stream<T> stream(spec, kWindows, kit.params, *kit.backend, kit.arena, chunk);
  for (int again = 0; again < 2; ++again) {  // a second stream in the same memory
    stream.begin();
    for (size_t i = 0; stream.position() < batch.tokens; ++i) {
      const std::int64_t first = stream.position();
      const std::int64_t count = std::min(steps[i % steps.size()], batch.tokens - first);
      stream.push(std::span(batch.input)
                      .subspan(static_cast<size_t>(first * kWindows),
                               static_cast<size_t>(count * kWindows)));
      for (const char* head : {"modality", "text", "red"})
        compare(logits(kit.model.head(), head, (first + count - 1) * kWindows),
                logits(stream.head(), head, 0));
    }
  }
}

// In double every row of a product is summed alone and in the same order: the same bits.
TEST(Stream, EqualsTheWholeWindowInDouble) {
  const std::vector<ModelSpec> all = specs();
  for (size_t i = 0; i < all.size(); ++i) {
    SCOPED_TRACE(text("spec ", i));
    const auto equal = [](const auto& whole, const auto& tokens) { EXPECT_EQ(whole, tokens); };
    check<double>(all[i], 64, {1}, equal);
    check<double>(all[i], 4, {5, 1, 9}, equal);
    check<double>(all[i], 64, {64}, equal);
  }
}

// In float a library multiplies: it may sum a row in another order when there are fewer rows.
// Logits are below 1 here; some hundred terms and ten layers at 6e-8 each.
TEST(Stream, EqualsTheWholeWindowInFloat) {
  for (const ModelSpec& spec : specs())
    check<float>(spec, 4, {5, 1, 9}, [](const auto& whole, const auto& tokens) {
      for (size_t i = 0; i < whole.size(); ++i) EXPECT_NEAR(whole[i], tokens[i], 2e-5);
    });
}

// Of one block without refeeds each token sees the T tokens up to itself and no other, on one path
// each: behind the context it says what it says at the end of a window of its own.
void expect_going_on(const ModelSpec& spec) {
  ModelKit<double> kit(spec, kWindows, 3);
  const std::int64_t tokens = context(spec);
  std::vector<Token> all;
  for (std::uint64_t part = 0; part < 3; ++part)
    for (const Token& token : random_batch(spec, kWindows, 20 + part).input) all.push_back(token);
  Batch batch = random_batch(spec, kWindows, 1);
  Stream<double> stream(spec, kWindows, kit.params, *kit.backend, kit.arena, 5);
  for (std::int64_t t = 0; t < 3 * tokens; ++t) {
    stream.push(std::span(all).subspan(static_cast<size_t>(t * kWindows), kWindows));
    if (t + 1 < tokens) continue;
    const auto first = all.begin() + (t + 1 - tokens) * kWindows;
    batch.input.assign(first, first + tokens * kWindows);
    kit.model.run(batch);
    EXPECT_EQ(logits(stream.head(), "text", 0),
              logits(kit.model.head(), "text", (tokens - 1) * kWindows));
  }
}

TEST(Stream, GoesOnBehindTheContext) {
  ModelSpec spec = joint_spec();
  spec.blocks = 1;
  expect_going_on(spec);
  spec.tokens = {6};  // one softmax: in a chain the window's first tokens would hear less
  spec.map = MapKind::attention;
  expect_going_on(spec);
}

TEST(Stream, RefusesWhatItCannotDo) {
  ModelSpec spec = dense_spec(Weights::by_position, Combine::sequential);
  ModelKit<float> kit(spec, kWindows, 3);
  Stream<float> stream(spec, kWindows, kit.params, *kit.backend, kit.arena);
  const std::vector<Token> window(static_cast<size_t>(context(spec) * kWindows));
  stream.push(window);
  const std::string message =
      message_of([&] { stream.push(std::span(window).first(kWindows)); }, ErrorKind::usage);
  EXPECT_NE(message.find("25 tokens in a context of 24"), std::string::npos) << message;
  spec.wiring = Wiring::grid;
  spec.weights = Weights::shared;
  EXPECT_NE(stream_refusal(spec).find("not causal"), std::string::npos);
}

}  // namespace
}  // namespace ortho
