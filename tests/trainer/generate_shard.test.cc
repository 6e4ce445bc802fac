// Generation and scoring on the ranks of a mesh: the tokens of one rank, on all ranks.
#include <gtest/gtest.h>

#include "comm/local.h"
#include "dataio/pack.h"
#include "tests/support/errors.h"
#include "tests/support/model_kit.h"
#include "tests/support/temp_folder.h"
#include "trainer/generate.h"
#include "trainer/score.h"

namespace ortho {
namespace {

using Tokens = std::vector<Token>;
constexpr std::int64_t kWindows = 4;

ModelSpec spec_of(Wiring wiring) {
  ModelSpec spec;
  spec.tokens = {4, 2, 2};
  spec.channels = 12;
  spec.hidden = 8;
  spec.wiring = wiring;
  spec.modalities = {Modality::text, Modality::pixel, Modality::audio};
  spec.text_symbols = 20;
  spec.modality_head = spec.modality_table = true;
  return spec;
}

// Of different lengths: some are longer than the context.
std::vector<Tokens> prompts() {
  std::vector<Tokens> all;
  for (const int count : {3, 30, 1, 9}) {
    Tokens tokens;
    for (int i = 0; i < count; ++i) tokens.push_back({1, {(count + i) % 20, 0, 0}, {i, 0, 0}, 0});
    all.push_back(tokens);
  }
  return all;
}

const std::vector<Cuts> kCuts = {
    {1, {2}, 1}, {1, {1, 2}, 1}, {1, {2, 2}, 1},    {1, {1, 2, 2}, 1}, {1, {4}, 1}, {2, {}, 1},
    {2, {2}, 1}, {4, {}, 1},     {2, {1, 1, 2}, 1}, {1, {}, 3},        {2, {2}, 2}};

// What `answer` gives each rank for the prompts of its replica must be what it gives one rank.
template <class Answer>
void check_every_rank(const ModelSpec& spec, const std::vector<Tokens>& all, Answer answer) {
  ModelKit<float> one(spec, kWindows, 11);
  const std::vector<Tokens> truth = answer(one.model, all);
  ASSERT_EQ(truth.size(), all.size());
  for (const Cuts& cuts : kCuts)
    run_local_ranks(mesh_of(cuts).ranks(), [&](Channel& world) {
      const Sharding sharding(spec, kWindows, cuts, world.rank());
      ModelKit<float> kit(spec, sharding, &world, 11);
      const auto lo = static_cast<std::ptrdiff_t>(windows_of(sharding).lo),
                 hi = static_cast<std::ptrdiff_t>(windows_of(sharding).hi);
      const auto tokens = answer(kit.model, {all.begin() + lo, all.begin() + hi});
      EXPECT_EQ(tokens, std::vector<Tokens>(truth.begin() + lo, truth.begin() + hi))
          << cuts_text(cuts) << " rank " << world.rank();
    });
}

// Each window draws by its number among its replica's, so each replica's prompts are asked alone.
TEST(GenerateShard, GreedyTokensAreThoseOfOneRank) {
  GenerateRule rule;
  rule.decode.temperature = 0;
  rule.tokens = 20;
  rule.may_end = false;
  rule.image_width = 3;
  check_every_rank(spec_of(Wiring::causal), prompts(),
                   [&](Model<float>& model, const std::vector<Tokens>& some) {
                     return continue_prompts(model, some, rule);
                   });
}

TEST(GenerateShard, DrawnTokensAreThoseOfOneRank) {
  GenerateRule rule;
  rule.decode.seed = 5;
  rule.tokens = 20;
  for (const bool may_end : {false, true}) {  // with an end, replicas are through at their own time
    rule.may_end = may_end;
    check_every_rank(spec_of(Wiring::causal), prompts(),
                     [&](Model<float>& model, const std::vector<Tokens>& some) {
                       std::vector<Tokens> added;
                       for (const Tokens& prompt : some)
                         added.push_back(continue_prompts(model, {prompt}, rule)[0]);
                       return added;
                     });
  }
}

TEST(GenerateShard, AnswersAreThoseOfOneRank) {
  GenerateRule rule;
  rule.decode.seed = 5;
  std::vector<Tokens> some = prompts();
  some[1].resize(15);  // of a context of 16
  check_every_rank(spec_of(Wiring::grid), some,
                   [&](Model<float>& model, const std::vector<Tokens>& asked) {
                     std::vector<Tokens> answers;
                     for (const Tokens& prompt : asked)
                       answers.push_back(answer_prompts(model, {prompt}, rule)[0]);
                     return answers;
                   });
}

constexpr int kPairs = 7;

// Records of a word and the word to follow, some of them longer than the others.
class ScoreShard : public testing::Test {
 protected:
  ScoreShard() {
    PackRule options;
    options.output = folder_ / "pairs";
    std::vector<PackItem> items;
    for (int i = 0; i < kPairs; ++i) {
      const std::string letter(1, static_cast<char>('a' + i));
      const PackPart read{PackPart::Kind::text, letter + (i % 3 == 0 ? "bc" : "")};
      const PackPart wanted{PackPart::Kind::text, letter};
      items.push_back({{read, wanted}, Split::train, text("item ", i)});
    }
    pack({}, items, options);
  }

