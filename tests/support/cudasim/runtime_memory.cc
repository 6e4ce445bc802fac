// CUDA's runtime on the simulated machine: memory and copies.
#include <cstring>

#include "core/error.h"
#include "tests/support/cudasim/machine.h"

namespace ortho::sim {
namespace {

cudaError_t allocate(void** memory, std::size_t bytes, bool on_host) {
  if (const cudaError_t state = ready(); state != cudaSuccess) return answer(state);
  Device& one = device();
  const std::lock_guard lock(one.mutex);
  if (one.captures > 0)
    return answer(violation(cudaErrorStreamCaptureUnsupported, "allocates while a graph records"));
  *memory =
      one.allocations++ == one.faults.allocation ? nullptr : one.memory.allocate(bytes, on_host);
  return answer(*memory == nullptr ? cudaErrorMemoryAllocation : cudaSuccess);
}

// Like the real call, it waits for the device.
cudaError_t release(void* memory, bool on_host) {
  if (memory == nullptr) return cudaSuccess;
  if (!machine().setting.driver) return answer(cudaErrorInsufficientDriver);
  const Place place = place_of(memory);
  if (place.device < 0 || place.device >= machine().setting.devices)
    return answer(violation(cudaErrorInvalidValue, "frees memory that was not allocated"));
  Device& one = *machine().devices[static_cast<std::size_t>(place.device)];
  const std::lock_guard lock(one.mutex);
  if (one.captures > 0)
    return answer(violation(cudaErrorStreamCaptureUnsupported, "frees while a graph records"));
  if (!one.run_all())
    return answer(violation(cudaErrorLaunchFailure, "frees while work hangs on the device"));
  const std::string wrong = one.memory.free(memory, on_host);
  return answer(wrong.empty() ? cudaSuccess : violation(cudaErrorInvalidValue, wrong));
}

bool on_device(const void* pointer) { return place_of(pointer).where == Where::device; }

cudaMemcpyKind kind_of(const void* to, const void* from) {
  if (on_device(to)) return on_device(from) ? cudaMemcpyDeviceToDevice : cudaMemcpyHostToDevice;
  return on_device(from) ? cudaMemcpyDeviceToHost : cudaMemcpyHostToHost;
}

constexpr const char* kKinds[] = {"host to host", "host to device", "device to host",
                                  "device to device", "default"};

// What is wrong with an access of this many bytes on behalf of `one`.
std::string wrong_range(const char* verb, const void* pointer, std::size_t bytes,
                        const Device& one) {
  const Place place = place_of(pointer);
  if (place.where == Where::pageable) return "";
  if (place.bytes < bytes)
    return text(verb, " ", bytes, " bytes, the allocation has ", place.bytes, " from there on");
  if (place.where == Where::device && place.device != one.number)
    return text(verb, " memory of device ", place.device, " in a stream of device ", one.number);
  return "";
}

}  // namespace
}  // namespace ortho::sim

using namespace ortho::sim;

cudaError_t cudaMalloc(void** memory, std::size_t bytes) { return allocate(memory, bytes, false); }
cudaError_t cudaFree(void* memory) { return release(memory, false); }
cudaError_t cudaMallocHost(void** memory, std::size_t bytes) {
  return allocate(memory, bytes, true);
}
cudaError_t cudaHostAlloc(void** memory, std::size_t bytes, unsigned) {
  return allocate(memory, bytes, true);
}
cudaError_t cudaFreeHost(void* memory) { return release(memory, true); }

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  if (const cudaError_t state = ready(); state != cudaSuccess) return answer(state);
  const std::lock_guard lock(device().mutex);
  *total = device().memory.limit();
  *free = *total - device().memory.used();
  return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  if (!machine().setting.driver) return answer(cudaErrorInsufficientDriver);
  const Place place = place_of(pointer);
  *attributes = {};
  attributes->device = place.device;
  attributes->type = place.where == Where::device   ? cudaMemoryTypeDevice
                     : place.where == Where::pinned ? cudaMemoryTypeHost
                                                    : cudaMemoryTypeUnregistered;
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  if (const cudaError_t state = ready(); state != cudaSuccess) return answer(state);
  if (bytes == 0) return cudaSuccess;
  const cudaMemcpyKind actual = kind_of(to, from);
  if (kind != cudaMemcpyDefault && kind != actual)
    return answer(
        violation(cudaErrorInvalidMemcpyDirection,
                  ortho::text("a copy ", kKinds[kind], " with pointers ", kKinds[actual])));
  if (exists(stream)) {
    for (const std::string& wrong : {wrong_range("copies to", to, bytes, *stream->device),
                                     wrong_range("copies from", from, bytes, *stream->device)})
      if (!wrong.empty()) return answer(violation(cudaErrorInvalidValue, wrong));
  }
  const auto act = [to, from, bytes] {
    std::memmove(to, from, bytes);
    return true;
  };
  return answer(issue(stream, {"copy", [act] { return Act(act); }}));
}

cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t stream) {
  if (const cudaError_t state = ready(); state != cudaSuccess) return answer(state);
  if (bytes == 0) return cudaSuccess;
  if (!on_device(memory))
    return answer(violation(cudaErrorInvalidValue, "cudaMemsetAsync of memory of the host"));
  if (exists(stream)) {
    const std::string wrong = wrong_range("sets", memory, bytes, *stream->device);
    if (!wrong.empty()) return answer(violation(cudaErrorInvalidValue, wrong));
  }
  const auto act = [memory, value, bytes] {
    std::memset(memory, value, bytes);
    return true;
  };
  return answer(issue(stream, {"set", [act] { return Act(act); }}));
}

// They use the legacy default stream.
cudaError_t cudaMemcpy(void*, const void*, std::size_t, cudaMemcpyKind) {
  return answer(issue(nullptr, {"cudaMemcpy", {}}));
}
cudaError_t cudaMemset(void*, int, std::size_t) {
  return answer(issue(nullptr, {"cudaMemset", {}}));
}
