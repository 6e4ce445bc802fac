#include "comm/local.h"

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <limits>
#include <map>
#include <mutex>
#include <numeric>
#include <thread>
#include <tuple>

#include "comm/host.h"
#include "comm/node.h"
#include "comm/rank_sum.h"
#include "core/error.h"
#include "tensor/box.h"
#include "tensor/buffer.h"

namespace ortho {
namespace {

constexpr const char* kOtherFailed = "another rank failed, this one stops too";

// What all ranks of one run share, whatever groups they split into. `mutex` guards everything in
// Job and in its Groups except the slots.
struct Job {
  std::mutex mutex;
  std::condition_variable changed;
  std::exception_ptr cause;  // the first error of any rank; once set, nobody waits any more
};

// A message of one rank that waits for another to copy it; gone once that is done.
struct Posted {
  std::span<const std::byte> bytes;
  bool being_copied = false;
};
// From, to, and how many of that pair were before it: they match in order, like MPI's.
using Place = std::tuple<int, int, std::int64_t>;

// The ranks of one channel. A rank writes its own slot before a barrier; the others read it between
// that barrier and the next, so slots need no lock.
struct Group {
  Group(std::shared_ptr<Job> its_job, int its_ranks)
      : job(std::move(its_job)), ranks(its_ranks), slots(static_cast<size_t>(its_ranks)) {}

  std::shared_ptr<Job> job;  // shared with the groups split from the same ranks
  const int ranks;
  std::vector<const void*> slots;  // one per rank: what it shows to the others
  int arrived = 0;
  std::int64_t round = 0;                          // barriers passed
  std::map<int, std::shared_ptr<Group>> by_color;  // while a split is under way
  std::map<Place, Posted> posted;
};

class LocalTransfer final : public Transfer {
 public:
  LocalTransfer(std::shared_ptr<Group> group, int rank, std::vector<std::int64_t>& sent)
      : group_(std::move(group)), rank_(rank), sent_before_(sent) {}
  ~LocalTransfer() override;

  void expect(const Incoming& incoming, std::int64_t before);
  void send(int to, std::span<const std::byte> bytes) override;
  bool progress() override;
  void wait(size_t incoming) override;
  void wait_all() override;

 private:
  struct Expected {
    Place place;
    std::span<std::byte> target;
    bool arrived = false;
  };
  // Copies the message if it is posted. The lock is free meanwhile: `being_copied` protects it.
  void try_copy(std::unique_lock<std::mutex>& lock, Expected& expected);
  void wait_until(std::unique_lock<std::mutex>& lock, const std::function<bool()>& ready);
  bool delivered(const Place& place) const { return group_->posted.count(place) == 0; }

  std::shared_ptr<Group> group_;  // shared with the ranks' channels
  int rank_;
  std::vector<std::int64_t>& sent_before_;  // of the channel: messages so far, by receiver
  std::vector<Expected> expected_;
  std::vector<Place> sent_;
};

// What nobody began to copy is withdrawn, so that its memory may go.
LocalTransfer::~LocalTransfer() {
  std::unique_lock lock(group_->job->mutex);
  for (const Place& place : sent_) {
    const auto found = group_->posted.find(place);
    if (found == group_->posted.end()) continue;
    if (!found->second.being_copied)
      group_->posted.erase(found);
    else
      group_->job->changed.wait(lock, [&] { return delivered(place); });
  }
}

void LocalTransfer::expect(const Incoming& incoming, std::int64_t before) {
  expected_.push_back({{incoming.from, rank_, before}, incoming.bytes});
}

void LocalTransfer::send(int to, std::span<const std::byte> bytes) {
  ASSERT(to >= 0 && to < group_->ranks && to != rank_, "rank ", rank_, " sends to rank ", to);
  const Place place = {rank_, to, sent_before_[static_cast<size_t>(to)]++};
  const std::lock_guard lock(group_->job->mutex);
  group_->posted[place] = {bytes};
  sent_.push_back(place);
  group_->job->changed.notify_all();
}

void LocalTransfer::try_copy(std::unique_lock<std::mutex>& lock, Expected& expected) {
  const auto found = group_->posted.find(expected.place);
  if (expected.arrived || found == group_->posted.end()) return;
  const std::span<const std::byte> bytes = found->second.bytes;
  ASSERT(bytes.size() == expected.target.size(), "rank ", std::get<0>(expected.place), " sends ",
         bytes.size(), " bytes, rank ", rank_, " expects ", expected.target.size());
  found->second.being_copied = true;
  lock.unlock();
  std::copy(bytes.begin(), bytes.end(), expected.target.begin());
  lock.lock();
  group_->posted.erase(found);
  expected.arrived = true;
  group_->job->changed.notify_all();
}

bool LocalTransfer::progress() {
  std::unique_lock lock(group_->job->mutex);
  if (group_->job->cause != nullptr) fail(ErrorKind::internal, kOtherFailed);
  for (Expected& expected : expected_) try_copy(lock, expected);
  return std::all_of(expected_.begin(), expected_.end(), [](auto& one) { return one.arrived; }) &&
         std::all_of(sent_.begin(), sent_.end(), [&](auto& place) { return delivered(place); });
}

void LocalTransfer::wait_until(std::unique_lock<std::mutex>& lock,
                               const std::function<bool()>& ready) {
  group_->job->changed.wait(lock, [&] { return ready() || group_->job->cause != nullptr; });
  if (!ready()) fail(ErrorKind::internal, kOtherFailed);
}

void LocalTransfer::wait(size_t incoming) {
  Expected& expected = expected_[incoming];
  std::unique_lock lock(group_->job->mutex);
  if (expected.arrived) return;
  wait_until(lock, [&] { return !delivered(expected.place); });  // it is posted
  try_copy(lock, expected);
}

void LocalTransfer::wait_all() {
  for (size_t incoming = 0; incoming < expected_.size(); ++incoming) wait(incoming);
  std::unique_lock lock(group_->job->mutex);
  for (const Place& place : sent_) wait_until(lock, [&] { return delivered(place); });
}

using SharedBytes = std::shared_ptr<Buffer<std::byte>>;  // held by all ranks that see it

// The parts of the ranks of one node; each part lives until the last of them has let go.
class LocalMemory final : public NodeMemory {
 public:
  LocalMemory(const Neighbours& neighbours, std::int64_t bytes) : NodeMemory(neighbours, bytes) {}
  void add(int rank, const SharedBytes& part) {
    held_.push_back(part);
    show(rank, part->data(), part->data(), part->size());
  }

