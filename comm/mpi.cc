#include "comm/mpi.h"

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <exception>
#include <numeric>

#include "comm/host.h"
#include "comm/local.h"
#include "comm/mpi_call.h"
#include "comm/mpi_memory.h"
#include "comm/node.h"
#include "comm/rank_sum.h"
#include "tensor/box.h"

namespace ortho {
namespace {

using Bytes = std::span<std::byte>;
using ConstBytes = std::span<const std::byte>;

// Up to this size a sum is one all-gather: one message's time counts, not its bytes.
constexpr size_t kSmallSumBytes = 4096;
// One thread, one order: messages between two ranks never overtake each other.
constexpr int kTag = 0;

// Calls act(piece) for consecutive pieces of at most `limit` bytes; never for an empty span.
template <class Byte, class Act>
void for_each_piece(std::span<Byte> bytes, std::int64_t limit, Act act) {
  while (!bytes.empty()) {
    const size_t size = std::min(bytes.size(), static_cast<size_t>(limit));
    act(bytes.first(size));
    bytes = bytes.subspan(size);
  }
}

class MpiTransfer final : public Transfer {
 public:
  MpiTransfer(MPI_Comm communicator, std::int64_t piece_bytes, std::span<const Incoming> incoming);
  ~MpiTransfer() override;

  void send(int to, ConstBytes bytes) override;
  bool progress() override;
  void wait(size_t incoming) override;
  void wait_all() override;

 private:
  MPI_Comm communicator_;  // the channel's, which outlives this
  std::int64_t piece_bytes_;
  std::vector<MPI_Request> receives_, sends_;
  std::vector<size_t> ends_;  // of each incoming message's pieces in receives_
};

MpiTransfer::MpiTransfer(MPI_Comm communicator, std::int64_t piece_bytes,
                         std::span<const Incoming> incoming)
    : communicator_(communicator), piece_bytes_(piece_bytes) {
  for (const Incoming& one : incoming) {
    for_each_piece(one.bytes, piece_bytes_, [&](Bytes piece) {
      check_mpi(MPI_Irecv(piece.data(), static_cast<int>(piece.size()), MPI_BYTE, one.from, kTag,
                          communicator_, &receives_.emplace_back(MPI_REQUEST_NULL)));
    });
    ends_.push_back(receives_.size());
  }
}

// Nothing is left to do unless an exception came first; then waiting could last for ever.
MpiTransfer::~MpiTransfer() {
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (finalized != 0) return;
  for (MPI_Request& request : receives_)
    if (request != MPI_REQUEST_NULL) MPI_Cancel(&request);
  for (auto* requests : {&receives_, &sends_})
    for (MPI_Request& request : *requests)
      if (request != MPI_REQUEST_NULL) MPI_Request_free(&request);
}

void MpiTransfer::send(int to, ConstBytes bytes) {
  for_each_piece(bytes, piece_bytes_, [&](ConstBytes piece) {
    check_mpi(MPI_Isend(piece.data(), static_cast<int>(piece.size()), MPI_BYTE, to, kTag,
                        communicator_, &sends_.emplace_back(MPI_REQUEST_NULL)));
  });
}

bool MpiTransfer::progress() {
  if (receives_.empty() && sends_.empty()) {  // MPI would return at once and move nothing
    int found = 0;
    check_mpi(MPI_Iprobe(MPI_ANY_SOURCE, kTag, communicator_, &found, MPI_STATUS_IGNORE));
    return true;
  }
  bool all = true;
  for (auto* requests : {&receives_, &sends_}) {
    int done = 0;
    check_mpi(MPI_Testall(static_cast<int>(requests->size()), requests->data(), &done,
                          MPI_STATUSES_IGNORE));
    all = all && done != 0;
  }
  return all;
}

void MpiTransfer::wait(size_t incoming) {
  const size_t first = incoming == 0 ? 0 : ends_[incoming - 1];
  check_mpi(MPI_Waitall(static_cast<int>(ends_[incoming] - first), receives_.data() + first,
                        MPI_STATUSES_IGNORE));
}

void MpiTransfer::wait_all() {
  for (auto* requests : {&receives_, &sends_})
    check_mpi(
        MPI_Waitall(static_cast<int>(requests->size()), requests->data(), MPI_STATUSES_IGNORE));
}

// That of every rank.
std::vector<int> gather_number(MPI_Comm communicator, int ranks, int mine) {
  std::vector<int> all(static_cast<size_t>(ranks));
  check_mpi(MPI_Allgather(&mine, 1, MPI_INT, all.data(), 1, MPI_INT, communicator));
  return all;
}

class MpiChannel final : public Channel {
 public:
  MpiChannel(Communicator communicator, std::int64_t piece_bytes, Neighbours neighbours);

