// ChannelWeight: channel maps by one weight, or by a part of it, and the backend that runs them.
//
// A sparse weight's closed connections may be skipped; then lists are made in a room that all such
// maps of a model use in turn.
#pragma once

#include <algorithm>

#include "model/build.h"

namespace ortho {

// For weights of up to `inputs` x `outputs`; without memory for models that are not sparse.
template <class T>
OpenRoom<T> take_open_room(const Build<T>& build, std::int64_t inputs, std::int64_t outputs) {
  OpenRoom<T> room;
  room.density = build.spec.density;
  if (room.density == 1) return room;
  room.values = build.arena.take(inputs * outputs, "open weights");
  room.inputs =
      build.arena.take_rows(inputs * outputs + std::max(inputs, outputs) + 1, "their inputs");
  return room;
}

template <class T>
class ChannelWeight {
 public:
  ChannelWeight(Param<T>& weight, Backend<T>& backend, const OpenRoom<T>& room)
      : weight_(weight), backend_(backend), room_(room) {}

  // As the backend's channel maps, with the weight from element `first` on.
  void forward(const Nodes& nodes, std::int64_t out, std::int64_t first, const T* x, T* y,
               bool add) {
    const T* w = weight_.value + first;
    if (weight_.spec.sparse()) return backend_.open_channel_map(nodes, out, room_, x, w, y, add);
    backend_.channel_map(nodes, out, x, w, y, add);
  }
  void backward_input(const Nodes& nodes, std::int64_t out, std::int64_t first, const T* dy, T* dx,
                      bool add) {
    const T* w = weight_.value + first;
    if (weight_.spec.sparse())
      return backend_.open_channel_map_dx(nodes, out, room_, dy, w, dx, add);
    backend_.channel_map_dx(nodes, out, dy, w, dx, add);
  }
  void backward_weight(const Nodes& nodes, std::int64_t out, std::int64_t first, const T* x,
                       const T* dy) {
    T* dw = weight_.grad + first;
    if (weight_.spec.sparse())
      return backend_.open_channel_map_dw(nodes, out, room_, x, dy, weight_.value + first, dw);
    backend_.channel_map_dw(nodes, out, x, dy, dw);
  }

 private:
  Param<T>& weight_;
  Backend<T>& backend_;
  OpenRoom<T> room_;
};

}  // namespace ortho
