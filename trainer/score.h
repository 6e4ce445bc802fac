// Score: cross-modal answers on held-out records:
// read items of one modality, predict the item of another.
//
// A record counts when an item `from` stands before an item `to`.
// The answer is greedy and right when it equals the true item symbol for symbol,
// its end included. The control compares each answer with another record's item
// (records permuted at random): what a guess that ignores its input would reach. A Judge counts
// an answer as right when it calls it what it calls the true item, whatever the symbols. The size
// of an image is the data's, so its end is given.
#pragma once

#include <cstdint>

#include "comm/channel.h"
#include "dataio/dataset.h"
#include "model/model.h"
#include "trainer/judge.h"
#include "trainer/stage.h"

namespace ortho {

struct PairScore {
  std::int64_t records = 0;          // scored
  std::int64_t exact = 0;            // answers that are right
  std::int64_t symbols = 0;          // of all true items
  std::int64_t right_symbols = 0;    // answered rightly at their place
  std::int64_t exact_shuffled = 0;   // answers that equal another record's item
  std::int64_t judged = 0;           // answers that the judge calls what it calls the true item
  std::int64_t judged_shuffled = 0;  // … what it calls another record's item
};

struct ScoreRule {
  Modality from, to;
  std::int64_t limit = 0;  // records; 0: all
  std::uint64_t seed = 1;  // of the permutation
};

// Collective over the model's ranks: replicas answer different records, the ranks of one replica
// together; the sums are of all. Error(usage) when no record has such a pair.
PairScore score_pairs(Channel& channel, Model<float>& model, const Dataset& records,
                      const TokenRule& tokens, const Stage& stage, const ScoreRule& rule,
                      const Judge* judge = nullptr);

}  // namespace ortho
