// Exchange: runs a Plan over a channel: packs and posts, computes on, waits and unpacks.
//
//   exchange.start(Way::forward, x, lines, Fill::over, workspace);
//   … other work, exchange.progress() now and then …
//   exchange.finish();
// Results do not depend on the order in which messages arrive: what meets is added in rank order.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>

#include "comm/channel.h"
#include "comm/exchange_plan.h"

namespace ortho {

enum class Fill {
  over,  // what stood in the result is gone; elements that nobody sends become zero
  add,   // the result is added to what stood there
};

// What the exchanges of one plan and way have cost this rank so far.
struct ExchangeCount {
  std::int64_t runs = 0, messages = 0, bytes = 0;              // bytes and messages sent
  double packing_sec = 0, waiting_sec = 0, unpacking_sec = 0;  // own copies count as packing
};

template <class T>
class Exchange {
 public:
  // Collective: compares the plan over the ranks of the channel, which must outlive this. `what`
  // names it in messages and metrics: "block 0, s_1 to the lines".
  Exchange(Plan plan, Channel& channel, std::string what);

  const Plan& plan() const { return plan_; }
  const std::string& what() const { return what_; }
  const ExchangeCount& count(Way way) const { return counts_[static_cast<size_t>(way)]; }

  // Packs and sends. Until finish() `from` must not change and `into` must not be touched, and both
  // must not overlap. `workspace` has at least plan().workspace() elements, which are in use until
  // then. All ranks start their exchanges in the same order.
  void start(Way way, const T* from, T* into, Fill fill, std::span<T> workspace);
  bool progress();  // cheap, never waits; true once finish() would not wait
  void finish();    // the result is complete, `from` and the workspace are free
  void run(Way way, const T* from, T* into, Fill fill, std::span<T> workspace);  // both at once

 private:
  struct UnderWay {
    Way way = Way::forward;
    const T* from = nullptr;
    T* into = nullptr;
    Fill fill = Fill::over;
    T* received = nullptr;     // packed messages
    std::vector<size_t> last;  // incoming piece of each message of the side
    std::unique_ptr<Transfer> transfer;
  };
  bool adds(const Side& into) const;
  bool arrives_in_place(const Side& into, const Message& message) const;
  void expect(std::span<T> received);
  void send(std::span<T> packed);
  void copy_own();
  void unpack(const Message& message);

  Plan plan_;
  Channel& channel_;
  std::string what_;
  std::array<ExchangeCount, 2> counts_;
  UnderWay now_;
};

}  // namespace ortho
