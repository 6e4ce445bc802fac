// Exchange: runs a Plan over a channel: packs and posts, computes on, waits and unpacks.
//
//   exchange.start(Way::forward, x, lines, Fill::over, workspace);
//   … other work, exchange.progress() now and then …
//   exchange.finish();
// With a workspace from Channel::share, ranks of one node copy straight out of each other's arrays,
// or packed workspaces if `from` is ordinary memory; all else are messages. Results do not depend
// on that or on who comes first: what meets is added in rank order.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>

#include "comm/channel.h"
#include "comm/exchange_plan.h"
#include "comm/offer.h"

namespace ortho {

enum class Fill {
  over,  // what stood in the result is gone; elements that nobody sends become zero
  add,   // the result is added to what stood there
};

// What the exchanges of one plan and way have cost this rank so far.
struct ExchangeCount {
  std::int64_t runs = 0, messages = 0, bytes = 0;              // to other ranks, on both levels
  LevelTraffic levels;                                         // the same, level by level
  double packing_sec = 0, waiting_sec = 0, unpacking_sec = 0;  // own copies count as packing
};

template <class T>
class Exchange {
 public:
  // Collective: compares the plan over the ranks of the channel, which must outlive this. `what`
  // names it in messages and metrics: "block 0, s_1 to the lines". Its end is Collective like that
  // of SharedMemory.
  Exchange(Plan plan, Channel& channel, std::string what);

  const Plan& plan() const { return plan_; }
  const std::string& what() const { return what_; }
  const ExchangeCount& count(Way way) const { return counts_[static_cast<size_t>(way)]; }

  // Packs and sends. Until finish() `from` must not change and `into` must not be touched, and both
  // must not overlap. `workspace` has at least plan().workspace() elements, which are in use until
  // then; on all ranks or on none it lies in memory that a channel of all of them shares. All ranks
  // start and finish their exchanges in the same order.
  void start(Way way, const T* from, T* into, Fill fill, std::span<T> workspace);
  bool progress();  // never waits, copies what is there; true once finish() would not wait
  void finish();    // the result is complete, `from` and the workspace are free
  void run(Way way, const T* from, T* into, Fill fill, std::span<T> workspace);  // both at once

 private:
  struct UnderWay {
    Way way = Way::forward;
    const T* from = nullptr;
    T* into = nullptr;
    Fill fill = Fill::over;
    bool pulls = false;        // ranks of this node offer and take
    T* received = nullptr;     // packed messages
    std::vector<size_t> last;  // incoming piece of each message of the side
    std::vector<size_t> turn;  // places of the messages of the side, in the order of filling in
    size_t next = 0;           // in `turn`
    std::unique_ptr<Transfer> transfer;
  };
  const Side& from_side() const { return plan_.from(now_.way); }
  const Side& into_side() const { return plan_.into(now_.way); }
  ExchangeCount& count_now() { return counts_[static_cast<size_t>(now_.way)]; }
  bool adds() const { return now_.fill == Fill::add || !into_side().disjoint; }
  bool may_pull(const Message& message) const {
    return offers_.reach(message.rank) && message.elements * std::int64_t{sizeof(T)} < kSendBytes;
  }
  bool pulled(const Message& message) const { return now_.pulls && may_pull(message); }
  bool arrives_in_place(const Message& message) const;
  void expect(std::span<T> received);
  void offer(std::span<T> packed);
  void send(std::span<T> packed);
  void plan_turns();
  bool is_here(const Message& message, bool all_arrived) const;
  void wait_for(size_t message);
  void fill_in(const Message& message);
  void pull(const Message& message);
  void copy(const T* far, const Message& message);
  void unpack(const T* packed, const Message& message);
  bool all_taken() const;
  template <class Ready>
  void wait_until(Ready ready);

  Plan plan_;
  Channel& channel_;
  std::string what_;
  std::array<ExchangeCount, 2> counts_;
  UnderWay now_;
  std::uint64_t round_ = 0;  // of offers: runs so far
  Offers offers_;
};

}  // namespace ortho