  int rank() const override { return rank_; }
  int ranks() const override { return ranks_; }
  std::string host() const override { return host_name(); }
  std::span<const int> nodes() const override { return neighbours_.nodes(); }
  const std::byte* reads(int owner, const void* theirs, std::int64_t bytes) const override {
    return neighbours_.reads(owner, theirs, bytes);
  }

  void barrier() override { check_mpi(MPI_Barrier(communicator_.get())); }
  void broadcast(Bytes bytes, int root) override;
  void sum(std::span<float> values) override { sum_values(values); }
  void sum(std::span<double> values) override { sum_values(values); }
  void sum(std::span<std::int64_t> values) override { sum_values(values); }
  std::int64_t max(std::int64_t value) override;
  std::vector<std::string> gather(const std::string& mine) override;
  std::unique_ptr<Channel> split(int color) override;
  std::unique_ptr<SharedMemory> share(std::int64_t bytes) override {
    return share_memory(communicator_.get(), neighbours_, rank_, bytes);
  }
  std::unique_ptr<Transfer> open(std::span<const Incoming> incoming) override;
  [[noreturn]] void abort(int code) override;

 private:
  // Sends out[r] to rank r and receives in[r] from it, for all r; sizes must match pairwise. The
  // own out and in may be the same memory.
  void exchange(const std::vector<ConstBytes>& out, const std::vector<Bytes>& in);
  template <class T>
  void sum_values(std::span<T> values);
  template <class T>
  void sum_small(std::span<T> values);
  template <class T>
  void sum_by_slices(std::span<T> values);

