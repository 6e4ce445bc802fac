// The functions of NCCL, on the simulated machine.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include "core/error.h"
#include "tests/support/cudasim/communicator.h"
#include "tests/support/cudasim/nccl_start.h"

namespace ortho::sim {

ncclResult_t refuse(Communicator* communicator, const std::string& what) {
  note_violation(text("NCCL: ", what));
  if (communicator != nullptr) {
    communicator->error = ncclInvalidUsage;
    communicator->why = what;
  }
  return ncclInvalidUsage;
}

namespace {

constexpr auto kPatience = std::chrono::seconds(60);  // of blocking calls

// The calls of the group that this thread has open.
thread_local int depth = 0;
thread_local std::vector<Call> group;

// Pretends that a non-blocking call takes a while.
ncclResult_t delay(Communicator& one) {
  if (one.blocking) return ncclSuccess;
  one.polls_left = static_cast<int>(one.device->draw.below(4));
  return one.polls_left > 0 ? ncclInProgress : ncclSuccess;
}

ncclResult_t issue_calls(std::vector<Call> calls) {
  const Call first = calls[0];
  Communicator& one = *first.communicator;
  const Header header = first.header;
  const cudaError_t result = issue(first.stream, {text("NCCL ", header_text(header)),
                                                  [calls] { return begin_calls(calls); }, true});
  if (result != cudaSuccess) return ncclUnhandledCudaError;
  return delay(one);
}

// "" or what is wrong with memory that an operation uses.
std::string wrong_memory(const char* verb, const void* memory, std::size_t bytes,
                         const Device& one) {
  if (bytes == 0) return "";
  const Place place = place_of(memory);
  if (place.where != Where::device || place.device != one.number)
    return text(verb, " what is not memory of device ", one.number);
  if (place.bytes < bytes)
    return text(verb, " ", bytes, " bytes, the allocation has ", place.bytes, " from there on");
  return "";
}

std::string wrong(const Call& call) {
  const Communicator& one = *call.communicator;
  const std::size_t bytes =
      static_cast<std::size_t>(call.header.count) * type_bytes(call.header.type);
  const auto ranks = static_cast<std::size_t>(one.ranks);
  const Kind kind = call.header.kind;
  if (call.peer < 0 || call.peer >= one.ranks || call.header.root < 0 ||
      call.header.root >= one.ranks)
    return text("rank ", std::max(call.peer, call.header.root), " of ", one.ranks);
  if (!exists(call.stream) || call.stream->device != one.device)
    return "a stream that is not of the communicator's device";
  if (one.device != &device())
    return text("the thread is on device ", device().number, ", the communicator on device ",
                one.device->number);
  const bool reads =
      kind != Kind::receive && (kind != Kind::broadcast || one.rank == call.header.root);
  const std::size_t from_bytes = kind == Kind::reduce_scatter ? bytes * ranks : bytes;
  const std::size_t into_bytes = kind == Kind::all_gather ? bytes * ranks : bytes;
  std::string what = reads ? wrong_memory("sends", call.from, from_bytes, *one.device) : "";
  if (what.empty() && kind != Kind::send)
    what = wrong_memory("fills", call.into, into_bytes, *one.device);
  return what;
}

ncclResult_t add_call(ncclComm_t communicator, Call call) {
  if (communicator == nullptr) return refuse(nullptr, "an operation without a communicator");
  call.communicator = communicator->state;
  Communicator& one = *call.communicator;
  if (one.phase != Phase::ready || one.polls_left > 0)
    return refuse(&one, text(header_text(call.header), " while the communicator is in progress"));
  if (one.error != ncclSuccess) return one.error;
  if (const std::string what = wrong(call); !what.empty())
    return refuse(&one, text(header_text(call.header), ": ", what));
  if (depth > 0) {
    group.push_back(call);
    return ncclSuccess;
  }
  return issue_calls({call});
}

bool point_to_point(const Call& call) {
  return call.header.kind == Kind::send || call.header.kind == Kind::receive;
}

ncclResult_t make(ncclComm_t* made, const CommunicatorPtr& state, const ncclConfig_t* config) {
  if (ready() != cudaSuccess) return ncclUnhandledCudaError;
  state->device = &device();
  state->blocking = config == nullptr || config->blocking != 0;
  *made = new ncclComm{state};  // until ncclCommDestroy or ncclCommAbort
  if (!state->blocking) return ncclInProgress;
  const auto begun = std::chrono::steady_clock::now();
  while (!state->start(*state)) {
    if (std::chrono::steady_clock::now() - begun > kPatience)
      return refuse(state.get(), "a communicator that never gets ready");
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  return state->error;
}

// What a unique id holds.
struct Id {
  std::uint64_t communicator = 0;
  std::int32_t process = 0;
};

Header collective(Kind kind, std::size_t count, ncclDataType_t type, int op = 0, int root = 0) {
  return {kind, static_cast<std::int32_t>(type), op, root, static_cast<std::int64_t>(count), 0};
}

}  // namespace
}  // namespace ortho::sim

using namespace ortho::sim;

ncclResult_t ncclGetVersion(int* version) {
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  static std::atomic<std::uint64_t> next{1};
  const Id mine{Draw(static_cast<std::uint64_t>(my_process()) << 32U | next++).next(),
                my_process()};
  std::memset(id, 0, sizeof *id);
  std::memcpy(id, &mine, sizeof mine);
  return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* made, int ranks, ncclUniqueId id, int rank,
                                    ncclConfig_t* config) {
  if (ranks < 1 || rank < 0 || rank >= ranks)
    return refuse(nullptr, ortho::text("rank ", rank, " of ", ranks));
  Id given;
  std::memcpy(static_cast<void*>(&given), id.internal, sizeof given);
  const auto state = std::make_shared<Communicator>();
  state->id = given.communicator;
  state->rank = rank;
  state->ranks = ranks;
  state->start = start_of(given.process);
  return make(made, state, config);
}

ncclResult_t ncclCommSplit(ncclComm_t parent, int color, int key, ncclComm_t* made,
                           ncclConfig_t* config) {
  Communicator& one = *parent->state;
  if (one.phase != Phase::ready || one.polls_left > 0)
    return refuse(&one, "a split of a communicator that is in progress");
  const auto state = std::make_shared<Communicator>();
  state->start = split_of(parent->state, color, key);
  const bool inherits = config == nullptr || config->blocking == NCCL_CONFIG_UNDEF_INT;
  ncclConfig_t chosen = NCCL_CONFIG_INITIALIZER;
  chosen.blocking = inherits ? static_cast<int>(one.blocking) : config->blocking;
  return make(made, state, &chosen);
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t communicator, ncclResult_t* error) {
  Communicator& one = *communicator->state;
  if (one.phase == Phase::starting) one.start(one);
  *error = one.error;
  if (one.error != ncclSuccess) return ncclSuccess;
  if (one.phase == Phase::starting || one.polls_left > 0) *error = ncclInProgress;
  one.polls_left = std::max(0, one.polls_left - 1);
  return ncclSuccess;
}

ncclResult_t ncclCommFinalize(ncclComm_t communicator) { return delay(*communicator->state); }

ncclResult_t ncclCommDestroy(ncclComm_t communicator) {
  if (communicator == nullptr) return ncclSuccess;
  const CommunicatorPtr state = communicator->state;
  if (state->under_way > 0 && !state->aborted)
    refuse(state.get(), "a communicator is destroyed while its operations are under way");
  state->aborted = true;
  delete communicator;
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t communicator) {
  communicator->state->aborted = true;
  delete communicator;
  return ncclSuccess;
}

ncclResult_t ncclCommCount(const ncclComm_t communicator, int* count) {
  *count = communicator->state->ranks;
  return ncclSuccess;
}
ncclResult_t ncclCommUserRank(const ncclComm_t communicator, int* rank) {
  *rank = communicator->state->rank;
  return ncclSuccess;
}
ncclResult_t ncclCommCuDevice(const ncclComm_t communicator, int* number) {
  *number = communicator->state->device->number;
  return ncclSuccess;
}

const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSuccess:
      return "no error";
    case ncclUnhandledCudaError:
      return "unhandled cuda error";
    case ncclSystemError:
      return "unhandled system error";
    case ncclInvalidUsage:
      return "invalid usage";
    case ncclRemoteError:
      return "remote process exited or there was a network error";
    case ncclInProgress:
      return "NCCL operation in progress";
    default:
      return "a NCCL error";
  }
}

