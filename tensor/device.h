// Device: where the numbers of a Backend lie, and how they get there and back.
//
// Memory of a GPU is no memory of the host: what host_reads() is false for may be given to the
// Backend and to the calls below, never be read, written or freed by anybody else. Work of a Device
// and its Backend runs in the order of the calls; the host waits in download and synchronize alone.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "core/error.h"

namespace ortho {

class Device {
 public:
  Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  virtual ~Device() = default;

  virtual std::string text() const = 0;         // "cpu"; "GPU 0, NVIDIA H100 80GB HBM3"
  virtual bool host_reads() const = 0;          // whether the host may touch what allocate gives
  virtual std::int64_t free_bytes() const = 0;  // that may still be allocated

  // Zeroed. Too little: Error with the bytes and what they are for.
  virtual void* allocate(std::int64_t bytes, const std::string& purpose) = 0;
  virtual void release(void* memory) noexcept = 0;
  // Host memory that copies read and write at full speed; the same on a CPU as allocate.
  virtual void* allocate_host(std::int64_t bytes, const std::string& purpose) = 0;
  virtual void release_host(void* memory) noexcept = 0;

  // `host` may be used again on return.
  virtual void upload(const void* host, void* memory, std::int64_t bytes) = 0;
  virtual void download(const void* memory, void* host, std::int64_t bytes) = 0;
  virtual void synchronize() = 0;
};

// Memory of a device with its owner. Give it back while the device lives.
template <class T>
class DeviceArray {
 public:
  DeviceArray() = default;
  DeviceArray(Device& device, std::int64_t count, const std::string& purpose)
      : device_(&device),
        data_(static_cast<T*>(
            device.allocate(checked_product(count, std::int64_t{sizeof(T)}), purpose))),
        count_(count) {}
  DeviceArray(Device& device, std::span<const T> values, const std::string& purpose)
      : DeviceArray(device, static_cast<std::int64_t>(values.size()), purpose) {
    device.upload(values.data(), data_, bytes());
  }
  DeviceArray(DeviceArray&& other) noexcept
      : device_(other.device_),
        data_(std::exchange(other.data_, nullptr)),
        count_(std::exchange(other.count_, 0)) {}
  DeviceArray& operator=(DeviceArray&& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(data_, other.data_);
    std::swap(count_, other.count_);
    return *this;
  }
  ~DeviceArray() {
    if (data_ != nullptr) device_->release(data_);
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::int64_t size() const { return count_; }
  std::int64_t bytes() const { return count_ * std::int64_t{sizeof(T)}; }
  void download(std::span<T> host) const {
    ASSERT(static_cast<std::int64_t>(host.size()) == count_, "download of ", count_, " numbers");
    device_->download(data_, host.data(), bytes());
  }

 private:
  Device* device_ = nullptr;
  T* data_ = nullptr;
  std::int64_t count_ = 0;
};

}  // namespace ortho
