// CudaDevice: one GPU, its compute stream, and the small memories that operations need for a moment.
//
// All work goes to one stream, in the order of the calls. Scratch of one operation is free for the
// next: what is under way on the stream comes first.
#pragma once

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include <array>
#include <source_location>
#include <span>
#include <string>
#include <vector>

#include "core/handle.h"
#include "tensor/cuda/check.h"
#include "tensor/device.h"

namespace ortho {

void check_cublas(cublasStatus_t status,
                  std::source_location where = std::source_location::current());

struct StreamTraits {
  using Type = cudaStream_t;
  static Type null() { return nullptr; }
  static void close(Type stream) noexcept;
};
using Stream = Handle<StreamTraits>;

struct EventTraits {
  using Type = cudaEvent_t;
  static Type null() { return nullptr; }
  static void close(Type event) noexcept;
};
using Event = Handle<EventTraits>;

struct BlasTraits {
  using Type = cublasHandle_t;
  static Type null() { return nullptr; }
  static void close(Type handle) noexcept;
};
using Blas = Handle<BlasTraits>;

struct DeviceMemoryTraits {
  using Type = void*;
  static Type null() { return nullptr; }
  static void close(Type memory) noexcept;
};
using DeviceMemory = Handle<DeviceMemoryTraits>;

struct PinnedMemoryTraits {
  using Type = void*;
  static Type null() { return nullptr; }
  static void close(Type memory) noexcept;
};
using PinnedMemory = Handle<PinnedMemoryTraits>;

Stream make_stream();
Event make_event();  // without time

class CudaDevice final : public Device {
 public:
  explicit CudaDevice(int number);  // which GPU of this machine
  ~CudaDevice() override;

  std::string text() const override { return text_; }
  bool host_reads() const override { return false; }
  std::int64_t free_bytes() const override;
  void* allocate(std::int64_t bytes, const std::string& purpose) override;
  void release(void* memory) noexcept override;
  void* allocate_host(std::int64_t bytes, const std::string& purpose) override;
  void release_host(void* memory) noexcept override;
  void upload(const void* host, void* memory, std::int64_t bytes) override;
  void download(const void* memory, void* host, std::int64_t bytes) override;
  void synchronize() override;

  cudaStream_t stream() const { return stream_.get(); }
  cublasHandle_t blas() const { return blas_.get(); }
  int processors() const { return processors_; }  // streaming multiprocessors

  // ---- for the operation that runs ----
  void begin_operation();  // everything below is free again
  template <class V>
  V* scratch(std::int64_t count) {
    return static_cast<V*>(take(checked_product(count, std::int64_t{sizeof(V)})));
  }
  // The host's small array on the device, for this operation. The host's may change on return.
  template <class V>
  const V* send(std::span<const V> host) {
    const auto bytes = static_cast<std::int64_t>(host.size_bytes());
    return static_cast<const V*>(send_bytes(host.data(), bytes));
  }

 private:
  struct Block {
    DeviceMemory memory;
    std::int64_t bytes = 0;
  };
  struct Slot {  // pinned memory whose copy to the device may be under way
    PinnedMemory memory;
    std::int64_t bytes = 0;
    Event sent;
    bool waits = false;
  };

  void* take(std::int64_t bytes);
  const void* send_bytes(const void* host, std::int64_t bytes);

  std::string text_;
  int processors_ = 0;
  Stream stream_;
  Blas blas_;
  DeviceMemory blas_room_;
  std::vector<Block> blocks_;
  std::int64_t used_ = 0;  // of the last block
  std::array<Slot, 16> slots_;
  size_t next_slot_ = 0;
};

}  // namespace ortho
