// Apply: one dense layer on arrays laid out as in the paper's code, [batch][s_1]…[s_n].
//
// The last axis is the channels; axes count from the outermost. Kinds of weights may differ from
// axis to axis, as in the paper: their shapes tell. To compare with other programs.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "model/spec.h"

namespace ortho {

struct ApplyRule {
  Shape axes;  // of the input, without the batch
  Combine combine = Combine::parallel;
  Sequence sequence = Sequence::ascending;
  Wiring wiring = Wiring::grid;
  int single = -1;  // combine: single: its axis, counted from the end like -1, or from 0
};

template <class T>
struct ApplyArray {
  Shape shape;
  std::vector<T> values;
};

// The axes whose weights the rule needs, 0 … n-1, in the order they are applied.
std::vector<int> applied_axes(const ApplyRule& rule);

// `weights` by axis. Error(usage) naming both shapes where one does not fit. Another output size is
// for combine: single alone, on whichever axis.
template <class T>
ApplyArray<T> apply_layer(const ApplyRule& rule, const ApplyArray<T>& input,
                          const std::map<int, ApplyArray<T>>& weights);

}  // namespace ortho
