// CUDA's runtime on the simulated machine: streams and events.
#include "core/error.h"
#include "tests/support/cudasim/machine.h"

using namespace ortho::sim;

namespace {

// The runtime forbids waiting and polling while a graph records on the device.
cudaError_t refuse_in_capture(const Device& one, const char* call) {
  if (one.captures == 0) return cudaSuccess;
  return violation(cudaErrorStreamCaptureUnsupported, ortho::text(call, " while a graph records"));
}

cudaError_t unknown(const char* call, const char* what) {
  return violation(cudaErrorInvalidResourceHandle, ortho::text(call, ": no such ", what));
}

cudaError_t wait_for(Device& one, const OpPtr& op, const char* call) {
  const std::lock_guard lock(one.mutex);
  if (const cudaError_t state = refuse_in_capture(one, call); state != cudaSuccess) return state;
  if (!one.run_until(op))
    return violation(cudaErrorLaunchFailure, ortho::text(call, " waits for ever for ", op->name,
                                                         " of device ", one.number));
  return one.failed;
}

cudaError_t poll(Device& one, const OpPtr& op, const char* call) {
  const std::lock_guard lock(one.mutex);
  if (const cudaError_t state = refuse_in_capture(one, call); state != cudaSuccess) return state;
  one.run_some();
  if (one.failed != cudaSuccess) return one.failed;
  return op == nullptr || op->done ? cudaSuccess : cudaErrorNotReady;
}

}  // namespace

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) {
  if (const cudaError_t state = ready(); state != cudaSuccess) return answer(state);
  if (flags != cudaStreamNonBlocking)
    return answer(violation(cudaErrorInvalidValue,
                            "a stream that waits for the legacy default stream: "
                            "make it with cudaStreamNonBlocking"));
  Device& one = device();
  const std::lock_guard lock(one.mutex);
  auto* made = new CUstream_st;  // until cudaStreamDestroy, or the machine's end
  made->device = &one;
  made->lane = std::make_shared<Lane>(Lane{one.draw.next()});
  const std::lock_guard registry(machine().mutex);
  machine().streams.insert(made);
  *stream = made;
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return cudaStreamCreateWithPriority(stream, flags, 0);
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  if (const cudaError_t state = ready(); state != cudaSuccess) return answer(state);
  *least = 0;
  *greatest = -5;
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  if (!exists(stream)) return answer(unknown("cudaStreamDestroy", "stream"));
  if (stream->capture != nullptr)
    return answer(violation(cudaErrorIllegalState, "destroys a stream that a graph records"));
  const std::lock_guard registry(machine().mutex);
  machine().streams.erase(stream);
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (const cudaError_t state = ready(); state != cudaSuccess) return answer(state);
  if (!exists(stream)) return answer(unknown("cudaStreamSynchronize", "stream"));
  return answer(wait_for(*stream->device, stream->last, "cudaStreamSynchronize"));
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  if (const cudaError_t state = ready(); state != cudaSuccess) return answer(state);
  if (!exists(stream)) return answer(unknown("cudaStreamQuery", "stream"));
  return answer(poll(*stream->device, stream->last, "cudaStreamQuery"));
}

cudaError_t cudaDeviceSynchronize() {
  if (const cudaError_t state = ready(); state != cudaSuccess) return answer(state);
  Device& one = device();
  const std::lock_guard lock(one.mutex);
  const cudaError_t state = refuse_in_capture(one, "cudaDeviceSynchronize");
  if (state != cudaSuccess) return answer(state);
  if (!one.run_all())
    return answer(violation(cudaErrorLaunchFailure, "cudaDeviceSynchronize waits for ever"));
  return answer(one.failed);
}

// In a capture it draws the stream into it, if the event was recorded there.
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (const cudaError_t state = ready(); state != cudaSuccess) return answer(state);
  if (!exists(stream)) return answer(unknown("cudaStreamWaitEvent", "stream"));
  if (!exists(event)) return answer(unknown("cudaStreamWaitEvent", "event"));
  if (stream->device != event->device)
    return answer(violation(cudaErrorInvalidResourceHandle,
                            "the simulator waits for events of the same device only"));
  const std::lock_guard lock(stream->device->mutex);
  const std::shared_ptr<Capture> recorded = event->capture;
  if (recorded != nullptr && recorded->origin != nullptr) {
    if (stream->capture != nullptr && stream->capture != recorded)
      return answer(
          violation(cudaErrorStreamCaptureIsolation, "waits for an event of another capture"));
    if (stream->capture == nullptr) stream->captured.clear();
    stream->capture = recorded;
    recorded->streams.insert(stream);
    for (const std::size_t node : event->captured) stream->captured.push_back(node);
    return cudaSuccess;
  }
  if (stream->capture != nullptr)
    return answer(violation(cudaErrorStreamCaptureIsolation,
                            "a recording stream waits for an event from before the capture"));
  stream->last = stream->device->issue({}, stream->lane, {stream->last, event->op});
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  if (const cudaError_t state = ready(); state != cudaSuccess) return answer(state);
  auto* made = new CUevent_st;  // until cudaEventDestroy, or the machine's end
  made->device = &device();
  const std::lock_guard registry(machine().mutex);
  machine().events.insert(made);
  *event = made;
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  if (!exists(event)) return answer(unknown("cudaEventDestroy", "event"));
  const std::lock_guard registry(machine().mutex);
  machine().events.erase(event);
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (const cudaError_t state = ready(); state != cudaSuccess) return answer(state);
  if (!exists(stream)) return answer(unknown("cudaEventRecord", "stream"));
  if (!exists(event)) return answer(unknown("cudaEventRecord", "event"));
  if (stream->device != event->device)
    return answer(violation(cudaErrorInvalidResourceHandle, "records an event of another device"));
  const std::lock_guard lock(stream->device->mutex);
  event->capture = stream->capture;
  event->captured = stream->captured;
  event->op = stream->capture == nullptr ? stream->last : nullptr;
  return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (const cudaError_t state = ready(); state != cudaSuccess) return answer(state);
  if (!exists(event)) return answer(unknown("cudaEventQuery", "event"));
  return answer(poll(*event->device, event->op, "cudaEventQuery"));
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (const cudaError_t state = ready(); state != cudaSuccess) return answer(state);
  if (!exists(event)) return answer(unknown("cudaEventSynchronize", "event"));
  return answer(wait_for(*event->device, event->op, "cudaEventSynchronize"));
}
