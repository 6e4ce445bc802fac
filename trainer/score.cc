#include "trainer/score.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "comm/agree.h"
#include "core/error.h"
#include "trainer/generate.h"
#include "trainer/objectives.h"

namespace ortho {
namespace {

using Tokens = std::vector<Token>;

// The items a pair is made of: all before `to` are read.
struct Pair {
  std::int64_t record;
  size_t to;
  std::int64_t tokens;  // of the item `to`
};

std::vector<Pair> find_pairs(const Dataset& records, const ScoreRule& rule) {
  std::vector<Pair> pairs;
  for (std::int64_t r = 0; r < records.records(); ++r) {
    bool seen = false;
    const auto items = records.items(r);
    for (size_t i = 0; i < items.size(); ++i) {
      if (seen && items[i].modality == rule.to) {
        pairs.push_back({r, i, items[i].tokens});
        break;
      }
      seen = seen || items[i].modality == rule.from;
    }
    if (rule.limit > 0 && static_cast<std::int64_t>(pairs.size()) == rule.limit) break;
  }
  REQUIRE(!pairs.empty(), "no held-out record has an item ", modality_name(rule.from),
          " before an item ", modality_name(rule.to));
  return pairs;
}

// A permutation of n pairs that leaves none in its place (Sattolo, 1986): one pair alone stays.
std::vector<size_t> others(size_t n, std::uint64_t seed) {
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  const Random random(seed, "score/shuffled");
  for (size_t i = n; i > 1; --i) std::swap(order[i - 1], order[random.below(i, i - 1)]);
  return order;
}

// No answer longer than every true one can be right: a model that has not learned to end is stopped there.
std::int64_t tokens_that_matter(const std::vector<Pair>& pairs) {
  std::int64_t longest = 0;
  for (const Pair& pair : pairs) longest = std::max(longest, pair.tokens);
  return longest + 1;
}

Tokens read_items(const Dataset& records, std::int64_t record, size_t first, size_t last,
                  const TokenRule& rule) {
  Tokens tokens;
  const auto items = records.items(record);
  for (size_t i = first; i < last; ++i)
    records.read(record, i, {0, items[i].tokens}, static_cast<std::int32_t>(i), rule, tokens);
  return tokens;
}

bool same_symbols(const Tokens& a, const Tokens& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Token& x, const Token& y) {
    return x.modality == y.modality && x.symbol == y.symbol;
  });
}

std::int64_t right_symbols(const Tokens& answer, const Tokens& truth) {
  std::int64_t right = 0;
  for (size_t i = 0; i < std::min(answer.size(), truth.size()); ++i)
    right += answer[i].symbol == truth[i].symbol;
  return right;
}

// Some pairs as tokens: what is read, the true answers and those of the control.
struct Exam {
  std::vector<Tokens> prompts, truths, controls;
};

// How pairs are read, answered and counted.
struct Scoring {
  Model<float>& model;
  const Dataset& records;
  const TokenRule& tokens;
  GenerateRule generate;
  Objective objective;
  const Judge* judge;
  std::vector<Pair> pairs;
  std::vector<size_t> other;  // per pair: the one whose true item is its control

  Tokens truth(size_t p) const {
    return read_items(records, pairs[p].record, pairs[p].to, pairs[p].to + 1, tokens);
  }

  // Pairs first … last - 1, at most as many as the model has windows.
  Exam read(size_t first, size_t last) const {
    Exam exam;
    for (size_t p = first; p < last; ++p) {
      exam.prompts.push_back(read_items(records, pairs[p].record, 0, pairs[p].to, tokens));
      exam.truths.push_back(truth(p));
      exam.controls.push_back(truth(other[p]));
    }
    check_prompts(model.spec(), model.nodes().batch, exam.prompts, generate, objective);
    return exam;
  }

