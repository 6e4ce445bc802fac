#include <algorithm>
#include <cstring>
#include <numeric>

#include "core/error.h"
#include "tests/support/cudasim/communicator.h"

namespace ortho::sim {
namespace {

constexpr const char* kKinds[] = {"send",       "receive",        "all_reduce",
                                  "all_gather", "reduce_scatter", "broadcast"};

// One that runs: first it posts its letters, then it waits for those of the others.
struct Operation {
  std::vector<Call> calls;
  std::vector<std::vector<Bytes>> letters;  // of each call, by peer that it waits for
  std::vector<std::vector<int>> missing;    // peers whose letter is not here
  bool posted = false, hangs = false, fails = false, counted = true;

  explicit Operation(std::vector<Call> its_calls) : calls(std::move(its_calls)) {}
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;
  ~Operation() { end(); }

  Communicator& communicator() const { return *calls[0].communicator; }
  void end() {
    if (std::exchange(counted, false)) --communicator().under_way;
  }
  bool run();
  void post();
  bool collect();
  bool fits(const Call& call, int peer, const Bytes& letter) const;
  void finish(std::size_t number);
};

Bytes letter_of(const Header& header, const void* payload, std::size_t bytes) {
  Bytes letter(sizeof header + bytes);
  std::memcpy(letter.data(), &header, sizeof header);
  if (bytes > 0) std::memcpy(letter.data() + sizeof header, payload, bytes);
  return letter;
}

std::size_t bytes_of(const Header& header) {
  return static_cast<std::size_t>(header.count) * type_bytes(header.type);
}

void Operation::post() {
  posted = true;
  Communicator& all = communicator();
  const auto post_to = [&](int peer, const Header& header, const void* payload, std::size_t bytes) {
    send(all.processes[static_cast<std::size_t>(peer)], {all.id, peer, all.rank},
         letter_of(header, payload, bytes));
  };
  for (const Call& call : calls) {
    std::vector<int> waits;
    const std::size_t bytes = bytes_of(call.header);
    const auto* from = static_cast<const std::byte*>(call.from);
    for (int peer = 0; peer < all.ranks; ++peer) {
      switch (call.header.kind) {
        case Kind::send:
          if (peer == call.peer) post_to(peer, call.header, from, bytes);
          break;
        case Kind::receive:
          if (peer == call.peer) waits.push_back(peer);
          break;
        case Kind::reduce_scatter:
          post_to(peer, call.header, from + static_cast<std::size_t>(peer) * bytes, bytes);
          waits.push_back(peer);
          break;
        case Kind::broadcast:
          post_to(peer, call.header, from, all.rank == call.header.root ? bytes : 0);
          waits.push_back(peer);
          break;
        case Kind::all_reduce:
        case Kind::all_gather:
          post_to(peer, call.header, from, bytes);
          waits.push_back(peer);
      }
    }
    missing.push_back(waits);
    letters.emplace_back(static_cast<std::size_t>(all.ranks));
  }
}

// Whether the peer runs the same; else the communicator is broken.
bool Operation::fits(const Call& call, int peer, const Bytes& letter) const {
  Header theirs, mine = call.header;
  std::memcpy(&theirs, letter.data(), sizeof theirs);
  if (mine.kind == Kind::receive) mine.kind = Kind::send;
  if (std::memcmp(&theirs, &mine, sizeof mine) == 0) return true;
  refuse(&communicator(),
         text("rank ", peer, " of ", communicator().ranks, " runs ", header_text(theirs), ", rank ",
              communicator().rank, " runs ", header_text(call.header)));
  return false;
}

bool Operation::collect() {
  Communicator& all = communicator();
  bool complete = true;
  for (std::size_t number = 0; number < calls.size(); ++number) {
    std::vector<int>& open = missing[number];
    while (!open.empty()) {
      Bytes letter;
      if (!take({all.id, all.rank, open.back()}, letter)) break;
      if (!fits(calls[number], open.back(), letter)) {
        hangs = true;
        return false;
      }
      letters[number][static_cast<std::size_t>(open.back())] = std::move(letter);
      open.pop_back();
    }
    // Letters of one peer come in order: a later call must not take what an earlier one waits for.
    complete = complete && open.empty();
    if (!open.empty() && std::any_of(calls.begin(), calls.end(), [&](const Call& call) {
          return call.header.kind == Kind::receive && &call != &calls[number] &&
                 call.peer == calls[number].peer;
        }))
      return false;
  }
  return complete;
}

template <class T>
void add(const std::vector<Bytes>& letters, const std::vector<int>& order, const Header& header,
         void* into) {
  std::vector<T> sum(static_cast<std::size_t>(header.count)), value(sum.size());
  bool first = true;
  for (const int peer : order) {
    std::memcpy(value.data(), letters[static_cast<std::size_t>(peer)].data() + sizeof header,
                bytes_of(header));
    for (std::size_t i = 0; i < sum.size(); ++i) {
      if (first)
        sum[i] = value[i];
      else if (header.op == ncclMax)
        sum[i] = std::max(sum[i], value[i]);
      else
        sum[i] += value[i];
    }
    first = false;
  }
  std::memcpy(into, sum.data(), bytes_of(header));
}

void Operation::finish(std::size_t number) {
  const Call& call = calls[number];
  const std::vector<Bytes>& from = letters[number];
  const std::size_t bytes = bytes_of(call.header);
  auto* into = static_cast<std::byte*>(call.into);
  const auto copy = [&](int peer, std::byte* place) {
    std::memcpy(place, from[static_cast<std::size_t>(peer)].data() + sizeof call.header, bytes);
  };
  switch (call.header.kind) {
    case Kind::send:
      break;
    case Kind::receive:
      if (bytes > 0) copy(call.peer, into);
      break;
    case Kind::all_gather:
      for (int peer = 0; bytes > 0 && peer < communicator().ranks; ++peer)
        copy(peer, into + static_cast<std::size_t>(peer) * bytes);
      break;
    case Kind::broadcast:
      if (bytes > 0) copy(call.header.root, into);
      break;
    case Kind::all_reduce:
    case Kind::reduce_scatter: {
      std::vector<int> order(static_cast<std::size_t>(communicator().ranks));
      std::iota(order.begin(), order.end(), 0);
      Draw& draw = communicator().device->draw;
      for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[draw.below(i)]);
      if (call.header.type == ncclFloat32) add<float>(from, order, call.header, into);
      if (call.header.type == ncclFloat64) add<double>(from, order, call.header, into);
      if (call.header.type == ncclInt64) add<std::int64_t>(from, order, call.header, into);
    }
  }
}

bool Operation::run() {
  if (communicator().aborted) {
    end();
    return true;
  }
  if (fails && communicator().error == ncclSuccess) {
    communicator().error = ncclRemoteError;
    communicator().why = "injected by a test";
  }
  if (hangs || communicator().error != ncclSuccess) return false;
  Memory& memory = communicator().device->memory;
  if (!posted) {
    memory.open();
    post();
  }
  if (!collect()) return false;
  memory.open();
  for (std::size_t number = 0; number < calls.size(); ++number) finish(number);
  end();
  return true;
}

}  // namespace

std::size_t type_bytes(int type) {
  switch (type) {
    case ncclInt8:
    case ncclUint8:
      return 1;
    case ncclFloat16:
    case ncclBfloat16:
      return 2;
    case ncclInt32:
    case ncclUint32:
    case ncclFloat32:
      return 4;
    default:
      return 8;
  }
}

std::string header_text(const Header& header) {
  return text(kKinds[static_cast<int>(header.kind)], " of ", header.count, " elements of type ",
              header.type, " (op ", header.op, ", root ", header.root, ") after ",
              header.collectives, " collectives");
}

Act begin_calls(std::vector<Call> calls) {
  Communicator& all = *calls[0].communicator;
  for (Call& call : calls) call.header.collectives = all.collectives;
  if (calls[0].header.kind != Kind::send && calls[0].header.kind != Kind::receive)
    ++all.collectives;
  ++all.under_way;
  const auto operation = std::make_shared<Operation>(std::move(calls));  // held by the act's copies
  const int number = all.device->nccl_operations++;
  operation->hangs = number == all.device->faults.nccl_hang;
  operation->fails = number == all.device->faults.nccl_error;
  return [operation] { return operation->run(); };
}

}  // namespace ortho::sim
