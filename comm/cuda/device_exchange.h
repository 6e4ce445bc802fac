// DeviceExchange: runs a Plan on arrays of the device, packs, sends and unpacks there.
//
//   exchange.start(Way::forward, x, lines, Fill::over, workspace);
//   … other work for the compute stream …
//   exchange.finish();
// Kernels pack and unpack in the compute stream; in between the channel's messages run beside it.
// What meets is added in rank order, as comm/exchange.h does: the results are equal bit for bit.
#pragma once

#include <string>
#include <vector>

#include "comm/device_channel.h"
#include "comm/exchange.h"
#include "comm/exchange_plan.h"
#include "tensor/cuda/cuda_device.h"

namespace ortho {

template <class T>
class DeviceExchange {
 public:
  // `device` and `channel` outlive it. Check the plan over the host channel first (check_plan).
  DeviceExchange(Plan plan, CudaDevice& device, DeviceChannel& channel, std::string what);

  const Plan& plan() const { return plan_; }
  const std::string& what() const { return what_; }

  // As in Exchange; all pointers are the device's, `workspace` has plan().workspace() elements.
  void start(Way way, const T* from, T* into, Fill fill, T* workspace);
  void finish();

 private:
  void pack(const Message& message, T* packed) const;
  void unpack(const Message& message, const T* packed) const;
  void keep(const Message& message) const;
  bool adds() const { return fill_ == Fill::add || !plan_.into(way_).disjoint; }

  Plan plan_;
  CudaDevice& device_;
  DeviceChannel& channel_;
  std::string what_;
  bool under_way_ = false;
  Way way_ = Way::forward;
  const T* from_ = nullptr;
  T* into_ = nullptr;
  T* received_ = nullptr;
  Fill fill_ = Fill::over;
};

}  // namespace ortho
