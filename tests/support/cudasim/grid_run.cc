#include "tests/support/cudasim/grid_run.h"

#include <sys/mman.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <optional>
#include <vector>

#include "tests/support/cudasim/fiber.h"

constinit thread_local uint3 threadIdx{}, blockIdx{};
constinit thread_local dim3 blockDim{}, gridDim{};

namespace ortho::sim {
namespace {

constexpr std::size_t kSharedLimit = std::size_t{228} << 10;
constexpr std::size_t kPage = 4096;

enum class State { unstarted, running, ready, at_block, at_warp, ended };

struct Thread {
  State state = State::unstarted;
  Fiber* fiber = nullptr;
  std::source_location where;  // of the barrier or shuffle
  unsigned mask = 0;           // of a warp's
  int source = 0;
  std::uint64_t bits = 0;  // what it brings, then what it gets
};

// Shared memory of the blocks of this OS thread; what lies behind it may not be touched.
class SharedArea {
 public:
  SharedArea() {
    void* area = mmap(nullptr, kSharedLimit + kPage, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED) std::abort();
    area_ = static_cast<std::byte*>(area);
    if (mprotect(area_ + kSharedLimit, kPage, PROT_NONE) != 0) std::abort();
  }
  SharedArea(const SharedArea&) = delete;
  SharedArea& operator=(const SharedArea&) = delete;
  ~SharedArea() { munmap(area_, kSharedLimit + kPage); }

  std::byte* last(std::size_t bytes) const { return area_ + kSharedLimit - (bytes + 15) / 16 * 16; }

 private:
  std::byte* area_ = nullptr;
};

// What the kernels of an OS thread use one after the other.
struct Stage {
  SharedArea area;
  std::vector<std::unique_ptr<Fiber>> fibers;
};
thread_local Stage stage;

std::string place_text(const std::source_location& where) {
  return text(where.file_name(), ":", where.line());
}

class BlockRun {
 public:
  BlockRun(const Kernel& kernel, Draw& draw);
  std::string run(const uint3& block);

  void wait_for_block(std::source_location where);
  std::uint64_t wait_for_warp(unsigned mask, std::uint64_t bits, int source,
                              std::source_location where);
  int lane() const { return static_cast<int>(now_ % warpSize); }
  void* shared() const { return shared_; }

 private:
  static void fiber_main();
  void run_unstarted();
  bool may_start() const { return next_ < order_.size() && broken_.empty(); }
  void start_one();
  void resume(std::size_t thread);
  bool release_block();
  bool release_warp(std::size_t first, const Thread& mine);
  void park(State state);
  void place(std::size_t thread);
  std::string thread_text(std::size_t thread) const;
  std::string stuck_text() const;
  Fiber* idle_fiber();

