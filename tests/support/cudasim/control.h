// control: what a test tells the simulated machine, and asks of it.
//
// A machine belongs to the process. begin() makes it anew: no memory, stream or communicator of the
// one before may be used or freed afterwards. Ranks that are threads share the machine, each with
// a device of its own (cudaSetDevice). Work is deterministic for one seed and one thread a device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace ortho::sim {

struct MachineSetting {
  std::uint64_t seed = 1;  // of the order of threads, streams and of what is in progress
  int devices = 4;
  std::size_t device_bytes = std::size_t{1} << 30;  // memory of a device
  bool driver = true;                               // without: every call is error 35
};

void begin(const MachineSetting& setting);

// Counted from 0 since set_faults(), on one device; -1: never.
struct Faults {
  int allocation = -1;     // this cudaMalloc or cudaMallocHost finds no memory
  int nccl_error = -1;     // this NCCL operation never ends, its communicators report an error
  int nccl_hang = -1;      // this NCCL operation never ends, and nothing is reported
  bool init_hang = false;  // a communicator of this device never gets ready
};
void set_faults(int device, const Faults& faults);

// What the program did wrong so far, in words; asking forgets it. The call that did it failed too.
std::vector<std::string> take_violations();

// Kernels, copies and operations of NCCL that ran on a device since begin().
std::int64_t works_done(int device);

}  // namespace ortho::sim