 private:
  std::vector<SharedBytes> held_;
};

class LocalChannel final : public Channel {
 public:
  LocalChannel(std::shared_ptr<Group> group, int rank, Neighbours neighbours)
      : group_(std::move(group)),
        rank_(rank),
        neighbours_(std::move(neighbours)),
        sent_(static_cast<size_t>(group_->ranks)),
        expected_(sent_) {}

  int rank() const override { return rank_; }
  int ranks() const override { return group_->ranks; }
  std::string host() const override { return host_name(); }
  std::span<const int> nodes() const override { return neighbours_.nodes(); }
  const std::byte* reads(int owner, const void* theirs, std::int64_t bytes) const override {
    return neighbours_.reads(owner, theirs, bytes);
  }

  void barrier() override { wait_for_all(false); }
  void broadcast(std::span<std::byte> bytes, int root) override;
  void sum(std::span<float> values) override { sum_values(values); }
  void sum(std::span<double> values) override { sum_values(values); }
  void sum(std::span<std::int64_t> values) override { sum_values(values); }
  std::int64_t max(std::int64_t value) override;
  std::vector<std::string> gather(const std::string& mine) override;
  std::unique_ptr<Channel> split(int color) override;
  std::unique_ptr<SharedMemory> share(std::int64_t bytes) override;
  std::unique_ptr<Transfer> open(std::span<const Incoming> incoming) override;
  [[noreturn]] void abort(int code) override;

 private:
  void wait_for_all(bool even_if_one_failed);
  // Shows `mine` to the other ranks and returns what each shows, by rank, valid until hide().
  template <class T>
  std::vector<const T*> show(const T* mine);
  // Waits until no rank reads what was shown. All ranks that passed show()
  // come here, so it waits for them even if one failed elsewhere:
  // leaving early would free memory that another rank still reads.
  void hide() { wait_for_all(true); }
  template <class T>
  void sum_values(std::span<T> values);

