#include "comm/cuda/same_gpu.h"

#include <cuda_runtime_api.h>

#include <map>
#include <vector>

#include "core/error.h"
#include "tensor/cuda/check.h"

namespace ortho {

std::string gpu_uuid() {
  int number = 0;
  check_cuda(cudaGetDevice(&number));
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, number));
  constexpr const char* kDigits = "0123456789abcdef";
  std::string uuid;
  for (const char byte : properties.uuid.bytes) {
    uuid += kDigits[static_cast<unsigned char>(byte) / 16];
    uuid += kDigits[static_cast<unsigned char>(byte) % 16];
  }
  return uuid;
}

// Simulated and virtual GPUs of two machines may have one UUID, so the host counts too.
std::string shared_gpu(Channel& host) {
  std::map<std::string, int> owners;
  const std::vector<std::string> all = host.gather(host.host() + " " + gpu_uuid());
  for (int rank = 0; rank < host.ranks(); ++rank) {
    const auto [owner, is_new] = owners.emplace(all[static_cast<size_t>(rank)], rank);
    if (!is_new)
      return text("ranks ", owner->second, " and ", rank, " use one GPU, that of host and UUID ",
                  owner->first);
  }
  return "";
}

}  // namespace ortho
