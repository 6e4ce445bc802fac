// CUDA's runtime on the simulated machine: graphs recorded from streams, and launched.
#include <algorithm>

#include "core/error.h"
#include "tests/support/cudasim/machine.h"

using namespace ortho::sim;

namespace {

// Whether all that `stream` recorded comes before something that `origin` recorded.
bool joined(const Capture& capture, const CUstream_st& origin, const CUstream_st& stream) {
  std::set<std::size_t> before;
  std::vector<std::size_t> open = origin.captured;
  while (!open.empty()) {
    const std::size_t node = open.back();
    open.pop_back();
    if (!before.insert(node).second) continue;
    for (const std::size_t after : capture.nodes[node].after) open.push_back(after);
  }
  return std::all_of(stream.captured.begin(), stream.captured.end(),
                     [&](std::size_t node) { return before.count(node) != 0; });
}

}  // namespace

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (const cudaError_t state = ready(); state != cudaSuccess) return answer(state);
  if (!exists(stream) || stream->capture != nullptr)
    return answer(violation(cudaErrorIllegalState, "begins a capture on no stream, or twice"));
  const std::lock_guard lock(stream->device->mutex);
  stream->capture = std::make_shared<Capture>();
  stream->capture->origin = stream;
  stream->capture->streams.insert(stream);
  stream->captured.clear();
  ++stream->device->captures;
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  *status = exists(stream) && stream->capture != nullptr ? cudaStreamCaptureStatusActive
                                                         : cudaStreamCaptureStatusNone;
  return answer(ready());
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  if (!exists(stream) || stream->capture == nullptr || stream->capture->origin != stream)
    return answer(violation(cudaErrorIllegalState, "ends a capture that it did not begin"));
  const std::lock_guard lock(stream->device->mutex);
  const std::shared_ptr<Capture> capture = stream->capture;
  bool all_joined = true;
  for (CUstream_st* one : capture->streams) {
    all_joined = all_joined && joined(*capture, *stream, *one);
    one->capture = nullptr;
  }
  capture->origin = nullptr;
  --stream->device->captures;
  *graph = nullptr;
  if (!all_joined)
    return answer(violation(cudaErrorStreamCaptureUnjoined,
                            "a capture ends while another stream's work is not joined to it"));
  *graph = new CUgraph_st{capture->nodes};  // until cudaGraphDestroy
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* made, cudaGraph_t graph, unsigned long long) {
  if (const cudaError_t state = ready(); state != cudaSuccess) return answer(state);
  *made = new CUgraphExec_st{graph->nodes, nullptr};  // until cudaGraphExecDestroy
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream) {
  if (const cudaError_t state = ready(); state != cudaSuccess) return answer(state);
  if (!exists(stream) || stream->capture != nullptr)
    return answer(violation(cudaErrorInvalidResourceHandle,
                            "launches a graph on no stream, or on one that records"));
  Device& one = *stream->device;
  const std::lock_guard lock(one.mutex);
  std::vector<OpPtr> ops;
  for (const Node& node : graph->nodes) {
    std::vector<OpPtr> after = {stream->last, graph->last};
    for (const std::size_t before : node.after) after.push_back(ops[before]);
    ops.push_back(one.issue(node.task, node.lane, after));
  }
  ops.push_back(stream->last);
  stream->last = graph->last = one.issue({}, stream->lane, ops);
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  delete graph;
  return cudaSuccess;
}