  Communicator communicator_;
  std::int64_t piece_bytes_;
  Neighbours neighbours_;
  int rank_ = 0;
  int ranks_ = 1;
};

MpiChannel::MpiChannel(Communicator communicator, std::int64_t piece_bytes, Neighbours neighbours)
    : communicator_(std::move(communicator)),
      piece_bytes_(piece_bytes),
      neighbours_(std::move(neighbours)) {
  ASSERT(piece_bytes >= 1 && piece_bytes <= INT_MAX, "pieces of ", piece_bytes, " bytes");
  check_mpi(MPI_Comm_set_errhandler(communicator_.get(), MPI_ERRORS_RETURN));
  check_mpi(MPI_Comm_rank(communicator_.get(), &rank_));
  check_mpi(MPI_Comm_size(communicator_.get(), &ranks_));
}

void MpiChannel::broadcast(Bytes bytes, int root) {
  ASSERT(root >= 0 && root < ranks_, "root ", root, " of ", ranks_, " ranks");
  for_each_piece(bytes, piece_bytes_, [&](Bytes piece) {
    check_mpi(MPI_Bcast(piece.data(), static_cast<int>(piece.size()), MPI_BYTE, root,
                        communicator_.get()));
  });
}

void MpiChannel::exchange(const std::vector<ConstBytes>& out, const std::vector<Bytes>& in) {
  std::vector<Incoming> incoming;
  for (int step = 1; step < ranks_; ++step) {
    const int from = (rank_ - step + ranks_) % ranks_;
    incoming.push_back({from, in[static_cast<size_t>(from)]});
  }
  const std::unique_ptr<Transfer> transfer = open(incoming);
  for (int step = 1; step < ranks_; ++step) {  // each rank starts with another neighbour
    const int to = (rank_ + step) % ranks_;
    transfer->send(to, out[static_cast<size_t>(to)]);
  }
  const ConstBytes own = out[static_cast<size_t>(rank_)];
  const Bytes own_target = in[static_cast<size_t>(rank_)];
  if (own.data() != own_target.data()) std::copy(own.begin(), own.end(), own_target.begin());
  transfer->wait_all();
}

template <class T>
void MpiChannel::sum_values(std::span<T> values) {
  if (ranks_ == 1) return;
  if (values.size_bytes() <= kSmallSumBytes) {
    sum_small(values);
  } else {
    sum_by_slices(values);
  }
}

template <class T>
void MpiChannel::sum_small(std::span<T> values) {
  std::vector<T> all(values.size() * static_cast<size_t>(ranks_));
  const auto bytes = static_cast<int>(values.size_bytes());
  check_mpi(MPI_Allgather(values.data(), bytes, MPI_BYTE, all.data(), bytes, MPI_BYTE,
                          communicator_.get()));
  std::vector<const T*> parts;
  for (size_t rank = 0; rank < static_cast<size_t>(ranks_); ++rank) {
    parts.push_back(all.data() + rank * values.size());
  }
  sum_in_rank_order<T>(parts, values);
}

template <class T>
void MpiChannel::sum_by_slices(std::span<T> values) {
  std::vector<std::span<T>> slices;  // of `values`, by owner
  for (int owner = 0; owner < ranks_; ++owner) {
    const Range range = ortho::split(static_cast<std::int64_t>(values.size()), ranks_, owner);
    slices.push_back(
        values.subspan(static_cast<size_t>(range.lo), static_cast<size_t>(range.size())));
  }
  const std::span<T> own = slices[static_cast<size_t>(rank_)];

  std::vector<T> received(own.size() *
                          static_cast<size_t>(ranks_));  // my slice of every rank's values
  std::vector<const T*> parts;
  std::vector<ConstBytes> out;
  std::vector<Bytes> in;
  for (size_t rank = 0; rank < slices.size(); ++rank) {
    const std::span<T> part = std::span(received).subspan(rank * own.size(), own.size());
    parts.push_back(part.data());
    out.push_back(std::as_bytes(slices[rank]));
    in.push_back(std::as_writable_bytes(part));
  }
  exchange(out, in);
  sum_in_rank_order<T>(parts, own);

  for (size_t rank = 0; rank < slices.size(); ++rank) {
    out[rank] = std::as_bytes(own);
    in[rank] = std::as_writable_bytes(slices[rank]);
  }
  exchange(out, in);
}

std::int64_t MpiChannel::max(std::int64_t value) {
  std::int64_t largest = value;
  check_mpi(MPI_Allreduce(&value, &largest, 1, MPI_INT64_T, MPI_MAX, communicator_.get()));
  return largest;
}

std::vector<std::string> MpiChannel::gather(const std::string& mine) {
  const auto count = static_cast<size_t>(ranks_);
  const auto size = static_cast<std::int64_t>(mine.size());
  std::vector<std::int64_t> sizes(count);
  check_mpi(
      MPI_Allgather(&size, 1, MPI_INT64_T, sizes.data(), 1, MPI_INT64_T, communicator_.get()));
  std::vector<std::string> all(count);
  std::vector<ConstBytes> out;
  std::vector<Bytes> in;
  for (size_t rank = 0; rank < count; ++rank) {
    all[rank].resize(static_cast<size_t>(sizes[rank]));
    out.push_back(std::as_bytes(std::span(mine)));
    in.push_back(std::as_writable_bytes(std::span(all[rank])));
  }
  exchange(out, in);
  return all;
}

std::unique_ptr<Channel> MpiChannel::split(int color) {
  REQUIRE(color >= 0, "a channel is split by colors from 0 up, not ", color);
  MPI_Comm group = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split(communicator_.get(), color, rank_, &group));
  Communicator owned(group);
  int place = 0, count = 0;
  check_mpi(MPI_Comm_rank(group, &place));
  check_mpi(MPI_Comm_size(group, &count));
  Neighbours neighbours = neighbours_.among(gather_number(group, count, rank_), place);
  return std::make_unique<MpiChannel>(std::move(owned), piece_bytes_, std::move(neighbours));
}

std::unique_ptr<Transfer> MpiChannel::open(std::span<const Incoming> incoming) {
  return std::make_unique<MpiTransfer>(communicator_.get(), piece_bytes_, incoming);
}

void MpiChannel::abort(int code) {
  MPI_Abort(MPI_COMM_WORLD, code);
  std::_Exit(code);
}

// A number for the machine whose memory `rank` can share: its lowest rank. Collective.
int machine_of(MPI_Comm communicator, int rank) {
  MPI_Comm group = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(communicator, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &group));
  const Communicator machine(group);
  int lowest = rank;
  check_mpi(MPI_Bcast(&lowest, 1, MPI_INT, 0, group));
  return lowest;
}

