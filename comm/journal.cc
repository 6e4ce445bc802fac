#include "comm/journal.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <utility>

#include "core/error.h"

namespace ortho {
namespace {

double clock_sec() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string ago_text(double sec) {
  std::array<char, 32> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%.4f", sec);
  return buffer.data();
}

}  // namespace

Journal::Journal(size_t kept) : ring_(kept), free_since_(clock_sec()) {
  ASSERT(kept >= 1, "a ring of ", kept, " operations");
}

void Journal::enter(std::string_view phase, std::int64_t step) {
  const double now = clock_sec();
  const std::lock_guard lock(mutex_);
  if (phase_ == "step" && open_.empty()) busy_sec_ += now - free_since_;
  free_since_ = now;
  phase_ = phase;
  step_ = step;
  if (phase_ == "step") ++begun_;
  ++changes_;
}

void Journal::arrive(std::string_view what, std::int64_t bytes) {
  const double now = clock_sec();
  const std::lock_guard lock(mutex_);
  if (phase_ == "step" && open_.empty()) busy_sec_ += now - free_since_;
  ++number_;
  ++changes_;
  Operation& one = ring_[static_cast<size_t>(number_) % ring_.size()];
  one.what = what;  // keeps its capacity: no allocation once the ring is full
  one.phase = phase_;
  one.step = step_;
  one.number = number_;
  one.bytes = bytes;
  one.arrived_sec = now;
  one.left_sec = -1;
  open_.push_back(number_);
}

void Journal::leave() {
  const double now = clock_sec();
  const std::lock_guard lock(mutex_);
  ASSERT(!open_.empty(), "an operation ends that did not begin");
  Operation& one = ring_[static_cast<size_t>(open_.back()) % ring_.size()];
  if (one.number == open_.back()) one.left_sec = now;  // else newer ones took its place
  open_.pop_back();
  ++changes_;
  if (open_.empty()) free_since_ = now;
}

Activity Journal::now() const {
  const double now = clock_sec();
  const std::lock_guard lock(mutex_);
  Activity activity;
  activity.phase = phase_;
  activity.step = step_;
  activity.number = number_;
  activity.changes = changes_;
  activity.begun = begun_;
  activity.busy_sec = busy_sec_;
  if (open_.empty()) {
    if (phase_ == "step") activity.busy_sec += now - free_since_;
    return activity;
  }
  const Operation& one = ring_[static_cast<size_t>(open_.back()) % ring_.size()];
  if (one.number == open_.back()) {
    activity.operation = one.what;
    activity.bytes = one.bytes;
  }
  return activity;
}

std::vector<Operation> Journal::last() const {
  const std::lock_guard lock(mutex_);
  std::vector<Operation> all;
  const auto kept = static_cast<std::int64_t>(ring_.size());
  for (std::int64_t n = std::max<std::int64_t>(1, number_ - kept + 1); n <= number_; ++n)
    all.push_back(ring_[static_cast<size_t>(n) % ring_.size()]);
  return all;
}

std::string Journal::text() const {
  const double now = clock_sec();
  std::string lines = "number  arrived  left (seconds ago)  bytes  phase step  operation\n";
  for (const Operation& one : last())
    lines += ortho::text(one.number, "  ", ago_text(now - one.arrived_sec), "  ",
                         one.left_sec < 0 ? "never" : ago_text(now - one.left_sec), "  ", one.bytes,
                         "  ", one.phase, ' ', one.step, "  ", one.what, '\n');
  return lines;
}

namespace {

class WatchedChannel final : public Channel {
 public:
  WatchedChannel(std::unique_ptr<Channel> inner, Journal& journal)
      : inner_(std::move(inner)), journal_(journal) {}

  int rank() const override { return inner_->rank(); }
  int ranks() const override { return inner_->ranks(); }
  std::string host() const override { return inner_->host(); }
  std::span<const int> nodes() const override { return inner_->nodes(); }
  const std::byte* reads(int owner, const void* theirs, std::int64_t bytes) const override {
    return inner_->reads(owner, theirs, bytes);
  }
  std::unique_ptr<Transfer> open(std::span<const Incoming> incoming) override {
    return inner_->open(incoming);
  }
  [[noreturn]] void abort(int code) override {
    inner_->abort(code);
    std::abort();  // not reached: g++ does not trust a virtual function's promise
  }
  void enter(std::string_view phase, std::int64_t step) override { journal_.enter(phase, step); }
  void arrive(std::string_view what, std::int64_t bytes) override { journal_.arrive(what, bytes); }
  void leave() override { journal_.leave(); }
  double busy_sec() const override { return journal_.now().busy_sec; }

  void barrier() override {
    const Operating operating(*this, "barrier", 0);
    inner_->barrier();
  }
  void broadcast(std::span<std::byte> bytes, int root) override {
    const Operating operating(*this, "broadcast", size_of(bytes));
    inner_->broadcast(bytes, root);
  }
  void sum(std::span<float> values) override { sum_values(values); }
  void sum(std::span<double> values) override { sum_values(values); }
  void sum(std::span<std::int64_t> values) override { sum_values(values); }
  std::int64_t max(std::int64_t value) override {
    const Operating operating(*this, "largest of all ranks", sizeof value);
    return inner_->max(value);
  }
  std::vector<std::string> gather(const std::string& mine) override {
    const Operating operating(*this, "gather", static_cast<std::int64_t>(mine.size()));
    return inner_->gather(mine);
  }
  std::unique_ptr<Channel> split(int color) override {
    const Operating operating(*this, "split of the ranks", 0);
    return std::make_unique<WatchedChannel>(inner_->split(color), journal_);
  }
  std::unique_ptr<SharedMemory> share(std::int64_t bytes) override {
    const Operating operating(*this, "shared memory", bytes);
    return inner_->share(bytes);
  }

 private:
  template <class T>
  static std::int64_t size_of(std::span<T> values) {
    return static_cast<std::int64_t>(values.size_bytes());
  }
  template <class T>
  void sum_values(std::span<T> values) {
    const Operating operating(*this, "sum", size_of(values));
    inner_->sum(values);
  }

  std::unique_ptr<Channel> inner_;
  Journal& journal_;
};

}  // namespace

std::unique_ptr<Channel> watched_channel(std::unique_ptr<Channel> channel, Journal& journal) {
  return std::make_unique<WatchedChannel>(std::move(channel), journal);
}

}  // namespace ortho
