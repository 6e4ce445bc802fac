// Weight files: a model's weights as plain arrays, out to other programs and in again.
//
// As .npy: FOLDER/NAME.npy for each weight, in its own shape, and vocabulary.txt, the code point of
// each row of the text table. Dense grid maps once more under the names and in the layout that the
// paper's code uses: FOLDER/paper/block.B/axis_i.npy, i from the outermost token axis, the channels
// last; with a gate both halves side by side.
#pragma once

#include <string>

#include "trainer/run_state.h"

namespace ortho {

enum class WeightFormat { npy, safetensors };

// A state on one rank. safetensors: FOLDER/weights.safetensors instead of the files by name.
// Returns what was written, for people.
std::string export_weights(const RunState& state, const std::string& folder, WeightFormat format);

// Fills the weights that `folder` holds by name, this rank its part of each; others keep what they
// have. Error(usage) naming file and shapes where they differ, where a file is no weight of this
// model, where the vocabulary is another one, or when there is none at all. Returns a line for
// people. Without messages between ranks.
std::string import_weights(const std::string& folder, RunState& state);

}  // namespace ortho
