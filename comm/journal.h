// Journal: what one rank is doing, written by the thread that trains, read by the one that watches.
//
// A ring holds the last operations that other ranks take part in. All times are seconds of this
// process's steady clock: only differences mean anything, so a host's wrong date does no harm.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "comm/channel.h"

namespace ortho {

struct Operation {
  std::string what;         // "sum", "block 0, s_1 to the lines": the axis stands in it
  std::string phase;        // of the run, then
  std::int64_t step = 0;    // steps done before it
  std::int64_t number = 0;  // counts the operations of this rank
  std::int64_t bytes = 0;   // that this rank brings
  double arrived_sec = 0;   // began to wait for others
  double left_sec = -1;     // through; -1: still in it
};

// What a rank does now.
struct Activity {
  std::string phase;         // "start", "step", "save", "evaluate", "grow", "end"
  std::int64_t step = 0;     // steps done
  std::int64_t number = 0;   // of the last operation it arrived at
  std::string operation;     // that it waits in; "": it computes
  std::int64_t bytes = 0;    // of that operation
  std::int64_t changes = 0;  // grows with every arrival, departure and phase: a sign of life
  std::int64_t begun = 0;    // steps of this process
  double busy_sec = 0;       // of steps, outside operations
};

class Journal {
 public:
  explicit Journal(size_t kept = 64);  // operations in the ring

  void enter(std::string_view phase, std::int64_t step);
  void arrive(std::string_view what, std::int64_t bytes);  // may be nested
  void leave();

  Activity now() const;
  std::vector<Operation> last() const;  // oldest first
  // The ring as lines: operation, phase, step, arrival and departure before now, bytes.
  std::string text() const;

 private:
  mutable std::mutex mutex_;  // guards all below
  std::vector<Operation> ring_;
  std::vector<std::int64_t> open_;  // numbers of operations begun and not ended, outermost first
  std::string phase_ = "start";
  std::int64_t step_ = 0, number_ = 0, changes_ = 0, begun_ = 0;
  double busy_sec_ = 0, free_since_ = 0;  // free: in a step, outside operations
};

// The same channel, whose collectives stand in the journal, as those of channels split from it do;
// the journal outlives them. Channel::enter, arrive and leave go there too.
std::unique_ptr<Channel> watched_channel(std::unique_ptr<Channel> channel, Journal& journal);

}  // namespace ortho
