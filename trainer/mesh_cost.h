// Mesh cost: what a stage asks of each rank on one mesh, as numbers. Pure: no MPI, no device,
// nothing allocated.
//
//   seconds = max(FLOPs / ranks / rate * largest part / mean part, bytes touched / bandwidth)
//             + messages * latency + bytes sent / bandwidth, within and between nodes
//
// Bytes are counted where they are taken: the model is built on a measuring Arena. The first and
// the last rank stand for all: split() gives the first parts more, the last ranks send the longest
// way. Messages that hide behind computing are counted in full; the few numbers a row by which ranks
// with a part of a head's classes agree on its softmax are not.
#pragma once

#include <cstdint>
#include <vector>

#include "model/sharding.h"
#include "trainer/machine.h"
#include "trainer/stage.h"

namespace ortho {

struct RankBytes {
  std::int64_t weights = 0;
  std::int64_t gradients = 0;
  std::int64_t moments = 0;
  std::int64_t activations = 0;  // everything the model takes from its Arena
  std::int64_t batches = 0;      // of the loader
  std::int64_t sums = 0;         // beside the gradients while they are added up
  std::int64_t copy = 0;         // that checkpoints are written from, behind the training
  std::int64_t total() const {
    return weights + gradients + moments + activations + batches + sums + copy;
  }
};

struct MeshCost {
  std::int64_t windows = 0;        // of one replica and step …
  std::int64_t model_windows = 0;  // … and those that its model takes at once
  std::int64_t weights = 0;        // held by a rank
  std::int64_t own_weights = 0;    // updated by it
  RankBytes bytes;                 // of the dearest rank
  std::vector<AxisSent> exchange;  // of one step of rank 0, seconds not filled
  Sent gradients;                  // of one step, seconds not filled
  SentByLevel sent;                // both, by the machine's nodes
  double touched_bytes = 0;        // of memory in one step: see touched_bytes()
  double imbalance = 1;            // largest part of the hidden units / mean part
  double compute_sec = 0, message_sec = 0;
  double sec() const { return compute_sec + message_sec; }
};

// Error(usage) with the model's or the loader's own words when the stage cannot run like this.
MeshCost mesh_cost(const Stage& stage, const OptimizerConfig& optimizer, const Cuts& cuts,
                   const Machine& machine = {});

// About what one step of a rank reads and writes of its memory, in bytes: each weight is read forward
// and for dx, and its gradient read and written, a pass; gradient, weight and moments are read and
// written by the update; each activation is written once and read twice.
double touched_bytes(const RankBytes& bytes, std::int64_t own_weights, double passes);

// Moments of the optimizer for each weight (trainer/optimizer.h).
std::int64_t moments_of(const OptimizerConfig& optimizer);

}  // namespace ortho