  std::shared_ptr<Group> group_;  // shared with the other ranks' channels
  int rank_;
  Neighbours neighbours_;
  std::vector<std::int64_t> sent_, expected_;  // messages of all transfers so far, by other rank
};

void LocalChannel::wait_for_all(bool even_if_one_failed) {
  Job& job = *group_->job;
  std::unique_lock lock(job.mutex);
  const auto give_up = [&] { return job.cause != nullptr && !even_if_one_failed; };
  const std::int64_t round = group_->round;
  if (!give_up() && ++group_->arrived == group_->ranks) {
    group_->arrived = 0;
    ++group_->round;
    job.changed.notify_all();
    return;
  }
  job.changed.wait(lock, [&] { return group_->round != round || give_up(); });
  if (group_->round == round) fail(ErrorKind::internal, kOtherFailed);
}

template <class T>
std::vector<const T*> LocalChannel::show(const T* mine) {
  group_->slots[static_cast<size_t>(rank_)] = mine;
  barrier();
  std::vector<const T*> shown;
  for (const void* slot : group_->slots) shown.push_back(static_cast<const T*>(slot));
  return shown;
}

void LocalChannel::broadcast(std::span<std::byte> bytes, int root) {
  ASSERT(root >= 0 && root < ranks(), "root ", root, " of ", ranks(), " ranks");
  const std::vector<const std::byte*> shown = show<std::byte>(bytes.data());
  const std::byte* source = shown[static_cast<size_t>(root)];
  if (rank_ != root && !bytes.empty()) std::memcpy(bytes.data(), source, bytes.size());
  hide();
}

// Each rank adds one slice of all ranks' values, then every rank copies all slices.
template <class T>
void LocalChannel::sum_values(std::span<T> values) {
  const auto count = static_cast<std::int64_t>(values.size());
  const Range own = ortho::split(count, ranks(), rank_);
  std::vector<T> total(static_cast<size_t>(own.size()));
  std::vector<const T*> parts = show<T>(values.data());
  for (const T*& part : parts) part += own.lo;
  sum_in_rank_order<T>(parts, total);
  hide();

  const std::vector<const T*> slices = show<T>(total.data());
  for (int owner = 0; owner < ranks(); ++owner) {
    const Range slice = ortho::split(count, ranks(), owner);
    std::copy_n(slices[static_cast<size_t>(owner)], slice.size(), values.data() + slice.lo);
  }
  hide();
}

std::int64_t LocalChannel::max(std::int64_t value) {
  std::int64_t largest = value;
  for (const std::int64_t* other : show(&value)) largest = std::max(largest, *other);
  hide();
  return largest;
}

std::vector<std::string> LocalChannel::gather(const std::string& mine) {
  std::vector<std::string> all;
  for (const std::string* other : show(&mine)) all.push_back(*other);
  hide();
  return all;
}

std::unique_ptr<Channel> LocalChannel::split(int color) {
  REQUIRE(color >= 0, "a channel is split by colors from 0 up, not ", color);
  std::vector<int> members;
  int my_place = 0;
  const std::vector<const int*> colors = show(&color);
  for (int other = 0; other < ranks(); ++other) {
    if (*colors[static_cast<size_t>(other)] != color) continue;
    if (other < rank_) ++my_place;
    members.push_back(other);
  }
  std::shared_ptr<Group> mine;
  {
    const std::lock_guard lock(group_->job->mutex);
    std::shared_ptr<Group>& group = group_->by_color[color];
    if (group == nullptr)
      group = std::make_shared<Group>(group_->job, static_cast<int>(members.size()));
    mine = group;
  }
  hide();
  if (rank_ == 0) {
    const std::lock_guard lock(group_->job->mutex);
    group_->by_color.clear();
  }
  barrier();
  return std::make_unique<LocalChannel>(std::move(mine), my_place,
                                        neighbours_.among(members, my_place));
}

std::unique_ptr<SharedMemory> LocalChannel::share(std::int64_t bytes) {
  constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();
  const std::int64_t limit = neighbours_.setting().shared_bytes;
  const ShareRequest mine{neighbours_.machine(rank_), bytes, limit < 0 ? kNoLimit : limit};
  std::vector<ShareRequest> requests;
  for (const ShareRequest* request : show(&mine)) requests.push_back(*request);
  hide();
  if (!neighbours_.any_share() || !neighbours_.grant(requests)) return unshared_memory(bytes);
  // Not empty, so that no two parts lie at one address.
  const auto part = std::make_shared<Buffer<std::byte>>(std::max<std::int64_t>(bytes, 1),
                                                        "memory that the ranks share");
  auto memory = std::make_unique<LocalMemory>(neighbours_, bytes);
  const std::vector<const SharedBytes*> parts = show(&part);
  for (const int rank : neighbours_.on_my_node())
    memory->add(rank, *parts[static_cast<size_t>(rank)]);
  hide();
  return memory;
}

std::unique_ptr<Transfer> LocalChannel::open(std::span<const Incoming> incoming) {
  auto transfer = std::make_unique<LocalTransfer>(group_, rank_, sent_);
  for (const Incoming& one : incoming) {
    ASSERT(one.from >= 0 && one.from < ranks() && one.from != rank_, "rank ", rank_,
           " expects a message of rank ", one.from);
    transfer->expect(one, expected_[static_cast<size_t>(one.from)]++);
  }
  return transfer;
}

void LocalChannel::abort(int code) {
  std::fflush(nullptr);
  std::_Exit(code);
}

// One machine. Every rank has a Site of its own, so that threads share nothing by it.
Neighbours local_neighbours(int ranks, int rank, const NodeSetting& setting) {
  std::vector<int> world(static_cast<size_t>(ranks));
  std::iota(world.begin(), world.end(), 0);
  auto site = std::make_shared<Site>(std::vector<int>(world.size(), 0), setting);
  return {std::move(site), std::move(world), rank};
}

}  // namespace

std::unique_ptr<Channel> make_single_channel() {
  return std::make_unique<LocalChannel>(std::make_shared<Group>(std::make_shared<Job>(), 1), 0,
                                        local_neighbours(1, 0, {}));
}

void run_local_ranks(int ranks, const std::function<void(Channel&)>& body,
                     const NodeSetting& nodes) {
  REQUIRE(ranks >= 1, "a run needs at least 1 rank, not ", ranks);
  const auto job = std::make_shared<Job>();
  const auto group = std::make_shared<Group>(job, ranks);
  std::vector<std::thread> threads;
  threads.reserve(static_cast<size_t>(ranks));
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        LocalChannel channel(group, rank, local_neighbours(ranks, rank, nodes));
        body(channel);
      } catch (...) {
        const std::lock_guard lock(job->mutex);
        if (job->cause == nullptr) job->cause = std::current_exception();
        job->changed.notify_all();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (job->cause != nullptr) std::rethrow_exception(job->cause);
}

}  // namespace ortho
