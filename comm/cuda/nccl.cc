#include "comm/cuda/nccl.h"

#include <nccl.h>

#include <cstring>
#include <utility>

#include "comm/agree.h"
#include "comm/cuda/nccl_family.h"
#include "comm/cuda/rank_sum.h"
#include "comm/cuda/same_gpu.h"
#include "tensor/box.h"

namespace ortho {
namespace {

// Up to this size a sum is one all-gather: one message's time counts, not its bytes.
constexpr std::int64_t kSmallSumBytes = 64 << 10;

ncclConfig_t non_blocking() {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  return config;
}

class NcclChannel final : public DeviceChannel {
 public:
  NcclChannel(std::shared_ptr<NcclFamily> family, Member member)
      : family_(std::move(family)), member_(std::move(member)) {}

  int rank() const override { return member_.rank; }
  int ranks() const override { return member_.ranks; }
  void exchange(const std::string& what, std::span<const DeviceSend> sends,
                std::span<const DeviceReceive> receives) override;
  void sum(const std::string& what, float* values, std::int64_t count) override {
    sum_values(what, values, count);
  }
  void sum(const std::string& what, double* values, std::int64_t count) override {
    sum_values(what, values, count);
  }
  void broadcast(const std::string& what, void* memory, std::int64_t bytes, int root) override;
  void join() override { family_->lanes().join(); }
  void wait(const std::string& what) override { family_->wait(member_, what); }
  std::unique_ptr<DeviceChannel> split(int color, const std::string& name) override;

 private:
  cudaStream_t stream() { return family_->lanes().stream(); }
  void check(ncclResult_t result, const std::string& what) {
    family_->check(member_, result, what);
  }
  // One group: all of it runs at once, so no order of peers can lock up.
  void move(const std::string& what, std::span<const DeviceSend> sends,
            std::span<const DeviceReceive> receives);
  template <class T>
  void sum_values(const std::string& what, T* values, std::int64_t count);
  template <class T>
  void sum_small(const std::string& what, T* values, std::int64_t count);
  template <class T>
  void sum_by_slices(const std::string& what, T* values, std::int64_t count);

