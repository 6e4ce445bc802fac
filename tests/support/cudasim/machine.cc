#include "tests/support/cudasim/machine.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "core/error.h"

namespace ortho::sim {
namespace {

constexpr std::uint64_t kRedraw = 16;  // priorities of streams change once in so many steps
constexpr auto kPatience = std::chrono::seconds(60);  // for work that waits for other ranks

std::unique_ptr<Machine>& the_machine() {
  static auto machine = std::make_unique<Machine>(MachineSetting{});
  return machine;
}

std::mutex violations_mutex;  // guards `violations`
std::vector<std::string>& violations() {
  static std::vector<std::string> all;
  return all;
}
thread_local std::string last_text;
thread_local cudaError_t last_result = cudaSuccess;

}  // namespace

Device::Device(int its_number, const MachineSetting& setting)
    : number(its_number),
      memory(its_number, setting.device_bytes),
      draw(setting.seed * 1000 + static_cast<std::uint64_t>(its_number)) {}

OpPtr Device::issue(const Task& task, const std::shared_ptr<Lane>& lane,
                    const std::vector<OpPtr>& after) {
  auto op = std::make_shared<Op>();
  op->name = task.name;
  op->act = task.begin ? task.begin() : Act{};
  op->lane = lane;
  op->polled = task.nccl;
  const auto wait_for = [&](const OpPtr& before) {
    if (before == nullptr || before->done) return;
    before->then.push_back(op);
    ++op->waits;
  };
  for (const OpPtr& before : after) wait_for(before);
  if (task.nccl) {
    wait_for(last_nccl_);
    last_nccl_ = op;
  }
  pending_.insert(op);
  if (op->waits == 0) ready_.push_back(op);
  return op;
}

void Device::finish(const OpPtr& op) {
  op->done = true;
  op->act = {};
  if (!op->name.empty()) ++works;
  for (const OpPtr& next : op->then)
    if (--next->waits == 0) ready_.push_back(next);
  op->then.clear();
  pending_.erase(op);
}

// Runs the first piece of work that is not in progress. Those that are were asked.
Device::Step Device::step() {
  if (ready_.empty()) return Step::nothing;
  if (draw.below(kRedraw) == 0)
    for (const OpPtr& op : ready_) op->lane->priority = draw.next();
  std::vector<OpPtr> by_priority = ready_;
  std::stable_sort(by_priority.begin(), by_priority.end(), [](const OpPtr& a, const OpPtr& b) {
    return a->lane->priority > b->lane->priority;
  });
  for (const OpPtr& op : by_priority) {
    if (op->act && !op->polled) memory.open();
    if (op->act && !op->act()) continue;
    ready_.erase(std::find(ready_.begin(), ready_.end(), op));
    finish(op);
    return Step::ran;
  }
  return Step::in_progress;
}

void Device::run_some() {
  for (std::uint64_t steps = draw.below(4); steps > 0 && step() == Step::ran;) --steps;
  memory.close();
}

bool Device::run_until(const OpPtr& last) {
  bool ends = true;
  auto latest = std::chrono::steady_clock::now();
  while (ends && last != nullptr && !last->done) {
    const Step ran = step();
    const auto now = std::chrono::steady_clock::now();
    if (ran == Step::ran)
      latest = now;
    else if (ran == Step::nothing || now - latest > kPatience)
      ends = false;
    else
      std::this_thread::yield();
  }
  memory.close();
  return ends;
}

bool Device::run_all() {
  while (!pending_.empty()) {
    const OpPtr next = *pending_.begin();  // which is taken out when it is done
    if (!run_until(next)) return false;
  }
  return true;
}

Machine::Machine(const MachineSetting& its_setting) : setting(its_setting) {
  for (int number = 0; number < setting.devices; ++number)
    devices.push_back(std::make_unique<Device>(number, setting));
}

Machine& machine() { return *the_machine(); }

int& device_number() {
  thread_local int number = 0;
  return number;
}

Device& device() { return *machine().devices.at(static_cast<std::size_t>(device_number())); }

Machine::~Machine() {
  for (const CUstream_st* stream : streams) delete stream;
  for (const CUevent_st* event : events) delete event;
}

bool exists(const CUstream_st* stream) {
  const std::lock_guard lock(machine().mutex);
  return machine().streams.count(stream) != 0;
}

bool exists(const CUevent_st* event) {
  const std::lock_guard lock(machine().mutex);
  return machine().events.count(event) != 0;
}

void note_violation(const std::string& what) {
  const std::lock_guard lock(violations_mutex);
  violations().push_back(what);
}

cudaError_t violation(cudaError_t result, const std::string& what) {
  note_violation(what);
  last_text = what;
  last_result = result;
  return result;
}

std::string last_violation(cudaError_t result) { return result == last_result ? last_text : ""; }

void begin(const MachineSetting& setting) {
  name_faults();
  the_machine() = std::make_unique<Machine>(setting);
  device_number() = 0;
  last_result = cudaSuccess;
  take_violations();
}

void set_faults(int number, const Faults& faults) {
  Device& one = *machine().devices.at(static_cast<std::size_t>(number));
  const std::lock_guard lock(one.mutex);
  one.faults = faults;
  one.allocations = one.nccl_operations = 0;
}

std::vector<std::string> take_violations() {
  const std::lock_guard lock(violations_mutex);
  return std::exchange(violations(), {});
}

std::int64_t works_done(int number) {
  Device& one = *machine().devices.at(static_cast<std::size_t>(number));
  const std::lock_guard lock(one.mutex);
  return one.works;
}

// A node that depends on nothing in its capture still waits for what is before the launch.
cudaError_t issue(cudaStream_t stream, const Task& task) {
  if (!exists(stream))
    return violation(cudaErrorInvalidResourceHandle,
                     text(task.name, stream == nullptr ? ": on the legacy default stream, which "
                                                         "waits for all others: make a stream"
                                                       : ": on a stream that does not exist"));
  Device* its_device = stream->device;
  const std::lock_guard lock(its_device->mutex);
  if (its_device->failed != cudaSuccess) return its_device->failed;
  if (stream->capture != nullptr) {
    std::vector<Node>& nodes = stream->capture->nodes;
    nodes.push_back({task, stream->lane, stream->captured});
    stream->captured = {nodes.size() - 1};
    return cudaSuccess;
  }
  stream->last = its_device->issue(task, stream->lane, {stream->last});
  return cudaSuccess;
}

}  // namespace ortho::sim
