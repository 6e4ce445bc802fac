#include "trainer/bad_step.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <sstream>

#include "core/error.h"

namespace ortho {
namespace {

constexpr std::int64_t kMostScores = 64;  // of the windows of a rank; more are scored in groups
constexpr size_t kNamed = 8;              // windows that a message lists

bool same_bits(const StepTrial& a, const StepTrial& b) {
  const auto bits = [](double value) { return std::bit_cast<std::uint64_t>(value); };
  return a.print == b.print && bits(a.loss) == bits(b.loss) &&
         bits(a.grad_norm) == bits(b.grad_norm);
}

// Of all ranks, the words that each has to say, those with none left out.
std::vector<std::string> said_by(Channel& channel, const std::string& mine) {
  std::vector<std::string> all;
  for (std::string& words : channel.gather(mine))
    if (!words.empty()) all.push_back(std::move(words));
  return all;
}

// The batch with only windows lo … hi - 1 asked.
Batch asking_only(const Batch& batch, std::int64_t lo, std::int64_t hi) {
  Batch some = batch;
  for (size_t i = 0; i < some.target.size(); ++i) {
    const auto window = static_cast<std::int64_t>(i) % batch.windows;
    if (window < lo || window >= hi) some.target[i].scored = 0;
  }
  return some;
}

// Weighted nats and scored targets of this rank, in parts of the windows that the model takes.
std::array<double, 2> score_parts(const StepParts& parts, const Batch& batch,
                                  const TermWeights& weights) {
  const std::int64_t take = parts.model.nodes().batch;
  std::array<double, 2> all{};
  for (std::int64_t lo = 0; lo < batch.windows; lo += take) {
    const TermSums sums = take == batch.windows
                              ? parts.model.score(batch)
                              : parts.model.score(windows_of(batch, lo, lo + take));
    all[0] += sums.scored > 0 ? sums.loss(weights) * static_cast<double>(sums.scored) : 0;
    all[1] += static_cast<double>(sums.scored);
  }
  return all;
}

// The loss of each group of windows of all replicas, in the order of the global batch.
struct GroupLosses {
  std::int64_t groups = 1, first = 0;  // of a replica; the first one of this rank's
  std::vector<double> losses;
};

GroupLosses score_groups(const StepParts& parts, const Batch& batch, const TermWeights& weights) {
  GroupLosses result;
  result.groups = std::min(batch.windows, kMostScores);
  const std::int64_t replicas = parts.model.sharding().replicas();
  result.first = batch.first_window / batch.windows * result.groups;
  std::vector<double> sums(static_cast<size_t>(2 * replicas * result.groups));
  for (std::int64_t group = 0; group < result.groups; ++group) {
    const Range part =
        split(batch.windows, static_cast<int>(result.groups), static_cast<int>(group));
    const auto mine = score_parts(parts, asking_only(batch, part.lo, part.hi), weights);
    const auto at = static_cast<size_t>(2 * (result.first + group));
    sums[at] = mine[0];
    sums[at + 1] = mine[1];
  }
  parts.channel.sum(std::span<double>(sums));
  for (size_t at = 0; at < sums.size(); at += 2)
    result.losses.push_back(sums[at + 1] > 0 ? sums[at] / sums[at + 1] : 0);
  return result;
}

// Ranks with the same windows would all name them.
bool speaks_for_replica(const StepParts& parts) {
  const Sharding& sharding = parts.model.sharding();
  return sharding.ranks() == 1 || sharding.leads_replica();
}

void find_bad_windows(const StepParts& parts, const Batch& batch, const StepRule& rule,
                      double highest, const std::function<std::vector<std::string>()>& names,
                      BadStep& bad) {
  const GroupLosses groups = score_groups(parts, batch, rule.weights);
  const auto is_bad = [&](double loss) { return !std::isfinite(loss) || loss > highest; };
  bad.all_windows = static_cast<std::int64_t>(groups.losses.size());
  bad.bad_windows = std::count_if(groups.losses.begin(), groups.losses.end(), is_bad);
  if (bad.bad_windows == 0 || 2 * bad.bad_windows > bad.all_windows) return;
  bad.cause = Cause::data;
  std::string mine;
  const std::vector<std::string> own =
      speaks_for_replica(parts) ? names() : std::vector<std::string>{};
  for (size_t window = 0; window < own.size(); ++window) {
    const auto group = static_cast<size_t>(groups.first) +
                       window * static_cast<size_t>(groups.groups) / own.size();
    if (is_bad(groups.losses[group])) mine += own[window] + '\n';
  }
  for (const std::string& lines : said_by(parts.channel, mine)) {
    std::istringstream all(lines);
    for (std::string line; std::getline(all, line);) bad.windows.push_back(line);
  }
}

}  // namespace

std::string cause_name(Cause cause) {
  constexpr const char* kNames[] = {"hardware", "data", "divergence"};
  return kNames[static_cast<size_t>(cause)];
}

std::string StepJudge::fault(const StepTrial& trial) const {
  if (!std::isfinite(trial.loss) || !std::isfinite(trial.grad_norm))
    return text("not finite: loss ", trial.loss, ", gradient norm ", trial.grad_norm);
  const std::string spike = spike_text(history, trial.loss, trial.grad_norm, rule);
  return spike.empty() ? "" : "a spike: " + spike;
}

BadStep examine_step(const StepParts& parts, const Batch& batch, const StepRule& rule,
                     double normaliser, const StepJudge& judge, const StepTrial& first,
                     const std::function<std::vector<std::string>()>& names) {
  BadStep bad;
  bad.what = judge.fault(first);
  const StepTrial second = try_step(parts, batch, rule, normaliser);
  const bool differs = !same_bits(first, second);
  if (parts.channel.max(differs ? 1 : 0) == 0) {
    find_bad_windows(parts, batch, rule, highest_loss(judge.history, judge.rule), names, bad);
    return bad;
  }
  bad.cause = Cause::hardware;
  const bool mine = first.print != second.print;
  bad.ranks = said_by(
      parts.channel, mine ? text("rank ", parts.channel.rank(), " on ", parts.channel.host()) : "");
  if (judge.fault(second).empty()) bad.good = second;
  return bad;
}

std::string bad_step_text(std::int64_t step, const BadStep& bad) {
  std::string line = text("step ", step, " is ", bad.what, ". ");
  if (bad.cause == Cause::hardware) {
    line += text("Run again it gives other bits, ",
                 bad.good ? "and they are good: " : "and bad ones too: ", "hardware. ");
    return line + (bad.ranks.empty() ? std::string("No rank's own numbers differ, so the trouble "
                                                   "lies where they are added up.")
                                     : text("The numbers differ on ", list_text(bad.ranks), '.'));
  }
  line += text("Run again it gives the same bits, and ", bad.bad_windows, " of ", bad.all_windows,
               " windows are bad alone: ", cause_name(bad.cause), '.');
  if (bad.cause == Cause::divergence)
    return line + " Lower optimizer.lr or optimizer.clip, or go on from an earlier checkpoint.";
  for (size_t i = 0; i < std::min(kNamed, bad.windows.size()); ++i)
    line += text(i == 0 ? " They are: " : "; ", bad.windows[i]);
  return line + (bad.windows.size() > kNamed ? "; …" : ".");
}

}  // namespace ortho