  PairScore score(const ModelSpec& spec, Channel& world, const Cuts& cuts, Objective objective,
                  bool blind = false) {
    const Dataset records({folder_ / "pairs"}, Split::train);
    const Vocabulary none, known(symbols_in_use({folder_ / "pairs"}));
    Stage stage;
    stage.config.objective = {objective == Objective::next_token ? 1.0 : 0.0,
                              objective == Objective::one_shot ? 1.0 : 0.0};
    ModelKit<float> kit(spec, Sharding(spec, kWindows, cuts, world.rank()), &world, 11);
    return score_pairs(world, kit.model, records, {blind ? none : known, 8}, stage,
                       {Modality::text, Modality::text});
  }
  TempFolder folder_;
};

TEST_F(ScoreShard, EachPairCountsOnce) {
  for (const Objective objective : {Objective::next_token, Objective::one_shot}) {
    const ModelSpec spec =
        spec_of(objective == Objective::one_shot ? Wiring::grid : Wiring::causal);
    PairScore truth;
    run_local_ranks(1, [&](Channel& world) { truth = score(spec, world, {}, objective); });
    EXPECT_EQ(truth.records, kPairs);
    EXPECT_EQ(truth.symbols, kPairs);
    for (const Cuts& cuts : kCuts)
      run_local_ranks(mesh_of(cuts).ranks(), [&](Channel& world) {
        const PairScore ours = score(spec, world, cuts, objective);
        EXPECT_EQ(ours.records, truth.records) << cuts_text(cuts);
        EXPECT_EQ(ours.symbols, truth.symbols) << cuts_text(cuts);
        EXPECT_EQ(ours.exact, truth.exact) << cuts_text(cuts);
        EXPECT_EQ(ours.right_symbols, truth.right_symbols) << cuts_text(cuts);
        EXPECT_EQ(ours.exact_shuffled, truth.exact_shuffled) << cuts_text(cuts);
      });
  }
}

// One rank alone cannot read a record; nobody may wait for it in an exchange.
TEST_F(ScoreShard, OneRanksFailureIsEveryones) {
  const Cuts cuts = {1, {2, 2}, 1};
  run_local_ranks(4, [&](Channel& world) {
    const std::string message = message_of(
        [&] {
          score(spec_of(Wiring::causal), world, cuts, Objective::next_token, world.rank() == 2);
        },
        ErrorKind::data);
    expect_in("is not among the 0 symbols", message);
  });
}

}  // namespace
}  // namespace ortho
