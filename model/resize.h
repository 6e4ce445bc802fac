// Resize: a dense block whose map gives a token axis another size, and a second map leads back.
//
//   y += out( back( f( map( in( norm(x) ) ) ) ) )     map: s -> r along the axis, back: r -> s
//
// f works on r of the axis's coordinates, so the stream keeps its tokens. Weights of the way back
// are "BLOCK.back.axis.A.w", of the same kind as the map's, on the hidden units.
#pragma once

#include <string>

#include "model/layer.h"

namespace ortho {

bool resizes(const ModelSpec& spec);  // a token axis
// The model as it is where f works: its axis has the other size, and a map of it leads back.
ModelSpec resized(const ModelSpec& spec);
// The same ranks there; its home cuts what the model's does. Error(usage) where the axis has fewer
// coordinates than the mesh cuts it into.
Sharding resized(const ModelSpec& spec, const Sharding& sharding);
// Error(usage) where a stage would change what the two maps are made of.
void check_resizing(const ModelSpec& from, const ModelSpec& to);
std::string back_prefix(const std::string& block);  // "block.0.back"

template <class T>
class WayBack {
 public:
  WayBack(const Build<T>& build, const std::string& block);  // Collective, like the others
  const HeldRows& rows() const { return rows_; }             // of f's tokens, that the rank holds
  const Nodes& input() const { return layer_.input(); }      // q, the rank's own units
  const Nodes& output() const { return layer_.output(); }
  void forward(const T* q) { layer_.forward(q, result_); }
  void backward(const T* q, T* dq) { layer_.backward(q, gradient_, dq); }
  T* result() { return result_; }      // of the last forward, kept for backward
  T* gradient() { return gradient_; }  // of it; the caller fills it in

 private:
  ModelSpec spec_;
  Sharding sharding_;
  HeldRows rows_;
  Layer<T> layer_;
  T *result_, *gradient_;
};

}  // namespace ortho
