// Lanes: the exchange stream of a device beside its compute stream, and what was given to it.
//
// All channels of a device share one: it keeps their operations in one order, waits with a
// deadline, and knows what each operation was called when it is late.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <string>

#include "comm/device_channel.h"
#include "tensor/cuda/cuda_device.h"

namespace ortho {

class Lanes {
 public:
  Lanes(CudaDevice& device, const DeviceChannelSetting& setting);

  CudaDevice& device() const { return device_; }
  cudaStream_t stream() const { return exchange_.get(); }
  std::chrono::duration<double> deadline() const { return deadline_; }

  void begin();                       // the exchange stream waits for the compute stream
  void end(const std::string& what);  // an operation of this name was given to it
  void join();                        // the compute stream waits for the exchange stream
  // Until all of `stream` is done; look() is called now and then and may throw. False: too late.
  bool wait(cudaStream_t stream, const std::function<void()>& look);
  // The first operation that is not done: "sum of gradients"; "" if all are.
  std::string first_late();

  // Memory of the device for the next operation, which follows those that use it now. The same
  // until more is asked for: run every plan once before a graph is recorded.
  void* room(std::int64_t bytes);

 private:
  struct Named {
    std::string what;
    Event done;
  };
  bool recording() const;

  CudaDevice& device_;
  std::chrono::duration<double> deadline_;
  Stream exchange_;
  Event computed_, exchanged_;
  std::deque<Named> under_way_;  // the latest; older ones are done, or late with the first
  DeviceMemory room_;
  std::int64_t room_bytes_ = 0;
};

}  // namespace ortho
