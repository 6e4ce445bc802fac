#include "launch/lookout.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.h"

namespace ortho {
namespace {

constexpr const char* kStopped = ". Stopped, or its host is frozen";

std::string sec_text(double sec) { return text(std::round(sec * 10) / 10, " s"); }

}  // namespace

std::string place_text(const Beat& beat) {
  const Activity& now = beat.activity;
  std::string line = text("rank ", beat.rank, " on ", beat.host);
  if (now.operation.empty())
    line += ", computing or reading after operation " + text(now.number);
  else
    line += text(", waiting in operation ", now.number, ", ", now.operation, " (", now.bytes,
                 " bytes)");
  return line + text(", of step ", now.step + 1, ", phase ", now.phase);
}

Lookout::Lookout(int ranks, double beat_sec, double deadline_sec, double start_sec)
    : ranks_(ranks), beat_sec_(beat_sec), deadline_sec_(deadline_sec), start_sec_(start_sec) {}

void Lookout::take(const Beat& beat, double now_sec) { heard_[beat.rank] = {beat, now_sec}; }

std::vector<std::string> Lookout::silent_hosts(double now_sec) const {
  std::set<std::string> silent, speaking;
  for (const auto& [number, rank] : heard_) {
    const auto asked = asked_.find(rank.beat.host);
    const double last =
        asked == asked_.end() ? rank.heard_sec : std::max(rank.heard_sec, asked->second);
    (now_sec - last > beat_sec_ ? silent : speaking).insert(rank.beat.host);
  }
  std::vector<std::string> hosts;
  std::set_difference(silent.begin(), silent.end(), speaking.begin(), speaking.end(),
                      std::back_inserter(hosts));
  return hosts;
}

std::string Lookout::silent_ranks(double now_sec, double after_sec) const {
  std::string line;
  for (const auto& [number, rank] : heard_)
    if (now_sec - rank.heard_sec > after_sec)
      line += text(line.empty() ? "" : "; ", "no word for ", sec_text(now_sec - rank.heard_sec),
                   " of ", place_text(rank.beat));
  return line;
}

// Those that the others wait for: who computes while others wait, else who came least far.
std::string Lookout::quiet_ranks(double now_sec) const {
  std::string line;
  bool any_waits = false;
  std::int64_t least = -1;
  for (const auto& [number, rank] : heard_) {
    any_waits |= !rank.beat.activity.operation.empty();
    if (least < 0 || rank.beat.activity.number < least) least = rank.beat.activity.number;
  }
  size_t named = 0;
  for (const auto& [number, rank] : heard_) {
    const Activity& now = rank.beat.activity;
    if (now_sec - rank.heard_sec > beat_sec_) continue;  // named as silent
    const bool behind = now.number == least || (any_waits && now.operation.empty());
    if (!behind) continue;
    line += text(named++ == 0 ? "" : "; ", place_text(rank.beat), ", quiet for ",
                 sec_text(rank.beat.quiet_sec));
  }
  return line;
}

std::string Lookout::hang(double now_sec) const {
  if (!all_spoke() && now_sec >= start_sec_) {
    std::string missing;
    for (int rank = 0; rank < ranks_; ++rank)
      if (heard_.count(rank) == 0) missing += text(missing.empty() ? "" : ", ", rank);
    return text("ranks that have not begun after ", sec_text(now_sec), ": ", missing);
  }
  const std::string silent = silent_ranks(now_sec, deadline_sec_);
  if (!silent.empty()) return silent + kStopped;
  for (const auto& [number, rank] : heard_) {
    if (rank.beat.quiet_sec <= rank.beat.allowed_sec) continue;
    // The others may have begun to wait before the one they wait for fell silent.
    const std::string unheard = silent_ranks(now_sec, deadline_sec_ / 2);
    if (!unheard.empty()) return unheard + kStopped;
    return text("no progress for ", sec_text(rank.beat.quiet_sec),
                ". Behind the others: ", quiet_ranks(now_sec));
  }
  return "";
}

std::string Lookout::notice(double now_sec) {
  std::string line = silent_ranks(now_sec, beat_sec_);
  bool all_quiet = all_spoke();
  for (const auto& [number, rank] : heard_)
    all_quiet = all_quiet &&
                (rank.beat.quiet_sec > rank.beat.named_sec && rank.beat.activity.phase == "step");
  if (line.empty() && all_quiet) line = "no progress. Behind the others: " + quiet_ranks(now_sec);
  if (line.empty()) noticed_ = false;
  if (line.empty() || noticed_) return "";
  noticed_ = true;
  return line;
}

bool Lookout::trains() const {
  return all_spoke() && std::all_of(heard_.begin(), heard_.end(), [](const auto& heard) {
           return heard.second.beat.activity.phase == "step";
         });
}

}  // namespace ortho
