// Lookout: what the beats of all ranks say of a job: fine, slow, hung, or a host without a word.
//
// Pure: it is given beats and the time, and answers. launch/supervise.h acts.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "comm/beats.h"

namespace ortho {

class Lookout {
 public:
  Lookout(int ranks, double beat_sec, double deadline_sec, double start_sec);

  void take(const Beat& beat, double now_sec);

  // Hosts none of whose ranks has said a word for `beat_sec`, though they began to.
  std::vector<std::string> silent_hosts(double now_sec) const;
  // Whoever asked such a host says that it answers: its ranks alone are silent.
  void answered(const std::string& host, double now_sec) { asked_[host] = now_sec; }

  // Why the job must be ended, or "": a rank is quiet for longer than it may be, or silent for as
  // long as the deadline, or has not begun after `start_sec`.
  std::string hang(double now_sec) const;
  // The same before it is time to end it: once for each pause. "" when there is nothing new to say.
  std::string notice(double now_sec);

  bool trains() const;  // all ranks are in steps
  bool all_spoke() const { return heard_.size() == static_cast<size_t>(ranks_); }

 private:
  struct Rank {
    Beat beat;
    double heard_sec = 0;
  };
  std::string quiet_ranks(double now_sec) const;
  std::string silent_ranks(double now_sec, double after_sec) const;

  const int ranks_;
  const double beat_sec_, deadline_sec_, start_sec_;
  std::map<int, Rank> heard_;
  std::map<std::string, double> asked_;  // hosts that answered, and when
  bool noticed_ = false;
};

// "rank 3 on node2, waiting in operation 812, block 0, s_1 to the lines (65536 bytes), of step 12"
std::string place_text(const Beat& beat);

}  // namespace ortho
