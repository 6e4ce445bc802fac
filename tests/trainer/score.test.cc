// Scores of pairs: what counts, and that the control is always another record's answer.
#include "trainer/score.h"

#include <gtest/gtest.h>

#include "comm/local.h"
#include "dataio/pack.h"
#include "tests/support/agreement.h"
#include "tests/support/errors.h"
#include "tests/support/temp_folder.h"

namespace ortho {
namespace {

constexpr std::int64_t kLetters = 5;

// Records of one letter twice, "a", "b" and so on: the second is to be answered.
class Score : public testing::Test {
 protected:
  Score() : params_(param_specs(copier())) {
    PackRule options;
    options.output = folder_ / "letters";
    std::vector<PackItem> items;
    for (int i = 0; i < kLetters; ++i) {
      const PackPart letter{PackPart::Kind::text, std::string(1, static_cast<char>('a' + i))};
      items.push_back({{letter, letter}, Split::train, text("item ", i)});
    }
    pack({}, items, options);
    set_diagonal("embed.text.symbol", 0);
    set_diagonal("block.0.axis.0.w1", kLetters * kLetters);  // of tap 1: the token before
    set_diagonal("block.0.axis.0.w2", 0);
    set_diagonal("head.text", 0);
    stage_.config.objective = {0, 1};
  }

  // A window of a letter and a slot, to which one linear block brings the letter.
  static ModelSpec copier() {
    ModelSpec spec;
    spec.tokens = {2};
    spec.channels = spec.hidden = spec.text_symbols = kLetters;
    spec.blocks = 1;
    spec.gate = false;
    spec.norm = Norm::none;
    spec.activation = Activation::none;
    return spec;
  }

  void set_diagonal(const std::string& name, std::int64_t first) {
    for (std::int64_t i = 0; i < kLetters; ++i)
      params_.at(name).value[first + i * kLetters + i] = 1;
  }

  // `judge_params`: of a copier that judges the answers.
  PairScore score(Channel& channel, const ScoreRule& rule, Params<float>* judge_params = nullptr) {
    const Dataset records({folder_ / "letters"}, Split::train);
    const Vocabulary vocabulary(symbols_in_use({folder_ / "letters"}));
    const auto backend = make_cpu_backend<float>(1);
    Arena<float> arena;
    Cuts cuts;
    cuts.batch = channel.ranks();
    const Sharding sharding(copier(), 2 * channel.ranks(), cuts, channel.rank());
    Model<float> model(copier(), sharding, params_, *backend, arena, &channel);
    if (judge_params == nullptr)
      return score_pairs(channel, model, records, {vocabulary, 8}, stage_, rule);
    Arena<float> judge_arena;
    Model<float> judge_model(copier(), sharding, *judge_params, *backend, judge_arena, &channel);
    const Judge judge(judge_model, vocabulary, stage_);
    return score_pairs(channel, model, records, {vocabulary, 8}, stage_, rule, &judge);
  }

  TempFolder folder_;
  Params<float> params_;
  Stage stage_;
};

TEST_F(Score, ThePerfectModelMissesEveryControl) {
  const auto channel = make_single_channel();
  for (std::uint64_t seed = 1; seed < 20; ++seed) {
    const PairScore all = score(*channel, {Modality::text, Modality::text, 0, seed});
    EXPECT_EQ(all.records, kLetters);
    EXPECT_EQ(all.exact, kLetters);
    EXPECT_EQ(all.symbols, kLetters);
    EXPECT_EQ(all.right_symbols, kLetters);
    EXPECT_EQ(all.exact_shuffled, 0) << "seed " << seed;
  }
  EXPECT_EQ(score(*channel, {Modality::text, Modality::text, 3}).records, 3);
}

TEST_F(Score, AModelThatAlwaysSaysTheSameScoresLikeItsControl) {
  for (std::int64_t i = 0; i < kLetters * kLetters; ++i) params_.at("head.text").value[i] = 0;
  for (std::int64_t c = 0; c < kLetters; ++c) params_.at("head.text").value[c * kLetters + 2] = 1;
  const auto channel = make_single_channel();
  const PairScore all = score(*channel, {Modality::text, Modality::text});
  EXPECT_EQ(all.exact, 1);
  EXPECT_EQ(all.exact_shuffled, 1);
}

// The model answers each letter with the next one, and is always wrong; the judge cannot tell "a"
// from "b", nor "c" from "d".
TEST_F(Score, AJudgeCountsWhatItCannotTellApart) {
  Params<float> judge(param_specs(copier()));
  for (const char* name : {"embed.text.symbol", "block.0.axis.0.w1", "block.0.axis.0.w2"})
    std::copy_n(params_.at(name).value, params_.at(name).size, judge.at(name).value);
  for (std::int64_t c = 0; c < kLetters; ++c)
    judge.at("head.text").value[c * kLetters + c / 2 * 2] = 1;
  float* head = params_.at("head.text").value;
  for (std::int64_t i = 0; i < kLetters * kLetters; ++i) head[i] = 0;
  for (std::int64_t c = 0; c < kLetters; ++c) head[c * kLetters + (c + 1) % kLetters] = 1;
  run_local_ranks(2, [&](Channel& channel) {
    const PairScore all = score(channel, {Modality::text, Modality::text}, &judge);
    EXPECT_EQ(all.exact, 0);
    EXPECT_EQ(all.judged, 2);  // b for a, d for c
    EXPECT_LT(all.judged_shuffled, kLetters);
  });
}

// Judged by one who tells all letters apart, what is judged right is what is exact.
TEST_F(Score, ASharpJudgeAgreesWithTheSymbols) {
  const auto channel = make_single_channel();
  for (std::uint64_t seed = 1; seed < 10; ++seed) {
    const PairScore all = score(*channel, {Modality::text, Modality::text, 0, seed}, &params_);
    EXPECT_EQ(all.judged, all.exact);
    EXPECT_EQ(all.judged_shuffled, 0) << "seed " << seed;
  }
}

TEST_F(Score, AJudgeMustAnswerInOneShot) {
  stage_.config.objective = {1, 0};
  const auto channel = make_single_channel();
  const std::string message = message_of(
      [&] {
        score(*channel, {Modality::text, Modality::text}, &params_);
      },
      ErrorKind::usage);
  EXPECT_NE(message.find("must answer text in one shot"), std::string::npos) << message;
}

TEST_F(Score, RanksShareTheRecords) {
  run_local_ranks(3, [&](Channel& channel) {  // two windows each: the last rank has one record
    const PairScore all = score(channel, {Modality::text, Modality::text});
    EXPECT_EQ(all.records, kLetters);
    EXPECT_EQ(all.exact, kLetters);
    EXPECT_EQ(all.exact_shuffled, 0);
  });
}

TEST_F(Score, SaysThatNoRecordHasSuchAPair) {
  const auto channel = make_single_channel();
  const std::string message = message_of(
      [&] {
        score(*channel, {Modality::pixel, Modality::text});
      },
      ErrorKind::usage);
  EXPECT_NE(message.find("no held-out record has an item pixel before an item text"),
            std::string::npos)
      << message;
}

}  // namespace
}  // namespace ortho
