// What the module gives the program; tensor/cuda_module.h opens it and knows these names.
#include <cuda_runtime_api.h>

#include <string_view>

#include "tensor/cuda/cuda_backend.h"
#include "tensor/cuda_module.h"

namespace ortho {
namespace {

// Any error while asking means that there is no device; the count is then left as it was.
int count_devices() noexcept {
  int devices = 0;
  const bool answered = cudaGetDeviceCount(&devices) == cudaSuccess;
  if (!answered) cudaGetLastError();
  return answered ? devices : 0;
}

Backend<float>* make_backend(int device) { return new CudaBackend<float>(device); }

}  // namespace
}  // namespace ortho

// Null: built from other headers than the program was.
extern "C" const ortho::CudaModule* ortho_cuda_backend(const char* headers) {
  static const ortho::CudaModule module = {&ortho::count_devices, &ortho::make_backend};
  return std::string_view(headers) == ORTHO_CUDA_HEADERS ? &module : nullptr;
}
