// Channel: the collectives Orthotope uses, over MPI messages or over threads of one process.
//
// Every function is Collective: all ranks of the channel call it, in the same order. Sums are taken
// in rank order, so a result depends on the number of ranks and on nothing else. Counts are 64-bit.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace ortho {

class Channel {
 public:
  virtual ~Channel() = default;
  virtual int rank() const = 0;
  virtual int ranks() const = 0;
  virtual std::string host() const = 0;

  virtual void barrier() = 0;
  virtual void broadcast(std::span<std::byte> bytes, int root) = 0;
  virtual void sum(std::span<float> values) = 0;  // every rank gets the sum, added in rank order
  virtual void sum(std::span<double> values) = 0;
  virtual void sum(std::span<std::int64_t> values) = 0;
  virtual std::int64_t max(std::int64_t value) = 0;
  virtual std::vector<std::string> gather(
      const std::string& mine) = 0;                       // every rank gets all, in rank order
  virtual std::unique_ptr<Channel> split(int color) = 0;  // ranks of equal color, in rank order
  [[noreturn]] virtual void abort(int code) = 0;  // ends every rank of the job; not collective
};

// A channel of one rank, without MPI.
std::unique_ptr<Channel> make_single_channel();

// Runs `body` on `ranks` threads of this process, each with its own channel; rethrows the first
// error. For tests and rehearsals: exchanges are copies between threads.
template <class Body>
void run_local_ranks(int ranks, Body body);

}  // namespace ortho