  const Kernel& kernel_;
  Draw& draw_;
  std::vector<Thread> threads_;
  std::vector<std::size_t> order_;  // of starting
  std::size_t next_ = 0;            // in order_
  std::size_t now_ = 0;             // the thread that runs
  std::vector<std::size_t> ready_;
  std::vector<Fiber*> idle_;
  std::byte* shared_ = nullptr;
  std::string broken_;
};

thread_local BlockRun* current = nullptr;

BlockRun::BlockRun(const Kernel& kernel, Draw& draw)
    : kernel_(kernel), draw_(draw), shared_(stage.area.last(kernel.grid.shared_bytes)) {
  const dim3& block = kernel.grid.block;
  threads_.resize(std::size_t{block.x} * block.y * block.z);
  order_.resize(threads_.size());
  for (const auto& fiber : stage.fibers) idle_.push_back(fiber.get());
  std::iota(order_.begin(), order_.end(), std::size_t{0});
}

void BlockRun::place(std::size_t thread) {
  now_ = thread;
  const dim3& block = kernel_.grid.block;
  const auto index = static_cast<unsigned>(thread);
  threadIdx = {index % block.x, index / block.x % block.y, index / block.x / block.y};
}

std::string BlockRun::thread_text(std::size_t thread) const {
  const dim3& block = kernel_.grid.block;
  return text("(", thread % block.x, ", ", thread / block.x % block.y, ", ",
              thread / block.x / block.y, ")");
}

void BlockRun::fiber_main() { current->run_unstarted(); }

// One fiber serves threads that never wait, one after the other, without a switch.
void BlockRun::run_unstarted() {
  do {
    start_one();
  } while (may_start() && ready_.empty());
}

void BlockRun::start_one() {
  const std::size_t thread = order_[next_++];
  Fiber* fiber = threads_[thread].fiber;  // set by run() for the first, kept for those after it
  threads_[thread].state = State::running;
  place(thread);
  kernel_.thread();
  Thread& done = threads_[now_];
  fiber = done.fiber;
  done.state = State::ended;
  if (may_start()) threads_[order_[next_]].fiber = fiber;
}

Fiber* BlockRun::idle_fiber() {
  if (idle_.empty()) {
    stage.fibers.push_back(std::make_unique<Fiber>());
    idle_.push_back(stage.fibers.back().get());
  }
  Fiber* fiber = idle_.back();
  idle_.pop_back();
  return fiber;
}

void BlockRun::resume(std::size_t thread) {
  threads_[thread].state = State::running;
  place(thread);
  Fiber* fiber = threads_[thread].fiber;
  fiber->enter();
  if (fiber->ended()) idle_.push_back(fiber);
}

std::string BlockRun::run(const uint3& block) {
  blockIdx = block;
  blockDim = kernel_.grid.block;
  gridDim = kernel_.grid.grid;
  current = this;
  if (kernel_.grid.shared_bytes > 0) std::memset(shared_, 0xff, kernel_.grid.shared_bytes);
  std::fill(threads_.begin(), threads_.end(), Thread{});
  for (std::size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[draw_.below(i)]);
  next_ = 0;
  ready_.clear();
  while (broken_.empty()) {
    if (may_start() && (ready_.empty() || draw_.below(2) == 0)) {
      Fiber* fiber = idle_fiber();
      threads_[order_[next_]].fiber = fiber;
      fiber->start(&BlockRun::fiber_main);
      fiber->enter();
      if (fiber->ended()) idle_.push_back(fiber);
    } else if (!ready_.empty()) {
      std::swap(ready_[draw_.below(ready_.size())], ready_.back());
      const std::size_t thread = ready_.back();
      ready_.pop_back();
      resume(thread);
    } else if (!release_block()) {
      break;
    }
  }
  current = nullptr;
  return broken_;
}

// False once all threads have ended, or wait for what cannot come.
bool BlockRun::release_block() {
  std::optional<std::source_location> where;
  bool all_wait = true, all_ended = true;
  for (const Thread& thread : threads_) {
    all_ended = all_ended && thread.state == State::ended;
    all_wait = all_wait && thread.state == State::at_block;
    if (!where) where = thread.where;
    all_wait = all_wait && thread.where.line() == where->line() &&
               std::strcmp(thread.where.file_name(), where->file_name()) == 0;
  }
  if (all_ended) return false;
  if (!all_wait) {
    broken_ = stuck_text();
    return false;
  }
  for (std::size_t thread = 0; thread < threads_.size(); ++thread) {
    threads_[thread].state = State::ready;
    ready_.push_back(thread);
  }
  return true;
}

// Two threads that do not meet, and where each is.
std::string BlockRun::stuck_text() const {
  const auto where = [&](std::size_t thread) {
    const Thread& one = threads_[thread];
    if (one.state == State::ended) return text("thread ", thread_text(thread), " has ended");
    return text("thread ", thread_text(thread), " waits at ",
                one.state == State::at_warp ? "the shuffle " : "the barrier ",
                place_text(one.where));
  };
  std::size_t waiting = 0;
  while (threads_[waiting].state == State::ended) ++waiting;
  const Thread& first = threads_[waiting];
  for (std::size_t other = 0; other < threads_.size(); ++other)
    if (threads_[other].state != first.state ||
        threads_[other].where.line() != first.where.line() || threads_[other].mask != first.mask)
      return text(where(waiting), ", ", where(other));
  return text(where(waiting), " for lanes that are not there, mask ", first.mask);
}

void BlockRun::park(State state) {
  threads_[now_].state = state;
  Fiber::leave();
}

void BlockRun::wait_for_block(std::source_location where) {
  threads_[now_].where = where;
  park(State::at_block);
}

// The lanes of `mine`'s warp, once all that it names are here: each gets what its source brought.
bool BlockRun::release_warp(std::size_t first, const Thread& mine) {
  const std::size_t lanes = std::min<std::size_t>(warpSize, threads_.size() - first);
  std::array<std::uint64_t, warpSize> brought{};
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    const Thread& other = threads_[first + lane];
    if ((mine.mask >> lane & 1U) == 0) continue;
    if (other.state != State::at_warp || other.mask != mine.mask ||
        other.where.line() != mine.where.line())
      return false;
    brought[lane] = other.bits;
  }
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    if ((mine.mask >> lane & 1U) == 0) continue;
    Thread& other = threads_[first + lane];
    const auto source = static_cast<std::size_t>(other.source);
    if (source >= lanes || (mine.mask >> source & 1U) == 0)
      broken_ = text("thread ", thread_text(first + lane), " reads lane ", source,
                     ", which takes no part, at ", place_text(mine.where));
    else
      other.bits = brought[source];
    other.state = State::ready;
    if (first + lane != now_) ready_.push_back(first + lane);
  }
  return true;
}

