#include "comm/cuda/staged.h"

#include <utility>
#include <vector>

#include "comm/cuda/lanes.h"

namespace ortho {
namespace {

// Pinned memory that all channels of the device use in turn.
class Staging {
 public:
  Staging(CudaDevice& device, const DeviceChannelSetting& setting) : lanes(device, setting) {}
  ~Staging() {
    if (memory_ != nullptr) lanes.device().release_host(memory_);
  }
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  // Nothing may be under way with what it gave before.
  std::byte* room(std::int64_t bytes) {
    if (bytes > bytes_) {
      if (memory_ != nullptr) lanes.device().release_host(std::exchange(memory_, nullptr));
      memory_ = lanes.device().allocate_host(bytes, "what ranks send each other");
      bytes_ = bytes;
    }
    return static_cast<std::byte*>(memory_);
  }

  Lanes lanes;

 private:
  void* memory_ = nullptr;
  std::int64_t bytes_ = 0;
};

std::span<std::byte> span_of(std::byte* memory, std::int64_t bytes) {
  return {memory, static_cast<size_t>(bytes)};
}

class StagedChannel final : public DeviceChannel {
 public:
  StagedChannel(std::shared_ptr<Staging> staging, Channel& host, std::string name)
      : staging_(std::move(staging)), host_(host), name_(std::move(name)) {}
  StagedChannel(std::shared_ptr<Staging> staging, std::unique_ptr<Channel> host, std::string name)
      : staging_(std::move(staging)),
        owned_(std::move(host)),
        host_(*owned_),
        name_(std::move(name)) {}

  int rank() const override { return host_.rank(); }
  int ranks() const override { return host_.ranks(); }
  void exchange(const std::string& what, std::span<const DeviceSend> sends,
                std::span<const DeviceReceive> receives) override;
  void sum(const std::string& what, float* values, std::int64_t count) override {
    sum_values(what, values, count);
  }
  void sum(const std::string& what, double* values, std::int64_t count) override {
    sum_values(what, values, count);
  }
  void broadcast(const std::string& what, void* memory, std::int64_t bytes, int root) override;
  void join() override { staging_->lanes.join(); }
  void wait(const std::string& what) override { wait(staging_->lanes.device().stream(), what); }
  std::unique_ptr<DeviceChannel> split(int color, const std::string& name) override;

 private:
  void wait(cudaStream_t stream, const std::string& what);
  // The pinned memory, once all that used it is done and the compute stream's work too.
  std::byte* begin(std::int64_t bytes, const std::string& what);
  void copy(void* to, const void* from, std::int64_t bytes, cudaMemcpyKind kind) {
    check_cuda(
        cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), kind, staging_->lanes.stream()));
  }
  template <class T>
  void sum_values(const std::string& what, T* values, std::int64_t count);

  std::shared_ptr<Staging> staging_;  // shared with the channels split from the same ranks
  std::unique_ptr<Channel> owned_;
  Channel& host_;
  std::string name_;
};

void StagedChannel::wait(cudaStream_t stream, const std::string& what) {
  if (staging_->lanes.wait(stream, [] {})) return;
  fail(ErrorKind::internal,
       text(name_, ", rank ", rank(), " of ", ranks(), ", ", what, ": not done after ",
            staging_->lanes.deadline().count(), " s. The device hangs"));
}

std::byte* StagedChannel::begin(std::int64_t bytes, const std::string& what) {
  wait(staging_->lanes.stream(), what);
  staging_->lanes.begin();
  return staging_->room(bytes);
}

void StagedChannel::exchange(const std::string& what, std::span<const DeviceSend> sends,
                             std::span<const DeviceReceive> receives) {
  std::int64_t bytes = 0;
  for (const DeviceSend& one : sends) bytes += one.bytes;
  for (const DeviceReceive& one : receives) bytes += one.bytes;
  if (bytes == 0) return;
  std::byte* place = begin(bytes, what);
  std::vector<Incoming> incoming;
  std::byte* next = place;
  for (const DeviceReceive& one : receives) {
    if (one.bytes > 0) incoming.push_back({one.from, span_of(next, one.bytes)});
    next += one.bytes;
  }
  const std::unique_ptr<Transfer> transfer = host_.open(incoming);
  std::byte* const out = next;
  for (const DeviceSend& one : sends) {
    copy(next, one.from, one.bytes, cudaMemcpyDeviceToHost);
    next += one.bytes;
  }
  wait(staging_->lanes.stream(), what);
  next = out;
  for (const DeviceSend& one : sends) {
    if (one.bytes > 0) transfer->send(one.to, span_of(next, one.bytes));
    next += one.bytes;
  }
  transfer->wait_all();
  next = place;
  for (const DeviceReceive& one : receives) {
    copy(one.into, next, one.bytes, cudaMemcpyHostToDevice);
    next += one.bytes;
  }
}

template <class T>
void StagedChannel::sum_values(const std::string& what, T* values, std::int64_t count) {
  if (ranks() == 1 || count == 0) return;
  const std::int64_t bytes = checked_product(count, std::int64_t{sizeof(T)});
  T* const place = reinterpret_cast<T*>(begin(bytes, what));
  copy(place, values, bytes, cudaMemcpyDeviceToHost);
  wait(staging_->lanes.stream(), what);
  host_.sum(std::span<T>(place, static_cast<size_t>(count)));
  copy(values, place, bytes, cudaMemcpyHostToDevice);
}

void StagedChannel::broadcast(const std::string& what, void* memory, std::int64_t bytes, int root) {
  if (ranks() == 1 || bytes == 0) return;
  std::byte* const place = begin(bytes, what);
  if (rank() == root) copy(place, memory, bytes, cudaMemcpyDeviceToHost);
  wait(staging_->lanes.stream(), what);
  host_.broadcast(span_of(place, bytes), root);
  if (rank() != root) copy(memory, place, bytes, cudaMemcpyHostToDevice);
}

std::unique_ptr<DeviceChannel> StagedChannel::split(int color, const std::string& name) {
  return std::make_unique<StagedChannel>(staging_, host_.split(color), name);
}

}  // namespace

std::unique_ptr<DeviceChannel> make_staged_channel(CudaDevice& device, Channel& host,
                                                   const DeviceChannelSetting& setting) {
  return std::make_unique<StagedChannel>(std::make_shared<Staging>(device, setting), host,
                                         "all ranks");
}

}  // namespace ortho
