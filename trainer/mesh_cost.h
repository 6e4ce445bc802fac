// Mesh cost: what a stage asks of each rank on one mesh, as numbers. Pure: no MPI, no device,
// nothing allocated.
//
//   seconds = FLOPs / ranks / rate * largest part / mean part + messages * alpha + bytes * beta
//
// Bytes are counted where they are taken: the model is built on a measuring Arena. The first and
// the last rank stand for all: split() gives the first parts more, the last ranks send the longest
// way. Messages that hide behind computing are counted in full; the few numbers a row by which ranks
// with a part of a head's classes agree on its softmax are not.
#pragma once

#include <cstdint>
#include <vector>

#include "comm/chain.h"
#include "model/sharding.h"
#include "trainer/metrics.h"
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

// By which meshes are compared; the same on every machine, so that plan and train choose alike.
struct MachineRate {
  LinkCost link;                // 5 us a message, 10 GB/s: ranks of one node
  double flops_per_sec = 5e10;  // of one rank: a core with AVX-512
};

struct MeshCost {
  std::int64_t windows = 0;        // of one replica and step …
  std::int64_t model_windows = 0;  // … and those that its model takes at once
  std::int64_t weights = 0;        // held by a rank
  std::int64_t own_weights = 0;    // updated by it
  RankBytes bytes;                 // of the dearest rank
  std::vector<AxisSent> exchange;  // of one step of rank 0, seconds not filled
  Sent gradients;                  // of one step, seconds not filled
  double imbalance = 1;            // largest part of the hidden units / mean part
  double compute_sec = 0, message_sec = 0;
  double sec() const { return compute_sec + message_sec; }
};

// Error(usage) with the model's or the loader's own words when the stage cannot run like this.
MeshCost mesh_cost(const Stage& stage, const OptimizerConfig& optimizer, const Cuts& cuts,
                   const MachineRate& rate = {});

// Moments of the optimizer for each weight (trainer/optimizer.h).
std::int64_t moments_of(const OptimizerConfig& optimizer);

}  // namespace ortho