  void answer(const Exam& exam, PairScore& score) const {
    if (exam.prompts.empty()) return;
    const auto answers = objective == Objective::one_shot
                             ? answer_prompts(model, exam.prompts, generate)
                             : continue_prompts(model, exam.prompts, generate);
    for (size_t p = 0; p < answers.size(); ++p) {
      score.records += 1;
      score.exact += same_symbols(answers[p], exam.truths[p]);
      score.symbols += static_cast<std::int64_t>(exam.truths[p].size());
      score.right_symbols += right_symbols(answers[p], exam.truths[p]);
      score.exact_shuffled += same_symbols(answers[p], exam.controls[p]);
    }
    if (judge != nullptr) ask_judge(answers, exam, score);
  }

  void ask_judge(const Prompts& answers, const Exam& exam, PairScore& score) const {
    const Prompts said = judge->words_of(answers), truly = judge->words_of(exam.truths),
                  of_controls = judge->words_of(exam.controls);
    for (size_t p = 0; p < said.size(); ++p) {
      score.judged += !said[p].empty() && same_symbols(said[p], truly[p]);
      score.judged_shuffled += !said[p].empty() && same_symbols(said[p], of_controls[p]);
    }
  }
};

// Of all pairs. The ranks of a replica counted the same ones, each for itself.
PairScore sum_scores(Channel& channel, const PairScore& mine, std::int64_t ranks_of_replica) {
  std::array<std::int64_t, 7> sums = {mine.records,        mine.exact,          mine.symbols,
                                      mine.right_symbols,  mine.exact_shuffled, mine.judged,
                                      mine.judged_shuffled};
  channel.sum(std::span<std::int64_t>(sums));
  for (std::int64_t& sum : sums) sum /= ranks_of_replica;
  return {sums[0], sums[1], sums[2], sums[3], sums[4], sums[5], sums[6]};
}

}  // namespace

PairScore score_pairs(Channel& channel, Model<float>& model, const Dataset& records,
                      const TokenRule& tokens, const Stage& stage, const ScoreRule& rule,
                      const Judge* judge) {
  const Sharding& sharding = model.sharding();
  ASSERT(channel.ranks() == sharding.ranks(), "a model of ", sharding.ranks(), " ranks on ",
         channel.ranks());
  const Objective objective = answering_objective(stage.config.objective);
  REQUIRE(objective != Objective::diffusion, "stage ", stage.config.name,
          " is trained on diffusion alone, which does not tell where an answer ends: nothing to "
          "score. Add next_token or one_shot to its objectives.");
  Scoring scoring{model, records, tokens, {}, objective, judge, {}, {}};
  scoring.pairs = find_pairs(records, rule);
  scoring.other = others(scoring.pairs.size(), rule.seed);
  scoring.generate.decode.temperature = 0;
  scoring.generate.only = rule.to;
  scoring.generate.vocabulary = &tokens.vocabulary;
  scoring.generate.slots = stage.config.one_shot.slots;
  scoring.generate.against_slots = stage.config.data.padding == Padding::start;
  scoring.generate.tokens = std::min(context(model.spec()), tokens_that_matter(scoring.pairs));
  if (rule.to == Modality::pixel) {  // the images of a data set have one size
    const Pair& first = scoring.pairs[0];
    scoring.generate.image_width = records.parts(first.record)[first.to].shape[2];
    scoring.generate.tokens = std::min(context(model.spec()), first.tokens);
    scoring.generate.may_end = false;
  }
  const auto count = static_cast<std::int64_t>(scoring.pairs.size());
  const Range own = split(sharding.windows(), sharding.replicas(), sharding.replica());
  PairScore mine;
  for (std::int64_t first = 0; first < count; first += sharding.windows()) {
    const auto lo = static_cast<size_t>(std::min(count, first + own.lo)),
               hi = static_cast<size_t>(std::min(count, first + own.hi));
    Exam exam;
    agree(channel, [&] { exam = scoring.read(lo, hi); });
    scoring.answer(exam, mine);
  }
  return sum_scores(channel, mine, sharding.ranks() / sharding.replicas());
}

}  // namespace ortho
