// What tests of the simulated device share: memory and streams with an end, values there and back.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/handle.h"
#include "tests/support/cudasim/control.h"
#include "tests/support/cudasim/launch.h"

namespace ortho::test {

constexpr std::uint64_t kSeeds[] = {1, 2, 3, 4};

struct StreamTraits {
  using Type = cudaStream_t;
  static Type null() { return nullptr; }
  static void close(Type stream) { cudaStreamDestroy(stream); }
};

class TestStream {
 public:
  TestStream() {
    cudaStream_t made = nullptr;
    check_cuda(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking));
    stream_ = Handle<StreamTraits>(made);
  }
  operator cudaStream_t() const { return stream_.get(); }

 private:
  Handle<StreamTraits> stream_;
};

struct EventTraits {
  using Type = cudaEvent_t;
  static Type null() { return nullptr; }
  static void close(Type event) { cudaEventDestroy(event); }
};

class TestEvent {
 public:
  TestEvent() {
    cudaEvent_t made = nullptr;
    check_cuda(cudaEventCreateWithFlags(&made, cudaEventDisableTiming));
    event_ = Handle<EventTraits>(made);
  }
  operator cudaEvent_t() const { return event_.get(); }

 private:
  Handle<EventTraits> event_;
};

// `count` values on the device.
template <class T>
class OnDevice {
 public:
  explicit OnDevice(std::size_t count) : count_(count) {
    void* made = nullptr;
    check_cuda(cudaMalloc(&made, count * sizeof(T)));
    memory_ = Handle<MemoryTraits>(made);
  }
  OnDevice(const std::vector<T>& values, cudaStream_t stream) : OnDevice(values.size()) {
    check_cuda(cudaMemcpyAsync(data(), values.data(), values.size() * sizeof(T),
                               cudaMemcpyHostToDevice, stream));
    check_cuda(cudaStreamSynchronize(stream));
  }
  T* data() const { return static_cast<T*>(memory_.get()); }
  std::size_t size() const { return count_; }
  // Waits for the stream, and for no other.
  std::vector<T> values(cudaStream_t stream) const {
    std::vector<T> values(count_);
    check_cuda(
        cudaMemcpyAsync(values.data(), data(), count_ * sizeof(T), cudaMemcpyDeviceToHost, stream));
    check_cuda(cudaStreamSynchronize(stream));
    return values;
  }

 private:
  struct MemoryTraits {
    using Type = void*;
    static Type null() { return nullptr; }
    static void close(Type memory) { cudaFree(memory); }
  };
  std::size_t count_;
  Handle<MemoryTraits> memory_;
};

// The one violation since the last call, or what else there was.
inline std::string the_violation() {
  const std::vector<std::string> all = sim::take_violations();
  return all.size() == 1 ? all[0] : text(all.size(), " violations ", list_text(all));
}

inline void expect_violation(const std::string& part) {
  const std::string found = the_violation();
  EXPECT_NE(found.find(part), std::string::npos) << found;
}

}  // namespace ortho::test
