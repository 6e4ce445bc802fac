// The rules of growth: what may change between two specs, and how each kind of dimension is cut.
//
// Only model/grow.cc uses them. A weight's tiles are the product of its dimensions' segments; where
// one segment starts at zero the whole tile does, however the others start.
#pragma once

#include "model/grow.h"

namespace ortho {

// Token axis `axis` counted from the innermost; 1 where the spec has no such axis.
std::int64_t axis_size(const ModelSpec& spec, int axis);
int axis_count(const ModelSpec& spec);  // token axes that have weights: joint maps have at least 1

// A block that hands its input on exactly: plain dense maps between idempotent activations.
bool blocks_can_be_identity(const ModelSpec& spec);

// E hidden units fall in kinds, which stay what they are: those before the cut are active, or the
// lower partners of sort2; those behind it are linear, or the upper partners. In mirrored wiring
// those before the half look back and the others ahead. Where each kind begins, and the end.
std::vector<std::int64_t> unit_kinds(const ModelSpec& spec);

// Error(usage) unless `to`, which has all that `from` has, grows out of it.
void check_growth(const ModelSpec& from, const ModelSpec& to);

// One weight of `to`; source is the weight of the same name in `from`, or null.
ParamGrowth grow_param(const ModelSpec& from, const ModelSpec& to, const ParamSpec& target,
                       const ParamSpec* source);

}  // namespace ortho
