// CpuDevice: this machine's memory. Copies are copies, and there is nothing to wait for.
#pragma once

#include "tensor/device.h"

namespace ortho {

class CpuDevice final : public Device {
 public:
  std::string text() const override { return "cpu"; }
  bool host_reads() const override { return true; }
  std::int64_t free_bytes() const override;
  void* allocate(std::int64_t bytes, const std::string& purpose) override;
  void release(void* memory) noexcept override;
  void* allocate_host(std::int64_t bytes, const std::string& purpose) override;
  void release_host(void* memory) noexcept override;
  void upload(const void* host, void* memory, std::int64_t bytes) override;
  void download(const void* memory, void* host, std::int64_t bytes) override;
  void synchronize() override {}
};

}  // namespace ortho
