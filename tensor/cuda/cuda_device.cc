#include "tensor/cuda/cuda_device.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace ortho {
namespace {

constexpr std::int64_t kAlignment = 256;        // of scratch: every kernel's widest access
constexpr std::int64_t kFirstBlock = 1 << 20;   // bytes of scratch at first
constexpr std::int64_t kFirstSlot = 1 << 16;    // bytes of a slot at first
constexpr std::int64_t kBlasRoom = 32ll << 20;  // what cuBLAS wants on sm_90, given once

std::int64_t rounded(std::int64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

// An owner that goes away after the driver did has nothing to give back; others say what failed.
void log_close(cudaError_t result, const char* what) noexcept {
  if (result == cudaSuccess || result == cudaErrorCudartUnloading) return;
  std::fprintf(stderr, "CUDA: %s: %s\n", what, cudaGetErrorString(result));
}

void require_memory(cudaError_t result, std::int64_t bytes, const std::string& purpose,
                    const std::string& where) {
  if (result == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    REQUIRE(false, "out of memory: ", bytes, " bytes for ", purpose, " on ", where,
            ". Use a smaller batch or more ranks; `orthotope plan` counts the bytes.");
  }
  check_cuda(result);
}

}  // namespace

void check_cublas(cublasStatus_t status, std::source_location where) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  fail(ErrorKind::internal, text("cuBLAS: ", cublasGetStatusString(status)), where);
}

void StreamTraits::close(Type stream) noexcept {
  log_close(cudaStreamDestroy(stream), "a stream could not be destroyed");
}

void EventTraits::close(Type event) noexcept {
  log_close(cudaEventDestroy(event), "an event could not be destroyed");
}

void BlasTraits::close(Type handle) noexcept {
  if (cublasDestroy(handle) != CUBLAS_STATUS_SUCCESS)
    std::fprintf(stderr, "cuBLAS could not be closed\n");
}

void DeviceMemoryTraits::close(Type memory) noexcept {
  log_close(cudaFree(memory), "device memory could not be freed");
}

void PinnedMemoryTraits::close(Type memory) noexcept {
  log_close(cudaFreeHost(memory), "pinned memory could not be freed");
}

Stream make_stream() {
  cudaStream_t stream = nullptr;
  check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return Stream(stream);
}

Event make_event() {
  cudaEvent_t event = nullptr;
  check_cuda(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  return Event(event);
}

CudaDevice::CudaDevice(int number) {
  check_cuda(cudaSetDevice(number));
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, number));
  text_ = ortho::text("GPU ", number, ", ", properties.name);
  processors_ = properties.multiProcessorCount;
  stream_ = make_stream();
  cublasHandle_t handle = nullptr;
  check_cublas(cublasCreate(&handle));
  blas_ = Blas(handle);
  check_cublas(cublasSetStream(handle, stream_.get()));
  check_cublas(cublasSetMathMode(handle, CUBLAS_PEDANTIC_MATH));  // float32 stays float32
  // A room of its own: what cuBLAS takes by itself could not be used within a captured graph.
  blas_room_ = DeviceMemory(allocate(kBlasRoom, "cuBLAS"));
  check_cublas(cublasSetWorkspace(handle, blas_room_.get(), static_cast<size_t>(kBlasRoom)));
}

CudaDevice::~CudaDevice() {
  log_close(cudaStreamSynchronize(stream_.get()), "the compute stream failed");
}

std::int64_t CudaDevice::free_bytes() const {
  size_t free = 0, total = 0;
  check_cuda(cudaMemGetInfo(&free, &total));
  return static_cast<std::int64_t>(free);
}

void* CudaDevice::allocate(std::int64_t bytes, const std::string& purpose) {
  const auto size = static_cast<size_t>(std::max<std::int64_t>(bytes, 1));
  void* memory = nullptr;
  require_memory(cudaMalloc(&memory, size), bytes, purpose, text_);
  DeviceMemory owner(memory);
  check_cuda(cudaMemsetAsync(memory, 0, size, stream_.get()));
  return owner.release();
}

void CudaDevice::release(void* memory) noexcept {
  log_close(cudaStreamSynchronize(stream_.get()), "the compute stream failed");  // it may be in use
  DeviceMemoryTraits::close(memory);
}

void* CudaDevice::allocate_host(std::int64_t bytes, const std::string& purpose) {
  const auto size = static_cast<size_t>(std::max<std::int64_t>(bytes, 1));
  void* memory = nullptr;
  require_memory(cudaMallocHost(&memory, size), bytes, purpose, "this machine, pinned");
  std::memset(memory, 0, size);
  return memory;
}

void CudaDevice::release_host(void* memory) noexcept { PinnedMemoryTraits::close(memory); }

void CudaDevice::upload(const void* host, void* memory, std::int64_t bytes) {
  if (bytes == 0) return;
  check_cuda(cudaMemcpyAsync(memory, host, static_cast<size_t>(bytes), cudaMemcpyHostToDevice,
                             stream_.get()));
  synchronize();
}

void CudaDevice::download(const void* memory, void* host, std::int64_t bytes) {
  if (bytes == 0) return;
  check_cuda(cudaMemcpyAsync(host, memory, static_cast<size_t>(bytes), cudaMemcpyDeviceToHost,
                             stream_.get()));
  synchronize();
}

void CudaDevice::synchronize() { check_cuda(cudaStreamSynchronize(stream_.get())); }

// More than one block: the operation before needed more than there was. One large block instead.
void CudaDevice::begin_operation() {
  used_ = 0;
  if (blocks_.size() <= 1) return;
  std::int64_t all = 0;
  for (const Block& block : blocks_) all += block.bytes;
  synchronize();
  blocks_.clear();
  take(all);
  used_ = 0;
}

void* CudaDevice::take(std::int64_t bytes) {
  const std::int64_t wanted = rounded(std::max<std::int64_t>(bytes, 1));
  if (blocks_.empty() || used_ + wanted > blocks_.back().bytes) {
    const std::int64_t size = std::max(kFirstBlock, wanted);
    blocks_.push_back({DeviceMemory(allocate(size, "scratch of an operation")), size});
    used_ = 0;
  }
  void* const memory = static_cast<char*>(blocks_.back().memory.get()) + used_;
  used_ += wanted;
  return memory;
}

const void* CudaDevice::send_bytes(const void* host, std::int64_t bytes) {
  void* const memory = take(bytes);
  if (bytes == 0) return memory;
  Slot& slot = slots_[next_slot_];
  next_slot_ = (next_slot_ + 1) % slots_.size();
  if (slot.waits) check_cuda(cudaEventSynchronize(slot.sent.get()));
  slot.waits = false;
  if (slot.bytes < bytes) {
    slot.bytes = std::max(kFirstSlot, bytes);
    slot.memory = PinnedMemory(allocate_host(slot.bytes, "arrays on their way to a GPU"));
    if (slot.sent.get() == nullptr) slot.sent = make_event();
  }
  std::memcpy(slot.memory.get(), host, static_cast<size_t>(bytes));
  check_cuda(cudaMemcpyAsync(memory, slot.memory.get(), static_cast<size_t>(bytes),
                             cudaMemcpyHostToDevice, stream_.get()));
  check_cuda(cudaEventRecord(slot.sent.get(), stream_.get()));
  slot.waits = true;
  return memory;
}

}  // namespace ortho
