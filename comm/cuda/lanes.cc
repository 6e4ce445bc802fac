#include "comm/cuda/lanes.h"

#include <thread>

namespace ortho {
namespace {

constexpr size_t kNamed = 256;  // operations whose names are kept
// Looks before the core is given away for longer: a step of a GPU takes milliseconds.
constexpr int kQuickLooks = 200;
constexpr auto kPause = std::chrono::microseconds(50);

Stream make_exchange_stream() {
  int least = 0, greatest = 0;
  check_cuda(cudaDeviceGetStreamPriorityRange(&least, &greatest));
  cudaStream_t stream = nullptr;
  check_cuda(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, greatest));
  return Stream(stream);
}

}  // namespace

Lanes::Lanes(CudaDevice& device, const DeviceChannelSetting& setting)
    : device_(device),
      deadline_(setting.deadline_sec),
      exchange_(make_exchange_stream()),
      computed_(make_event()),
      exchanged_(make_event()) {
  REQUIRE(setting.deadline_sec > 0, "a deadline of ", setting.deadline_sec, " s");
}

bool Lanes::recording() const {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  check_cuda(cudaStreamIsCapturing(exchange_.get(), &status));
  return status != cudaStreamCaptureStatusNone;
}

void Lanes::begin() {
  check_cuda(cudaEventRecord(computed_.get(), device_.stream()));
  check_cuda(cudaStreamWaitEvent(exchange_.get(), computed_.get(), 0));
}

// What a graph records has no end that one could ask for: a late graph is named by who waits.
void Lanes::end(const std::string& what) {
  if (recording()) return;
  Named named{what, {}};
  if (under_way_.size() >= kNamed) {
    named.done = std::move(under_way_.front().done);
    under_way_.pop_front();
  } else {
    named.done = make_event();
  }
  check_cuda(cudaEventRecord(named.done.get(), exchange_.get()));
  under_way_.push_back(std::move(named));
}

void Lanes::join() {
  check_cuda(cudaEventRecord(exchanged_.get(), exchange_.get()));
  check_cuda(cudaStreamWaitEvent(device_.stream(), exchanged_.get(), 0));
}

bool Lanes::wait(cudaStream_t stream, const std::function<void()>& look) {
  const auto begun = std::chrono::steady_clock::now();
  for (int looks = 0;; ++looks) {
    const cudaError_t state = cudaStreamQuery(stream);
    if (state == cudaSuccess) return true;
    if (state != cudaErrorNotReady) check_cuda(state);
    look();
    if (std::chrono::steady_clock::now() - begun > deadline_) return false;
    if (looks < kQuickLooks)
      std::this_thread::yield();  // there may be more ranks than cores
    else
      std::this_thread::sleep_for(kPause);
  }
}

std::string Lanes::first_late() {
  for (const Named& named : under_way_)
    if (cudaEventQuery(named.done.get()) == cudaErrorNotReady) return named.what;
  return "";
}

void* Lanes::room(std::int64_t bytes) {
  if (bytes > room_bytes_) {
    room_.reset();  // waits for what uses it
    room_ = DeviceMemory(device_.allocate(bytes, "what ranks send each other"));
    room_bytes_ = bytes;
    begin();  // the compute stream zeroes it
  }
  return room_.get();
}

}  // namespace ortho
