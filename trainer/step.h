// Step: one optimizer step over the ranks' windows: count, gradients, sum, clip, update.
//
// The loss is divided by the scored targets (or windows) of all ranks, so the gradients of ranks that hold the
// same weights simply add up: one rank or many compute the same mean. What differs between meshes
// is the order of adding, unless there is a tree (trainer/fixed_order.h, docs/guide.md).
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "comm/channel.h"
#include "model/model.h"
#include "trainer/fixed_order.h"
#include "trainer/optimizer.h"
#include "trainer/replicas.h"

namespace ortho {

// What a step works with. With a tree the model has the windows of one leaf.
struct StepParts {
  Channel& channel;
  Backend<float>& backend;
  Model<float>& model;
  Params<float>& params;
  Replicas<float>& replicas;
  Optimizer<float>& optimizer;
  TreeSum<float>* tree = nullptr;
  // Called on this rank's gradients before they are added to those of others: tests damage them.
  std::function<void(std::span<float>)> disturb = {};
};

struct StepResult {
  TermSums sums;         // over all ranks
  double grad_norm = 0;  // of the summed gradient, before clipping
  bool stop = false;     // some rank was asked to stop
};

struct StepRule {
  TermWeights weights;
  DropoutKey dropout;     // first_window is taken from the batch
  double rate = 0;        // learning rate
  double clip = 0;        // 0: off
  std::int64_t step = 0;  // steps done before
};

// What all ranks agree on before a step.
struct StepStart {
  double normaliser = 1;  // what the loss is divided by: scored targets (or windows) of all ranks
  bool stop = false;      // some rank was asked to stop
  bool busy = false;      // some rank's `busy` was true
};

// Forward and back, with nothing updated: it may be tried again and gives the same bits.
struct StepTrial {
  TermSums sums;            // over all ranks
  double loss = 0;          // weighted sum of the terms
  double grad_norm = 0;     // of the summed gradient, before clipping
  std::uint64_t print = 0;  // of what this rank computed by itself: its loss terms and gradients
};

// Collective, all four.
StepStart start_step(const StepParts& parts, const Batch& batch, bool busy = false);
StepTrial try_step(const StepParts& parts, const Batch& batch, const StepRule& rule,
                   double normaliser);
// With the gradients that the last trial left.
void take_step(const StepParts& parts, const StepRule& rule, const StepTrial& trial);
// All three. Error(internal) with the step when loss or gradient is not finite: nothing is updated
// then, on any rank.
StepResult train_step(const StepParts& parts, const Batch& batch, const StepRule& rule);

}  // namespace ortho
