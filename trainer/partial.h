// Partial training: which sublayers a step updates; the others keep their bits and step counts.
//
// Parts, from the lowest: "identity" (the learned prefix, where there is one), "embed" (tables,
// `pre`), then the sublayers in the order they run:
// "block.0.axis.1" of line maps, "block.0" of dense ones, each branch by itself. Norm and heads at
// the end are always trained, but where the prefix alone is. A pure function of config, model, seed and step: the same on all ranks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/params.h"
#include "trainer/config.h"

namespace ortho {

std::vector<std::string> training_parts(const ModelSpec& spec);

// Those of training_parts() that step `step` updates, in the same order; all with share: 1, but of
// a model with a prefix the prefix alone.
// Error(usage) when the list names none of this model.
std::vector<std::string> trained_parts(const TrainConfig& train, const ModelSpec& spec,
                                       std::uint64_t seed, std::int64_t step);

template <class T>
void set_trained(const std::vector<std::string>& parts, Params<T>& params);

// Of the FLOPs of a whole training step: forward, gradients down to the lowest trained part, and
// those of the trained weights, a third each. Of a random choice what is certain: it may end higher.
double training_share(const TrainConfig& train, const ModelSpec& spec);

}  // namespace ortho
