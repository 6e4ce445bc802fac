// CUDA's runtime on the simulated machine: devices, errors, kernels.
#include <cstdio>
#include <cstring>
#include <map>
#include <utility>

#include "core/error.h"
#include "tests/support/cudasim/grid_run.h"
#include "tests/support/cudasim/machine.h"

namespace ortho::sim {
namespace {

thread_local cudaError_t last_error = cudaSuccess;
constexpr int kDriver = 13000;
constexpr std::size_t kUsualShared = 48 << 10, kMostShared = 227 << 10;

std::mutex limits_mutex;  // guards `shared_limits`: dynamic shared memory that a kernel may have
std::map<const void*, std::size_t>& shared_limits() {
  static std::map<const void*, std::size_t> all;
  return all;
}

std::size_t shared_limit(const void* function) {
  const std::lock_guard lock(limits_mutex);
  const auto found = shared_limits().find(function);
  return found == shared_limits().end() ? kUsualShared : found->second;
}

// What a GPU would refuse of a launch.
std::string wrong(const Kernel& kernel) {
  const dim3 &grid = kernel.grid.grid, &block = kernel.grid.block;
  const auto dims = [](const dim3& d) { return text(d.x, " x ", d.y, " x ", d.z); };
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7fffffffU || grid.y > 65535 ||
      grid.z > 65535)
    return text("a grid of ", dims(grid), " blocks");
  const std::size_t threads = std::size_t{block.x} * block.y * block.z;
  if (threads == 0 || threads > 1024 || block.z > 64)
    return text("a block of ", dims(block), " threads");
  if (kernel.grid.shared_bytes > shared_limit(kernel.function))
    return text(kernel.grid.shared_bytes, " bytes of shared memory, ",
                shared_limit(kernel.function), " are allowed");
  return "";
}

}  // namespace

cudaError_t answer(cudaError_t result) {
  if (result != cudaSuccess && result != cudaErrorNotReady) last_error = result;
  return result;
}

cudaError_t ready() {
  if (!machine().setting.driver) return cudaErrorInsufficientDriver;
  if (machine().setting.devices == 0) return cudaErrorNoDevice;
  return device().failed;
}

cudaError_t enqueue(const Kernel& kernel, cudaStream_t stream) {
  if (const cudaError_t state = ready(); state != cudaSuccess) return answer(state);
  if (const std::string what = wrong(kernel); !what.empty())
    return answer(violation(cudaErrorInvalidConfiguration, text(kernel.name, ": ", what)));
  Device* its_device = exists(stream) ? stream->device : nullptr;
  if (its_device != nullptr && its_device != &device())
    return answer(violation(cudaErrorInvalidResourceHandle,
                            text(kernel.name, ": its stream is of device ", its_device->number,
                                 ", the thread is on device ", device().number)));
  const auto act = [kernel, its_device] {
    const std::string broken = run_grid(kernel, its_device->draw);
    if (!broken.empty()) its_device->failed = violation(cudaErrorLaunchFailure, broken);
    return true;
  };
  return answer(issue(stream, {kernel.name, [act] { return Act(act); }}));
}

}  // namespace ortho::sim

using namespace ortho::sim;

cudaError_t cudaGetDeviceCount(int* count) {
  if (!machine().setting.driver) return answer(cudaErrorInsufficientDriver);
  *count = machine().setting.devices;
  return *count > 0 ? cudaSuccess : answer(cudaErrorNoDevice);
}

cudaError_t cudaSetDevice(int number) {
  if (!machine().setting.driver) return answer(cudaErrorInsufficientDriver);
  if (number < 0 || number >= machine().setting.devices)
    return answer(violation(cudaErrorInvalidDevice, ortho::text("there is no device ", number)));
  device_number() = number;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* number) {
  *number = device_number();
  return answer(ready());
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int number) {
  if (!machine().setting.driver) return answer(cudaErrorInsufficientDriver);
  if (number < 0 || number >= machine().setting.devices) return answer(cudaErrorInvalidDevice);
  *properties = {};
  std::snprintf(properties->name, sizeof properties->name, "simulated device");
  std::memset(properties->uuid.bytes, 0x5d, sizeof properties->uuid.bytes);
  properties->uuid.bytes[15] = static_cast<char>(number);
  properties->totalGlobalMem = machine().setting.device_bytes;
  properties->sharedMemPerBlock = kUsualShared;
  properties->sharedMemPerBlockOptin = kMostShared;
  properties->sharedMemPerMultiprocessor = 228 << 10;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = 1024;
  properties->multiProcessorCount = 4;
  properties->l2CacheSize = 1 << 20;
  properties->major = 9;
  properties->pciBusID = number + 1;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char* id, int bytes, int number) {
  if (!machine().setting.driver) return answer(cudaErrorInsufficientDriver);
  std::snprintf(id, static_cast<std::size_t>(bytes), "0000:%02x:00.0",
                static_cast<unsigned>(number + 1));
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  if (!machine().setting.driver) return answer(cudaErrorInsufficientDriver);
  const std::map<cudaDeviceAttr, int> values = {
      {cudaDevAttrMultiProcessorCount, 4},
      {cudaDevAttrMaxThreadsPerBlock, 1024},
      {cudaDevAttrWarpSize, 32},
      {cudaDevAttrComputeCapabilityMajor, 9},
      {cudaDevAttrComputeCapabilityMinor, 0},
      {cudaDevAttrMaxSharedMemoryPerBlock, static_cast<int>(kUsualShared)},
      {cudaDevAttrMaxSharedMemoryPerBlockOptin, static_cast<int>(kMostShared)},
      {cudaDevAttrL2CacheSize, 1 << 20}};
  const auto found = values.find(attribute);
  if (found == values.end())
    return answer(violation(cudaErrorInvalidValue, ortho::text("the simulator knows no attribute ",
                                                               static_cast<int>(attribute))));
  *value = found->second;
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = machine().setting.driver ? kDriver : 0;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }
cudaError_t cudaPeekAtLastError() { return last_error; }

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInsufficientDriver:
      return "cudaErrorInsufficientDriver";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorNotReady:
      return "cudaErrorNotReady";
    case cudaErrorLaunchFailure:
      return "cudaErrorLaunchFailure";
    default:
      return "a CUDA error";
  }
}

// The violation in words, where there was one.
const char* cudaGetErrorString(cudaError_t error) {
  thread_local std::string text;
  text = last_violation(error);
  if (text.empty()) text = cudaGetErrorName(error);
  return text.c_str();
}

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value) {
  if (const cudaError_t state = ready(); state != cudaSuccess) return answer(state);
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 ||
      static_cast<std::size_t>(value) > kMostShared)
    return answer(violation(
        cudaErrorInvalidValue,
        ortho::text("cudaFuncSetAttribute(", static_cast<int>(attribute), ", ", value, ")")));
  const std::lock_guard lock(limits_mutex);
  shared_limits()[function] = static_cast<std::size_t>(value);
  return cudaSuccess;
}
