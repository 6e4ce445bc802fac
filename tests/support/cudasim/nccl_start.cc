// How communicators of simulated NCCL begin: ranks tell rank 0 who they are, it answers with all.
#include "tests/support/cudasim/nccl_start.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "core/error.h"

namespace ortho::sim {
namespace {

// What a rank tells of itself.
struct Hello {
  std::int32_t rank = 0, ranks = 0, process = 0, device = 0;
  char host[64] = {};
};

template <class T>
Bytes bytes_of(const std::vector<T>& values) {
  Bytes bytes(values.size() * sizeof(T));
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

template <class T>
std::vector<T> values_of(const Bytes& bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

// "" or the two ranks that have one device, or disagree about how many they are.
std::string wrong(const std::vector<Hello>& all) {
  for (const Hello& a : all)
    for (const Hello& b : all) {
      if (a.ranks != b.ranks)
        return text("rank ", a.rank, " counts ", a.ranks, " ranks, rank ", b.rank, " ", b.ranks);
      if (a.rank < b.rank && a.device == b.device && std::strcmp(a.host, b.host) == 0)
        return text("Duplicate GPU detected: ranks ", a.rank, " and ", b.rank, " both on device ",
                    a.device, " of ", a.host);
    }
  return "";
}

bool ready_with(Communicator& one, const std::vector<Hello>& all) {
  const std::string what = wrong(all);
  if (!what.empty()) {
    one.phase = Phase::failed;
    refuse(&one, what);
    return true;
  }
  for (const Hello& hello : all) one.processes.push_back(hello.process);
  one.phase = Phase::ready;
  return true;
}

// Rank 0's side, and that of the others: called again until all letters are here.
struct Start {
  int root_process = 0;
  bool sent = false;
  std::vector<Hello> all;

  bool operator()(Communicator& one) {
    if (one.device->faults.init_hang) return false;
    Hello mine{one.rank, one.ranks, my_process(), one.device->number, {}};
    gethostname(mine.host, sizeof mine.host - 1);
    return one.rank == 0 ? gather(one, mine) : ask(one, mine);
  }

  bool gather(Communicator& one, const Hello& mine) {
    if (all.empty()) all.push_back(mine);
    Bytes letter;
    while (static_cast<int>(all.size()) < one.ranks &&
           take({one.id, 0, static_cast<int>(all.size())}, letter))
      all.push_back(values_of<Hello>(letter)[0]);
    if (static_cast<int>(all.size()) < one.ranks) return false;
    for (int rank = 1; rank < one.ranks; ++rank)
      send(all[static_cast<std::size_t>(rank)].process, {one.id, rank, 0}, bytes_of(all));
    return ready_with(one, all);
  }

  bool ask(Communicator& one, const Hello& mine) {
    if (!sent) send(root_process, {one.id, 0, one.rank}, bytes_of(std::vector<Hello>{mine}));
    sent = true;
    Bytes letter;
    if (!take({one.id, one.rank, 0}, letter)) return false;
    return ready_with(one, values_of<Hello>(letter));
  }
};

struct Choice {
  std::int32_t color = 0, key = 0;
};

// Every rank of the parent tells every other its color and key.
struct Split {
  CommunicatorPtr parent;
  std::uint64_t id = 0;  // of the letters
  Choice mine;
  bool sent = false;
  std::map<int, Choice> all;  // by rank of the parent

  bool operator()(Communicator& one) {
    if (one.device->faults.init_hang) return false;
    for (int rank = 0; !sent && rank < parent->ranks; ++rank)
      send(parent->processes[static_cast<std::size_t>(rank)], {id, rank, parent->rank},
           bytes_of(std::vector<Choice>{mine}));
    sent = true;
    for (int rank = 0; rank < parent->ranks; ++rank) {
      Bytes letter;
      if (all.count(rank) == 0 && take({id, parent->rank, rank}, letter))
        all[rank] = values_of<Choice>(letter)[0];
    }
    if (static_cast<int>(all.size()) < parent->ranks) return false;
    join(one);
    return true;
  }

  void join(Communicator& one) {
    std::vector<int> members;
    for (const auto& [rank, choice] : all)
      if (choice.color == mine.color) members.push_back(rank);
    std::stable_sort(members.begin(), members.end(),
                     [&](int a, int b) { return all[a].key < all[b].key; });
    one.ranks = static_cast<int>(members.size());
    for (int place = 0; place < one.ranks; ++place) {
      const int rank = members[static_cast<std::size_t>(place)];
      if (rank == parent->rank) one.rank = place;
      one.processes.push_back(parent->processes[static_cast<std::size_t>(rank)]);
    }
    one.id = id + 1 + static_cast<std::uint64_t>(mine.color);
    one.phase = Phase::ready;
  }
};

}  // namespace

std::function<bool(Communicator&)> start_of(int root_process) {
  return Start{root_process, false, {}};
}

std::function<bool(Communicator&)> split_of(const CommunicatorPtr& parent, int color, int key) {
  const std::uint64_t id = Draw(parent->id + ++parent->splits).next();
  return Split{parent, id, {color, key}, false, {}};
}

}  // namespace ortho::sim
