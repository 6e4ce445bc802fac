// Generate: new tokens after a prompt, decoded in steps: modality, then its symbol or symbols.
//
// next_token: one token after another, each from the last T tokens before it. one_shot:
// the prompt, then query slots to the window's end, all answered in one pass. diffusion:
// trainer/unmask.h. The ranks of a replica (model/sharding.h) work on the same prompts and all get the same tokens.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "dataio/window.h"
#include "model/model.h"
#include "trainer/decode.h"

namespace ortho {

struct GenerateRule {
  DecodeRule decode;
  std::int64_t tokens = 0;       // at most so many new ones
  std::optional<Modality> only;  // nothing but this; default: what the modality head chooses
  bool new_item = true;  // the new tokens are an item of their own, places from 0; else they go on
  bool may_end = true;   // stop when the modality head says `none`; false: never choose it
  std::int64_t slots = 0;        // one_shot: as the model was trained (dataio/window.h)
  std::int64_t image_width = 0;  // pixels a row: where the places of new pixels are
};

// Error(usage) unless the model can go on from these prompts: none empty (but for diffusion), at
// most as many as the model has windows of a batch; one_shot: each with room for an answer. Asks no other rank, so
// ranks with different prompts can agree before they begin.
void check_prompts(const Model<float>& model, const std::vector<std::vector<Token>>& prompts,
                   const GenerateRule& rule, Objective objective);

// The new tokens of each prompt, which are checked first. In a window `place` and `item` follow the
// rule, as they do in training. Collective over the ranks of a replica.
std::vector<std::vector<Token>> continue_prompts(Model<float>& model,
                                                 const std::vector<std::vector<Token>>& prompts,
                                                 const GenerateRule& rule);
std::vector<std::vector<Token>> answer_prompts(Model<float>& model,
                                               const std::vector<std::vector<Token>>& prompts,
                                               const GenerateRule& rule);

}  // namespace ortho
