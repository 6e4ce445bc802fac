// Wire: bytes between the ranks of simulated NCCL, in one process and, over MPI, between several.
//
// Nothing waits. Letters between the same two ranks of one communicator stay in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ortho::sim {

struct Post {
  std::uint64_t communicator = 0;
  std::int32_t to = 0, from = 0;  // ranks of the communicator

  auto operator<=>(const Post&) const = default;
};
using Bytes = std::vector<std::byte>;

int my_process();
void send(int process, const Post& post, const Bytes& bytes);
bool take(const Post& post, Bytes& bytes);  // false: it is not here yet

// Between processes: each calls it once, after MPI began and from the thread that talks to MPI.
void use_mpi();

// How letters reach other processes; wire_mpi.cc has one.
class Carrier {
 public:
  Carrier() = default;
  Carrier(const Carrier&) = delete;
  Carrier& operator=(const Carrier&) = delete;
  virtual ~Carrier() = default;
  virtual int process() const = 0;
  virtual void send(int process, const Post& post, const Bytes& bytes) = 0;
  virtual bool receive(Post& post, Bytes& bytes) = 0;  // one that has come, if any
};
void use(Carrier* carrier);  // which outlives all communicators

}  // namespace ortho::sim
