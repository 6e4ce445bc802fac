#include "dataio/loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "core/file.h"
#include "tests/support/errors.h"
#include "tests/support/hostile.h"
#include "tests/support/make_data.h"
#include "tests/support/temp_folder.h"

namespace ortho {
namespace {

constexpr auto kAudio = static_cast<std::int32_t>(Modality::audio);

// 40 sounds of 1 to 40 samples and two of 20,000, which take a block each: 40,820 samples, each of
// another level, 5,120 windows of 8. Two more sounds are held out.
class LoaderTest : public ::testing::Test {
 protected:
  LoaderTest() {
    std::vector<Record> records;
    int level = 0;
    for (int i = 1; i <= 40; ++i) {
      records.push_back({{sound_of(level, i)}, "train", Split::train});
      level += i;
    }
    for (int i = 0; i < 2; ++i, level += 20'000)
      records.push_back({{sound_of(level, 20'000)}, "long", Split::train});
    samples_ = level;
    records.push_back({{sound_of(level, 10)}, "held", Split::valid});
    records.push_back({{sound_of(level + 10, 3)}, "held", Split::valid});
    write_shard(path_, records);
  }

  LoaderOptions options(std::int64_t windows, int replica = 0, int replicas = 1) const {
    LoaderOptions out;
    out.window.tokens = 8;
    out.windows = windows;
    out.replica = replica;
    out.replicas = replicas;
    out.order.seed = 5;
    return out;
  }

  TempFolder folder_;
  std::string path_ = folder_ / "sounds.h5";
  int samples_ = 0;
  Vocabulary none_;
};

bool same(const Batch& a, const Batch& b) {
  return a.tokens == b.tokens && a.windows == b.windows && a.first_window == b.first_window &&
         a.input == b.input && a.target == b.target;
}

// The columns of the replicas' batches beside each other.
Batch joined(const std::vector<Batch>& parts) {
  std::int64_t windows = 0;
  for (const Batch& part : parts) windows += part.windows;
  Batch all = empty_batch(parts[0].tokens, windows, 0);
  for (const Batch& part : parts)
    for (std::int64_t t = 0; t < part.tokens; ++t)
      for (std::int64_t b = 0; b < part.windows; ++b) {
        const auto from = static_cast<std::size_t>(t * part.windows + b);
        const auto to = static_cast<std::size_t>(t * windows + part.first_window + b);
        all.input[to] = part.input[from];
        all.target[to] = part.target[from];
      }
  return all;
}

TEST_F(LoaderTest, AnEpochGivesEveryTokenOnceAndItsSuccessorAsTarget) {
  const Dataset data({path_}, Split::train);
  Loader loader(data, none_, options(1));
  std::map<std::int32_t, int> seen;
  for (std::int64_t given = 0; given < loader.samples(); ++given) {
    const Batch batch = loader.next();
    for (std::size_t at = 0; at < batch.input.size(); ++at) {
      const Token& token = batch.input[at];
      const Target& target = batch.target[at];
      if (token == Token{}) {
        EXPECT_EQ(target, Target{});
        continue;
      }
      EXPECT_EQ(token.modality, kAudio);
      ++seen[token.symbol[0]];
      if (target.scored != 0) {
        EXPECT_EQ(target.symbol[0], token.symbol[0] + 1);
      }
    }
  }
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(samples_));
  for (const auto& [level, times] : seen) EXPECT_EQ(times, 1) << level;
  EXPECT_EQ(loader.cursor(), (Cursor{0, loader.samples()}));
  EXPECT_EQ(loader.samples_per_epoch(), loader.samples());
  loader.next();
  EXPECT_EQ(loader.cursor(), (Cursor{1, 1}));
}

TEST_F(LoaderTest, GlobalBatchesAreTheSameForAnyNumberOfReplicas) {
  const Dataset data({path_}, Split::train);
  Loader whole(data, none_, options(8));
  std::vector<Batch> expected;
  for (int step = 0; step < 700; ++step) expected.push_back(whole.next());  // 640 are an epoch
  EXPECT_EQ(whole.cursor(), (Cursor{1, 480}));
  for (const int replicas : {2, 4, 8}) {
    std::vector<std::unique_ptr<Loader>> loaders;
    for (int replica = 0; replica < replicas; ++replica)
      loaders.push_back(std::make_unique<Loader>(data, none_, options(8, replica, replicas)));
    for (const Batch& batch : expected) {
      std::vector<Batch> parts;
      for (auto& loader : loaders) parts.push_back(loader->next());
      ASSERT_TRUE(same(joined(parts), batch)) << replicas;
    }
  }
}

// Windows of [4, 2] tokens on ranks that cut one axis or both, unevenly too.
TEST_F(LoaderTest, APartHasTheTokensOfItsBox) {
  const Dataset data({path_}, Split::train);
  for (const Box& box : {Box{{0, 0, 0}, {3, 2, 1}}, Box{{1, 1, 0}, {4, 2, 1}},
                         Box{{0, 1, 0}, {4, 2, 1}}, Box{{2, 0, 0}, {2, 2, 1}}}) {
    LoaderOptions part = options(4, 1, 2);
    part.held = HeldRows{{4, 2, 1}, box};
    Loader whole(data, none_, options(4, 1, 2)), some(data, none_, part);
    for (int step = 0; step < 20; ++step) {
      const Batch all = whole.next(), held = some.next();
      ASSERT_TRUE(held.part);
      ASSERT_EQ(held.tokens, 8);
      ASSERT_EQ(held.first_window, all.first_window);
      const HeldRows rows{{4, 2, 2}, {box.lo, {box.hi[0], box.hi[1], 2}}};
      ASSERT_EQ(held.input.size(), static_cast<std::size_t>(rows.count()));
      ASSERT_EQ(held.target.size(), held.input.size());
      for_each_row(rows, [&](std::int64_t local, std::int64_t row) {
        EXPECT_EQ(held.input[held.entry(row, local)], all.input[static_cast<std::size_t>(row)]);
        EXPECT_EQ(held.target[held.entry(row, local)], all.target[static_cast<std::size_t>(row)]);
      });
    }
    ASSERT_EQ(some.cursor(), whole.cursor());
  }
}

TEST_F(LoaderTest, ThePrefetchedBatchesAreTheDirectOnes) {
  const Dataset data({path_}, Split::train);
  LoaderOptions direct_options = options(4);
  direct_options.prefetch = false;
  Loader ahead(data, none_, options(4)), direct(data, none_, direct_options);
  for (int step = 0; step < 100; ++step) {
    ASSERT_TRUE(same(ahead.next(), direct.next())) << step;
    ASSERT_EQ(ahead.cursor(), direct.cursor());
  }
}

TEST_F(LoaderTest, ACursorContinuesWhereARunLeftOff) {
  const Dataset data({path_}, Split::train);
  Loader run(data, none_, options(4));
  for (int step = 0; step < 50; ++step) {
    Loader resumed(data, none_, options(4), run.cursor());
    ASSERT_TRUE(same(resumed.next(), run.next())) << step;
  }
  message_of([&] { Loader(data, none_, options(4), {0, 1'000'000}); }, ErrorKind::usage);
}

TEST_F(LoaderTest, ADamagedBlockIsThrownToTheCaller) {
  std::string bytes = read_file(path_);
  const Part last = sound_of(samples_ - 40, 40);
  const std::size_t at = bytes.find(std::string(last.bytes.begin(), last.bytes.end()));
  ASSERT_NE(at, std::string::npos);
  bytes[at] = static_cast<char>(bytes[at] ^ 1);
  write_file_durably(path_, bytes);
  const Dataset data({path_}, Split::train);
  for (const bool prefetch : {true, false}) {
    LoaderOptions rule = options(4);
    rule.prefetch = prefetch;
    Loader loader(data, none_, rule);
    const auto epoch = [&] {
      for (std::int64_t given = 0; given < loader.samples(); given += 4) loader.next();
    };
    for (int again = 0; again < 2; ++again) {
      const std::string message = message_of(epoch, ErrorKind::data);
      EXPECT_NE(message.find("sounds.h5 block 1"), std::string::npos) << message;
    }
  }
}

TEST_F(LoaderTest, TooFewSamplesAndTooManyReplicasAreNamed) {
  const Dataset data({path_}, Split::train);
  std::string message = message_of([&] { Loader(data, none_, options(8192)); }, ErrorKind::usage);
  EXPECT_NE(message.find("the batch has 8192 windows, the data give 5120 samples"),
            std::string::npos)
      << message;
  message = message_of([&] { Loader(data, none_, options(4, 0, 8)); }, ErrorKind::usage);
  EXPECT_NE(message.find("8 replicas"), std::string::npos) << message;
}

TEST_F(LoaderTest, HeldOutGivesEveryWindowOnceInOrder) {
  const Dataset data({path_}, Split::valid);
  HeldOut alone(data, none_, options(4));
  EXPECT_EQ(alone.samples(), 3);  // 10 and 3 samples in windows of 8
  EXPECT_EQ(alone.batches(), 1);
  const auto batch = alone.next();
  ASSERT_TRUE(batch);
  EXPECT_FALSE(alone.next());
  alone.restart();
  EXPECT_TRUE(same(*alone.next(), *batch));
  const auto level = [&](std::int64_t place, std::int64_t window) {
    const Token& token = batch->input[static_cast<std::size_t>(place * 4 + window)];
    return token.modality == kAudio ? token.symbol[0] - samples_ : -1;
  };
  EXPECT_EQ(level(0, 0), 0);
  EXPECT_EQ(level(1, 1), 9);
  EXPECT_EQ(level(2, 1), -1);
  EXPECT_EQ(level(2, 2), 12);
  EXPECT_EQ(level(0, 3), -1);  // filled up

  HeldOut first(data, none_, options(4, 0, 2)), second(data, none_, options(4, 1, 2));
  EXPECT_TRUE(same(joined({*first.next(), *second.next()}), *batch));
  EXPECT_EQ(first.next(), std::nullopt);
  EXPECT_EQ(second.next(), std::nullopt);
}

// A limited evaluation must not see the first records only.
TEST_F(LoaderTest, ALimitedHeldOutIsSpreadOverTheSplit) {
  const Dataset data({path_}, Split::train);
  HeldOut all(data, none_, options(4)), some(data, none_, options(4));
  std::vector<Batch> batches;
  while (auto batch = all.next()) batches.push_back(std::move(*batch));
  some.restart(10);  // 3 batches of 4 windows
  for (const std::size_t third : {std::size_t{0}, batches.size() / 3, 2 * batches.size() / 3}) {
    const auto batch = some.next();
    ASSERT_TRUE(batch);
    EXPECT_TRUE(same(*batch, batches[third]));
  }
  EXPECT_FALSE(some.next());
}

TEST(Loader, OneShotPairsSkippedAndCut) {
  const TempFolder folder;
  const std::string path = folder / "pairs.h5";
  write_shard(path, {{{picture_of(1, 2, 2), text_of("ab")}, "p", Split::train},
                     {{picture_of(9, 3, 3), text_of("b")}, "p", Split::train}});
  const Dataset data({path}, Split::train);
  const Vocabulary vocabulary(std::vector<std::uint32_t>{'a', 'b'});
  LoaderOptions rule;
  rule.window = {.objective = Objective::one_shot, .tokens = 8, .padding = Padding::end};
  Loader loader(data, vocabulary, rule);
  EXPECT_EQ(loader.samples(), 1);
  EXPECT_EQ(loader.skipped(), 1);
  const Batch batch = loader.next();
  EXPECT_EQ(batch.input[3].symbol, (std::array<std::int32_t, 3>{4, 4, 4}));
  EXPECT_EQ(batch.input[3].place, (std::array<std::int32_t, 3>{1, 1, 0}));
  EXPECT_EQ(batch.input[4].modality, static_cast<int>(Modality::query));
  EXPECT_EQ(batch.input[4].item, 1);
  EXPECT_EQ(batch.target[3].scored, 0);
  EXPECT_EQ(batch.target[5],
            (Target{1, static_cast<int>(Modality::text), {1, 0, 0}, {1, 0, 0}, 1}));
  EXPECT_EQ(batch.target[6], (Target{1, static_cast<int>(Modality::none), {}}));

  // Against the slots, in training and on held-out data.
  LoaderOptions against = rule;
  against.window.padding = Padding::start;
  against.window.slots = 3;
  HeldOut held_out(data, vocabulary, against);
  for (const Batch& late : {Loader(data, vocabulary, against).next(), *held_out.next()}) {
    EXPECT_EQ(late.input[0].modality, 0);  // one spare place of 8: 4 pixels, 3 slots
    EXPECT_EQ(late.input[4].place, (std::array<std::int32_t, 3>{1, 1, 0}));
    EXPECT_EQ(late.input[5].modality, static_cast<int>(Modality::query));
  }

  rule.window.cut = true;
  Loader cutting(data, vocabulary, rule);
  EXPECT_EQ(cutting.samples(), 2);
  EXPECT_EQ(cutting.cut(), 1);
  EXPECT_EQ(cutting.skipped(), 0);
  rule.window.cut = false;
  rule.window.output = Modality::pixel;  // text to image: the picture comes last, renumbered
  HeldOut reversed(data, vocabulary, rule);
  const Batch back = *reversed.next();
  EXPECT_EQ(back.input[0].modality, static_cast<int>(Modality::text));
  EXPECT_EQ(back.input[0].item, 0);
  EXPECT_EQ(back.input[2].item, 1);
  EXPECT_EQ(back.target[2], (Target{1, static_cast<int>(Modality::pixel), {1, 1, 1}, {}, 1}));
}

// A text, an image, a film of two frames and its sound: 2 + 1 + 4 + 2 tokens of one record.
struct Mixed {
  Mixed() {
    Part film = picture_of(20, 2, 2);
    film.kind = PartKind::video;
    film.shape = {2, 1, 2, 3};
    film.rate = {12, 1};
    write_shard(path,
                {{{text_of("ab"), picture_of(9, 1, 1), film, sound_of(5, 2)}, "m", Split::train}});
  }
  TempFolder folder;
  std::string path = folder / "mixed.h5";
  Vocabulary vocabulary{std::vector<std::uint32_t>{'a', 'b'}};
};

Token token(Modality modality, std::array<std::int32_t, 3> symbol,
            std::array<std::int32_t, 3> place, std::int32_t item) {
  return {static_cast<std::int32_t>(modality), symbol, place, item};
}

std::vector<Token> mixed_tokens() {
  return {token(Modality::text, {0, 0, 0}, {0, 0, 0}, 0),
          token(Modality::text, {1, 0, 0}, {1, 0, 0}, 0),
          token(Modality::pixel, {9, 9, 9}, {0, 0, 0}, 1),
          token(Modality::pixel, {20, 20, 20}, {0, 0, 0}, 2),
          token(Modality::pixel, {21, 21, 21}, {0, 1, 0}, 2),
          token(Modality::pixel, {22, 22, 22}, {0, 0, 1}, 2),
          token(Modality::pixel, {23, 23, 23}, {0, 1, 1}, 2),
          token(Modality::audio, {5, 0, 0}, {0, 0, 0}, 3),
          token(Modality::audio, {6, 0, 0}, {1, 0, 0}, 3)};
}

// Each token keeps its own modality, place and item; each predicts the next across the items.
TEST(Loader, AllModalitiesInOneWindowPredictTheNextToken) {
  const Mixed mixed;
  const Dataset data({mixed.path}, Split::train);
  LoaderOptions options;
  options.audio_bits = 16;
  options.window = {.tokens = 9, .padding = Padding::end, .score_end = true};
  Loader loader(data, mixed.vocabulary, options);
  const Batch batch = loader.next();
  const std::vector<Token> expected = mixed_tokens();
  EXPECT_EQ(batch.input, expected);
  for (std::size_t t = 0; t + 1 < expected.size(); ++t)
    EXPECT_EQ(batch.target[t], (Target{1, expected[t + 1].modality, expected[t + 1].symbol,
                                       expected[t + 1].place, expected[t + 1].item}))
        << t;
  EXPECT_EQ(batch.target[8], (Target{1, static_cast<std::int32_t>(Modality::none), {}}));
}

// The sound is asked for, all else given; then the pixels of image and film, from text and sound.
TEST(Loader, AllModalitiesInOneWindowAskForOne) {
  const Mixed mixed;
  const Dataset data({mixed.path}, Split::train);
  LoaderOptions options;
  options.window = {.objective = Objective::one_shot, .tokens = 9, .padding = Padding::end};
  const std::vector<Token> all = mixed_tokens();
  Loader loader(data, mixed.vocabulary, options);
  const Batch batch = loader.next();
  for (std::size_t t = 0; t < 7; ++t) EXPECT_EQ(batch.input[t], all[t]) << t;
  for (std::size_t t = 7; t < 9; ++t) {
    EXPECT_EQ(batch.input[t].modality, static_cast<std::int32_t>(Modality::query));
    EXPECT_EQ(batch.input[t].item, 3);
    EXPECT_EQ(batch.target[t],
              (Target{1, all[t].modality, all[t].symbol, all[t].place, all[t].item}));
  }
  options.window.output = Modality::pixel;
  Loader pixels(data, mixed.vocabulary, options);
  const Batch back = pixels.next();
  EXPECT_EQ(back.input[1], all[1]);
  EXPECT_EQ(back.input[2], token(Modality::audio, {5, 0, 0}, {0, 0, 0}, 1));  // renumbered
  for (std::size_t t = 4; t < 9; ++t) {
    EXPECT_EQ(back.input[t].item, 2);  // the first of the outputs
    EXPECT_EQ(back.target[t], (Target{1, all[t - 2].modality, all[t - 2].symbol, all[t - 2].place,
                                      all[t - 2].item + 1}));
  }
}

}  // namespace
}  // namespace ortho
