// Optimizer: AdamW or SGD with momentum on the weights of a model that are this rank's own.
//
//   adamw  m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2
//          w -= lr * (m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps) + decay * w)
//   sgd    v = momentum v + g;   w -= lr * (v + decay * w)
//
// g is already scaled by clipping. t counts per Region (model/grow.h): weights that a growth added
// start at t = 1, else their first update would be up to (1-b1) / sqrt(1-b2) times too large.
#pragma once

#include <cstdint>
#include <utility>

#include "model/grow.h"
#include "model/params.h"
#include "tensor/backend.h"
#include "tensor/buffer.h"
#include "trainer/config.h"

namespace ortho {

template <class T>
struct OptimizerState {
  // Of this rank's own weights, laid out by Params::moment_of; sgd: velocity, and none.
  Buffer<T> first, second;
  StepCounts regions;  // of the whole weights, in the order of Params::all()
};

// Zero moments, and one region without steps for each parameter.
template <class T>
OptimizerState<T> fresh_state(const OptimizerConfig& config, const Params<T>& params);

// What gradients are multiplied with so that their norm is at most `clip`; 1 when clip is 0.
double clip_scale(double norm, double clip);

// Sum of the squares of this rank's own gradients; summed over ranks each weight counts once.
template <class T>
double own_sum_squares(Backend<T>& backend, Params<T>& params);

template <class T>
class Optimizer {
 public:
  // Works on `state`, which must outlive it; Error when it does not fit the parameters.
  Optimizer(const OptimizerConfig& config, const Params<T>& params, OptimizerState<T>& state);

  // One update of this rank's own weights from params.grads(), which stay as they are.
  void update(Backend<T>& backend, Params<T>& params, double rate, double gradient_scale);

 private:
  void update_run(Backend<T>& backend, const Params<T>& params, Param<T>& param,
                  const Region& region, const Range& run, double rate, double gradient_scale);
  OptimizerConfig config_;
  OptimizerState<T>& state_;
};

}  // namespace ortho
