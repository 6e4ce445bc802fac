// Memory for the tests of exchanges: shared between ranks or not, poisoned, between guards.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "comm/channel.h"
#include "core/error.h"

namespace ortho::test {

// Where the arrays of a case lie, and so how ranks of one node hand elements over.
enum class Ground {
  ordinary,   // by messages
  workspace,  // packed into the shared workspace, read from there
  shared,     // read out of the sender's array
};

// Memory for the arrays of one case after the other. Collective, as is its end.
class Memory {
 public:
  Memory(Channel& channel, Ground ground)
      : ground_(ground),
        window_(ground == Ground::ordinary ? nullptr : channel.share(kElements * sizeof(float))) {}

  Ground ground() const { return ground_; }
  bool pulls() const { return window_ != nullptr && window_->shared(); }
  // Empty if the caller shall use memory of its own.
  std::span<float> source(std::int64_t count) const {
    return ground_ == Ground::shared ? part(0, count) : std::span<float>{};
  }
  std::span<float> workspace(std::int64_t count) const {
    return ground_ == Ground::ordinary ? std::span<float>{} : part(kElements / 2, count);
  }

 private:
  static constexpr std::int64_t kElements = 1400000;
  std::span<float> part(std::int64_t first, std::int64_t count) const {
    ASSERT(count <= kElements / 2, count, " elements of a test");
    return {reinterpret_cast<float*>(window_->bytes().data()) + first, static_cast<size_t>(count)};
  }

  Ground ground_;
  std::unique_ptr<SharedMemory> window_;
};

// An array of poison between guards.
class Guarded {
 public:
  explicit Guarded(std::int64_t count) : Guarded(count, {}) {}
  explicit Guarded(const std::vector<float>& values) : Guarded(values, {}) {}
  // `place` has with_guards(count) elements or none.
  Guarded(std::int64_t count, std::span<float> place)
      : own_(place.empty() ? static_cast<size_t>(with_guards(count)) : 0),
        values_(place.empty() ? std::span<float>(own_) : place),
        count_(count) {
    std::fill(values_.begin(), values_.end(), kGuard);
    std::fill_n(data(), count, std::numeric_limits<float>::quiet_NaN());
  }
  Guarded(const std::vector<float>& values, std::span<float> place)
      : Guarded(static_cast<std::int64_t>(values.size()), place) {
    std::copy(values.begin(), values.end(), data());
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  static std::int64_t with_guards(std::int64_t count) { return count + 2 * kGuards; }
  float* data() { return values_.data() + kGuards; }
  std::span<float> span() { return {data(), static_cast<size_t>(count_)}; }
  std::vector<float> values() { return {data(), data() + count_}; }
  bool intact() const {
    const auto guard = [](float value) { return value == kGuard; };
    return std::all_of(values_.begin(), values_.begin() + kGuards, guard) &&
           std::all_of(values_.end() - kGuards, values_.end(), guard);
  }

 private:
  static constexpr int kGuards = 16;
  static constexpr float kGuard = -12345.5f;
  std::vector<float> own_;
  std::span<float> values_;
  std::int64_t count_;
};

}  // namespace ortho::test