const char* ncclGetLastError(ncclComm_t communicator) {
  thread_local std::string text;
  text = communicator == nullptr ? "" : communicator->state->why;
  return text.c_str();
}

ncclResult_t ncclGroupStart() {
  ++depth;
  return ncclSuccess;
}

// The sends and receives of a communicator run at once, its collectives one after the other.
ncclResult_t ncclGroupEnd() {
  if (--depth > 0) return ncclSuccess;
  ncclResult_t result = ncclSuccess;
  std::vector<Call> calls = std::exchange(group, {});
  const auto note = [&](ncclResult_t one) {
    if (one != ncclSuccess && (result == ncclSuccess || result == ncclInProgress)) result = one;
  };
  while (!calls.empty()) {
    const Call first = calls[0];
    std::vector<Call> together, rest;
    for (const Call& call : calls) {
      const bool joins = together.empty() ||
                         (point_to_point(first) && point_to_point(call) &&
                          call.communicator == first.communicator && call.stream == first.stream);
      (joins ? together : rest).push_back(call);
    }
    note(issue_calls(together));
    calls = rest;
  }
  return result;
}

ncclResult_t ncclSend(const void* from, std::size_t count, ncclDataType_t type, int peer,
                      ncclComm_t communicator, cudaStream_t stream) {
  return add_call(communicator,
                  {{}, collective(Kind::send, count, type), peer, from, nullptr, stream});
}

ncclResult_t ncclRecv(void* into, std::size_t count, ncclDataType_t type, int peer,
                      ncclComm_t communicator, cudaStream_t stream) {
  return add_call(communicator,
                  {{}, collective(Kind::receive, count, type), peer, nullptr, into, stream});
}

ncclResult_t ncclAllReduce(const void* from, void* into, std::size_t count, ncclDataType_t type,
                           ncclRedOp_t op, ncclComm_t communicator, cudaStream_t stream) {
  return add_call(communicator,
                  {{}, collective(Kind::all_reduce, count, type, op), 0, from, into, stream});
}

ncclResult_t ncclReduceScatter(const void* from, void* into, std::size_t count, ncclDataType_t type,
                               ncclRedOp_t op, ncclComm_t communicator, cudaStream_t stream) {
  return add_call(communicator,
                  {{}, collective(Kind::reduce_scatter, count, type, op), 0, from, into, stream});
}

ncclResult_t ncclAllGather(const void* from, void* into, std::size_t count, ncclDataType_t type,
                           ncclComm_t communicator, cudaStream_t stream) {
  return add_call(communicator,
                  {{}, collective(Kind::all_gather, count, type), 0, from, into, stream});
}

ncclResult_t ncclBroadcast(const void* from, void* into, std::size_t count, ncclDataType_t type,
                           int root, ncclComm_t communicator, cudaStream_t stream) {
  return add_call(communicator,
                  {{}, collective(Kind::broadcast, count, type, 0, root), 0, from, into, stream});
}