  std::shared_ptr<NcclFamily> family_;  // shared with the channels split from the same ranks
  Member member_;
};

void NcclChannel::move(const std::string& what, std::span<const DeviceSend> sends,
                       std::span<const DeviceReceive> receives) {
  check(ncclGroupStart(), what);
  ncclResult_t worst = ncclSuccess;
  const auto note = [&](ncclResult_t result) {
    if (worst == ncclSuccess || worst == ncclInProgress) worst = result;
  };
  for (const DeviceSend& one : sends) {
    ASSERT(one.to != rank(), what, ": rank ", one.to, " sends to itself");
    if (one.bytes > 0)
      note(ncclSend(one.from, static_cast<size_t>(one.bytes), ncclInt8, one.to,
                    member_.communicator, stream()));
  }
  for (const DeviceReceive& one : receives)
    if (one.bytes > 0)
      note(ncclRecv(one.into, static_cast<size_t>(one.bytes), ncclInt8, one.from,
                    member_.communicator, stream()));
  note(ncclGroupEnd());
  check(worst, what);
}

void NcclChannel::exchange(const std::string& what, std::span<const DeviceSend> sends,
                           std::span<const DeviceReceive> receives) {
  Lanes& lanes = family_->lanes();
  lanes.begin();
  move(what, sends, receives);
  lanes.end(what);
}

template <class T>
void NcclChannel::sum_values(const std::string& what, T* values, std::int64_t count) {
  if (ranks() == 1 || count == 0) return;
  Lanes& lanes = family_->lanes();
  lanes.begin();
  if (count * std::int64_t{sizeof(T)} <= kSmallSumBytes)
    sum_small(what, values, count);
  else
    sum_by_slices(what, values, count);
  lanes.end(what);
}

template <class T>
void NcclChannel::sum_small(const std::string& what, T* values, std::int64_t count) {
  const std::int64_t bytes = count * std::int64_t{sizeof(T)};
  T* const all = static_cast<T*>(family_->lanes().room(ranks() * bytes));
  check(ncclAllGather(values, all, static_cast<size_t>(bytes), ncclInt8, member_.communicator,
                      stream()),
        what);
  sum_in_rank_order(all, ranks(), count, values, stream());
}

// Each rank gets its slice of all ranks' values, adds them, and sends the sum to all.
template <class T>
void NcclChannel::sum_by_slices(const std::string& what, T* values, std::int64_t count) {
  const Range own = ortho::split(count, ranks(), rank());
  T* const parts = static_cast<T*>(
      family_->lanes().room(checked_product(ranks() * own.size(), std::int64_t{sizeof(T)})));
  const std::int64_t own_bytes = own.size() * std::int64_t{sizeof(T)};
  std::vector<DeviceSend> slices, sums;
  std::vector<DeviceReceive> gathered, others;
  for (int step = 1; step < ranks(); ++step) {  // each rank starts with another neighbour
    const int to = (rank() + step) % ranks(), from = (rank() - step + ranks()) % ranks();
    const Range theirs = ortho::split(count, ranks(), to);
    const Range sum = ortho::split(count, ranks(), from);
    slices.push_back({to, values + theirs.lo, theirs.size() * std::int64_t{sizeof(T)}});
    gathered.push_back({from, parts + from * own.size(), own_bytes});
    sums.push_back({to, values + own.lo, own_bytes});
    others.push_back({from, values + sum.lo, sum.size() * std::int64_t{sizeof(T)}});
  }
  check_cuda(cudaMemcpyAsync(parts + rank() * own.size(), values + own.lo,
                             static_cast<size_t>(own_bytes), cudaMemcpyDeviceToDevice, stream()));
  move(what, slices, gathered);
  sum_in_rank_order(parts, ranks(), own.size(), values + own.lo, stream());
  move(what, sums, others);
}

void NcclChannel::broadcast(const std::string& what, void* memory, std::int64_t bytes, int root) {
  if (ranks() == 1 || bytes == 0) return;
  family_->lanes().begin();
  check(ncclBroadcast(memory, memory, static_cast<size_t>(bytes), ncclInt8, root,
                      member_.communicator, stream()),
        what);
  family_->lanes().end(what);
}

// NCCL wants no operation of the parent under way.
std::unique_ptr<DeviceChannel> NcclChannel::split(int color, const std::string& name) {
  REQUIRE(color >= 0, "a channel is split by colors from 0 up, not ", color);
  const std::string what = text("splitting off ", name);
  join();
  wait(what);
  ncclComm_t part = nullptr;
  ncclConfig_t config = non_blocking();
  const ncclResult_t result = ncclCommSplit(member_.communicator, color, rank(), &part, &config);
  if (result != ncclInProgress) check(result, what);
  return std::make_unique<NcclChannel>(family_, family_->add(part, name));
}

}  // namespace

std::unique_ptr<DeviceChannel> make_nccl_channel(CudaDevice& device, Channel& host,
                                                 const DeviceChannelSetting& setting) {
  const std::string shared = shared_gpu(host);
  REQUIRE(shared.empty(), shared,
          ". Start as many ranks as there are GPUs, or let ranks share them through staged copies");
  auto family = std::make_shared<NcclFamily>(device, setting);
  ncclUniqueId id{};
  ncclComm_t world = nullptr;
  agree(host, [&] {
    if (host.rank() == 0) {
      const ncclResult_t result = ncclGetUniqueId(&id);
      REQUIRE(result == ncclSuccess, "NCCL gives no id: ", ncclGetErrorString(result));
    }
  });
  host.broadcast(std::as_writable_bytes(std::span(id.internal)), 0);
  Member member;
  agree(host, [&] {
    ncclConfig_t config = non_blocking();
    const ncclResult_t result =
        ncclCommInitRankConfig(&world, host.ranks(), id, host.rank(), &config);
    REQUIRE(result == ncclSuccess || result == ncclInProgress,
            "NCCL does not begin: ", ncclGetErrorString(result));
    member = family->add(world, "all ranks");
  });
  return std::make_unique<NcclChannel>(std::move(family), std::move(member));
}

}  // namespace ortho
