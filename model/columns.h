// Columns: the channel map from C channels to some of the G channels that a weight [C][G] makes.
//
// As the backend's channel_map, in both orders; with all columns it is that one.
#pragma once

#include "tensor/backend.h"
#include "tensor/box.h"

namespace ortho {

template <class T>
struct Columns {
  Backend<T>& backend;
  std::int64_t width;  // G
  Range range;         // of it

  // `nodes` as in Backend::channel_map; z and dz have all G channels.
  void map(const Nodes& nodes, const T* x, const T* w, T* z, bool add) const;
  void map_dx(const Nodes& nodes, const T* dz, const T* w, T* dx, bool add) const;
  void map_dw(const Nodes& nodes, const T* x, const T* dz, T* dw) const;
  bool all() const { return range.size() == width; }
};

}  // namespace ortho
