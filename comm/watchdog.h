// Watchdog: a thread beside the training that says when this rank hangs, where, and ends it.
//
// A sign of life is any operation begun or ended and any new phase. After `name_after_sec` without
// one the rank is named with operation and step; at its deadline the journal's ring is written to
// `dump`. The supervisor then ends the job; without one `end` is called at twice the deadline.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "comm/beats.h"
#include "comm/journal.h"

namespace ortho {

inline constexpr int kExitHung = 70;  // the process's exit code when the watchdog ended it

struct WatchRule {
  double name_after_sec = 5;
  double deadline_sec = 30;        // inside a step, from the third of a start on
  double slow_deadline_sec = 300;  // start, growth, saving, evaluation, first steps
  std::string report, token;       // supervisor's ADDRESS:PORT; "": there is none
  std::string dump;                // file; "": nothing is written
};

// How long a rank has been quiet, and how long it may be: a pure function of what it is shown.
class Patience {
 public:
  explicit Patience(const WatchRule& rule) : rule_(rule) {}
  // `passed_sec` after the last look. A process that was stopped for long has not been quiet so
  // long: more than a second between two looks counts as one.
  void look(const Activity& activity, double passed_sec);
  double quiet_sec() const { return quiet_sec_; }
  // At least five times what was the longest in a step so far: some models compute for minutes.
  double allowed_sec() const;
  double named_sec() const;  // quiet for so long is worth a line

 private:
  WatchRule rule_;
  Activity last_;
  double quiet_sec_ = 0, longest_sec_ = 0;
};

class Watchdog {
 public:
  // `end` is called from the watchdog's thread and must not return. The journal outlives this.
  Watchdog(const Journal& journal, int rank, int ranks, std::string host, WatchRule rule,
           std::function<void()> end);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  void dump(const std::string& why) const;  // writes the ring to the rule's file

 private:
  void watch();
  void judge(const Activity& now, bool reported);
  std::string where(const Activity& now) const;

  const Journal& journal_;
  const int rank_, ranks_;
  const std::string host_;
  const WatchRule rule_;
  const std::function<void()> end_;
  Patience patience_;
  std::unique_ptr<BeatSender> sender_;
  bool named_ = false, dumped_ = false;

  std::mutex mutex_;  // guards over_
  std::condition_variable changed_;
  bool over_ = false;
  std::thread thread_;  // last: it uses all above
};

}  // namespace ortho
