// Generate: new tokens after a prompt, decoded in steps: modality, then its symbol or symbols.
//
// next_token: one token after another, each from the last T tokens before it. one_shot:
// the prompt, then query slots to the window's end, all answered in one pass.
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
  std::int64_t image_width = 0;  // pixels a row: where the places of new pixels are
};

// The new tokens of each prompt. At most as many prompts as the model has windows;
// none may be empty. In a window `place` and `item` follow the rule, as they do in training.
std::vector<std::vector<Token>> continue_prompts(Model<float>& model,
                                                 const std::vector<std::vector<Token>>& prompts,
                                                 const GenerateRule& rule);
std::vector<std::vector<Token>> answer_prompts(Model<float>& model,
                                               const std::vector<std::vector<Token>>& prompts,
                                               const GenerateRule& rule);

}  // namespace ortho
