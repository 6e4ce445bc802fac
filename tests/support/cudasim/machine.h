// The simulated machine: devices with memory, and work as a graph that runs when the host waits.
//
// Every piece of work waits for those it depends on: the one before in its stream, and recorded
// events. Of those that could run the one in the stream of highest priority does; priorities are
// drawn, and drawn anew now and then. Nothing runs before the host synchronises or polls.
#pragma once

#include <cuda_runtime.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "tests/support/cudasim/control.h"
#include "tests/support/cudasim/device_memory.h"
#include "tests/support/cudasim/draw.h"

namespace ortho::sim {

using Act = std::function<bool()>;   // false: in progress, ask again
using Begin = std::function<Act()>;  // called when the work is issued; a graph issues it anew

struct Lane {
  std::uint64_t priority = 0;  // of a stream, drawn
};

struct Op;
using OpPtr = std::shared_ptr<Op>;  // held by the queue, streams, events and those that wait for it

struct Op {
  std::string name;
  Act act;
  std::shared_ptr<Lane> lane;
  std::vector<OpPtr> then;
  int waits = 0;
  bool done = false;
  bool polled = false;  // its act opens the memory itself, when it gets that far
};

// What a stream is asked to do, now or at each launch of a graph.
struct Task {
  std::string name;
  Begin begin;
  bool nccl = false;  // those of a device run in the order of issue
};

struct Capture;

class Device {
 public:
  Device(int number, const MachineSetting& setting);

  OpPtr issue(const Task& task, const std::shared_ptr<Lane>& lane, const std::vector<OpPtr>& after);
  void run_some();                    // a few steps: the host polled
  bool run_until(const OpPtr& last);  // false if it can never end
  bool run_all();
  bool finished() const { return pending_.empty(); }

  const int number;
  std::recursive_mutex mutex;  // guards all of the device
  Memory memory;
  Draw draw;
  Faults faults;
  int allocations = 0, nccl_operations = 0;
  std::int64_t works = 0;
  cudaError_t failed = cudaSuccess;  // after a broken kernel every call says so
  int captures = 0;                  // under way

 private:
  enum class Step { ran, in_progress, nothing };
  Step step();
  void finish(const OpPtr& op);

  std::set<OpPtr> pending_;
  std::vector<OpPtr> ready_;
  OpPtr last_nccl_;
};

struct Machine {
  explicit Machine(const MachineSetting& its_setting);
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;
  ~Machine();

  MachineSetting setting;
  std::vector<std::unique_ptr<Device>> devices;
  std::mutex mutex;  // guards the two below
  std::set<const CUstream_st*> streams;
  std::set<const CUevent_st*> events;
};

Machine& machine();
Device& device();      // of this thread
int& device_number();  // of this thread
bool exists(const CUstream_st* stream);
bool exists(const CUevent_st* event);

// Remembers what the program did wrong; the text is what cudaGetErrorString says of `result`.
cudaError_t violation(cudaError_t result, const std::string& what);
std::string last_violation(cudaError_t result);  // of this thread; "" if it was another
void note_violation(const std::string& what);

// Issues the task in the stream, or notes it in the graph that the stream records.
cudaError_t issue(cudaStream_t stream, const Task& task);

// What every call of the runtime returns: cudaGetLastError then knows it.
cudaError_t answer(cudaError_t result);
// What a call without a driver, or after a broken kernel, fails with.
cudaError_t ready();

}  // namespace ortho::sim

// The handles that the real header declares.
struct CUstream_st {
  ortho::sim::Device* device = nullptr;
  std::shared_ptr<ortho::sim::Lane> lane;
  ortho::sim::OpPtr last;
  std::shared_ptr<ortho::sim::Capture> capture;  // of all streams that take part
  std::vector<std::size_t> captured;             // what its next node depends on
};

struct CUevent_st {
  ortho::sim::Device* device = nullptr;
  ortho::sim::OpPtr op;                          // empty: not recorded
  std::shared_ptr<ortho::sim::Capture> capture;  // recorded inside
  std::vector<std::size_t> captured;
};

namespace ortho::sim {

struct Node {
  Task task;
  std::shared_ptr<Lane> lane;
  std::vector<std::size_t> after;
};

struct Capture {
  CUstream_st* origin = nullptr;
  std::vector<Node> nodes;
  std::set<CUstream_st*> streams;
  bool broken = false;
};

}  // namespace ortho::sim

struct CUgraph_st {
  std::vector<ortho::sim::Node> nodes;
};
struct CUgraphExec_st {
  std::vector<ortho::sim::Node> nodes;
  ortho::sim::OpPtr last;  // launches of one graph follow each other
};