std::uint64_t BlockRun::wait_for_warp(unsigned mask, std::uint64_t bits, int source,
                                      std::source_location where) {
  Thread& mine = threads_[now_];
  mine.where = where;
  mine.mask = mask;
  mine.source = source;
  mine.bits = bits;
  mine.state = State::at_warp;
  if ((mask >> lane() & 1U) == 0)
    broken_ = text("thread ", thread_text(now_), " is not in its own mask at ", place_text(where));
  const std::size_t first = now_ / warpSize * warpSize;
  if (!broken_.empty() || !release_warp(first, mine) || !broken_.empty()) Fiber::leave();
  mine.state = State::running;
  return mine.bits;
}

std::string block_text(const uint3& block) {
  return text("block (", block.x, ", ", block.y, ", ", block.z, ")");
}

}  // namespace

void wait_for_block(std::source_location where) { current->wait_for_block(where); }
std::uint64_t wait_for_warp(unsigned mask, std::uint64_t bits, int source,
                            std::source_location where) {
  return current->wait_for_warp(mask, bits, source, where);
}
int lane() { return current->lane(); }
void* shared_bytes() { return current->shared(); }

std::string run_grid(const Kernel& kernel, Draw& draw) {
  const dim3& grid = kernel.grid.grid;
  const std::uint64_t blocks = std::uint64_t{grid.x} * grid.y * grid.z;
  BlockRun run(kernel, draw);
  // Every block once: a step that shares no factor with their number.
  std::uint64_t step = draw.below(blocks) + 1, at = draw.below(blocks);
  while (std::gcd(step, blocks) != 1) ++step;
  for (std::uint64_t done = 0; done < blocks; ++done, at = (at + step) % blocks) {
    const auto index = static_cast<unsigned>(at);
    const uint3 block = {index % grid.x, index / grid.x % grid.y, index / grid.x / grid.y};
    const std::string broken = run.run(block);
    if (!broken.empty())
      return text(kernel.name, ", launched at ", place_text(kernel.grid.where), ", ",
                  block_text(block), ": ", broken);
  }
  return "";
}

}  // namespace ortho::sim