// Between MPI_Init and MPI_Finalize.
bool mpi_runs() {
  int initialized = 0;
  int finalized = 0;
  MPI_Initialized(&initialized);
  MPI_Finalized(&finalized);
  return initialized != 0 && finalized == 0;
}

// Messages of one transfer of `bytes`; see for_each_piece.
std::int64_t pieces(std::int64_t bytes, std::int64_t piece_bytes) {
  return (bytes + piece_bytes - 1) / piece_bytes;
}

}  // namespace

SumCost sum_cost(std::int64_t count, std::int64_t value_bytes, int ranks,
                 std::int64_t piece_bytes) {
  SumCost cost;
  if (ranks == 1 || count == 0) return cost;
  const std::int64_t all = checked_product(count, value_bytes);
  if (all <= static_cast<std::int64_t>(kSmallSumBytes))
    return {ranks - 1, (ranks - 1) * all, ranks * all};
  const std::int64_t own = ortho::split(count, ranks, 0).size() * value_bytes;  // no rank has more
  for (int owner = 1; owner < ranks; ++owner) {
    const std::int64_t slice = ortho::split(count, ranks, owner).size() * value_bytes;
    // My parts of its slice go to the owner, my own sum to every rank.
    cost.messages += pieces(slice, piece_bytes) + pieces(own, piece_bytes);
    cost.bytes += slice + own;
  }
  cost.buffer_bytes = ranks * own;
  return cost;
}

bool started_by_mpi() {
  return std::getenv("OMPI_COMM_WORLD_SIZE") != nullptr || std::getenv("PMIX_RANK") != nullptr;
}

int launched_rank() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK"})
    if (const char* rank = std::getenv(name)) return std::atoi(rank);
  return 0;
}

MpiSession::MpiSession() : exceptions_(std::uncaught_exceptions()) {
  if (!started_by_mpi()) return;
  int level = 0;
  check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &level));
  ASSERT(level >= MPI_THREAD_FUNNELED, "this MPI allows no threads beside its own");
  int rank = 0;
  int ranks = 1;
  check_mpi(MPI_Comm_rank(MPI_COMM_WORLD, &rank));
  check_mpi(MPI_Comm_size(MPI_COMM_WORLD, &ranks));
  set_rank(rank, ranks, host_name());
  set_log_rank(rank);
}

MpiSession::~MpiSession() {
  if (mpi_runs() && std::uncaught_exceptions() == exceptions_) MPI_Finalize();
}

std::unique_ptr<Channel> make_world_channel(std::int64_t piece_bytes, const NodeSetting& setting) {
  if (!started_by_mpi()) return make_single_channel();
  ASSERT(mpi_runs(), "make_world_channel() needs a living MpiSession");
  int launched = 0, ranks = 1;
  check_mpi(MPI_Comm_rank(MPI_COMM_WORLD, &launched));
  check_mpi(MPI_Comm_size(MPI_COMM_WORLD, &ranks));
  // A launcher may have dealt the ranks out over the machines in turn.
  const int machine = machine_of(MPI_COMM_WORLD, launched);
  const int rank =
      number_by_node(gather_number(MPI_COMM_WORLD, ranks, machine))[static_cast<size_t>(launched)];
  MPI_Comm group = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split(MPI_COMM_WORLD, 0, rank, &group));
  Communicator world(group);
  if (rank != launched) {  // messages and log count like the channel
    set_rank(rank, ranks, host_name());
    set_log_rank(rank);
  }
  std::vector<int> numbers(static_cast<size_t>(ranks));
  std::iota(numbers.begin(), numbers.end(), 0);
  auto site = std::make_shared<Site>(gather_number(group, ranks, machine), setting);
  return std::make_unique<MpiChannel>(std::move(world), piece_bytes,
                                      Neighbours(std::move(site), std::move(numbers), rank));
}

}  // namespace ortho
