// Offers: how the ranks of one node hand each other the elements of an exchange without messages.
//
// The sender writes "it lies here" into its own flags, the receiver reads that, copies, and writes
// "I have it" into its own. Rounds count the runs of the exchange from 1. A rank offers the next
// round to another one only once that has taken this one. No call waits.
#pragma once

#include <cstdint>
#include <memory>

#include "comm/channel.h"

namespace ortho {

struct Offer {
  enum class Form : std::uint64_t {
    none,       // not here yet
    array,      // the sender's local array, whole
    packed,     // the message, packed
    by_message  // no offer: the sender's workspace is not shared
  };
  Form form = Form::none;
  const void* place = nullptr;  // as the sender knows it
};

class Offers {
 public:
  explicit Offers(Channel& channel);  // Collective

  bool possible() const { return flags_->shared(); }  // the same on all ranks
  bool reach(int rank) const { return possible() && flags_->of(rank) != nullptr; }
  // To and from ranks that reach() has.
  void make(int to, std::uint64_t round, const Offer& offer);
  Offer find(int from, std::uint64_t round) const;
  void take(int from, std::uint64_t round);
  bool taken(int to, std::uint64_t round) const;

 private:
  // One of each rank for each rank, in the shared memory of the former. `offered` and `taken` are
  // the rounds, written last and read first; the sender writes all but `taken`.
  struct alignas(64) Flags {
    std::uint64_t offered, taken;
    std::uint64_t form;
    const void* place;
  };
  Flags& flags(int owner, int about) const;

  int rank_;
  std::unique_ptr<SharedMemory> flags_;
};

}  // namespace ortho
