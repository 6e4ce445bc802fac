#include "tensor/cpu/cpu_device.h"

#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "tensor/buffer.h"

namespace ortho {

std::int64_t CpuDevice::free_bytes() const {
  return std::int64_t{sysconf(_SC_AVPHYS_PAGES)} * std::int64_t{sysconf(_SC_PAGESIZE)};
}

void* CpuDevice::allocate(std::int64_t bytes, const std::string& purpose) {
  return allocate_aligned(bytes, purpose);
}

void CpuDevice::release(void* memory) noexcept { std::free(memory); }

void* CpuDevice::allocate_host(std::int64_t bytes, const std::string& purpose) {
  return allocate_aligned(bytes, purpose);
}

void CpuDevice::release_host(void* memory) noexcept { std::free(memory); }

void CpuDevice::upload(const void* host, void* memory, std::int64_t bytes) {
  if (bytes > 0) std::memcpy(memory, host, static_cast<size_t>(bytes));
}

void CpuDevice::download(const void* memory, void* host, std::int64_t bytes) {
  if (bytes > 0) std::memcpy(host, memory, static_cast<size_t>(bytes));
}

}  // namespace ortho
