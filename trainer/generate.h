// Generate: new tokens after a prompt, decoded in steps: modality, then its symbol or symbols.
//
// next_token: one token after another, each from the last T tokens before it. one_shot:
// the prompt, then query slots to the window's end, all answered in one pass. diffusion:
// trainer/unmask.h. The ranks of a replica (model/sharding.h) work on the same prompts and all get the same tokens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dataio/modality.h"
#include "dataio/window.h"
#include "model/model.h"
#include "model/stream.h"
#include "trainer/writing.h"

namespace ortho {

using Prompts = std::vector<std::vector<Token>>;

// Error(usage) unless the model can go on from these prompts: none empty (but for diffusion), at
// most as many as there are windows; one_shot: each with room for an answer. Asks no other rank, so
// ranks with different prompts can agree before they begin.
void check_prompts(const ModelSpec& spec, std::int64_t windows, const Prompts& prompts,
                   const GenerateRule& rule, Objective objective);

// The new tokens of each prompt, which are checked first. In a window `place` and `item` follow the
// rule, as they do in training. Collective over the ranks of a replica.
Prompts continue_prompts(Model<float>& model, const Prompts& prompts, const GenerateRule& rule);
Prompts answer_prompts(Model<float>& model, const Prompts& prompts, const GenerateRule& rule);

// Why a stream cannot go on from prompts in place of the whole model; "" if it can.
std::string no_stream(const ModelSpec& spec, int ranks);

// The same as continue_prompts token by token: what a token costs does not depend on how many there
// are, up to T. When the window is full
//   slide   each new token is read from the last T before it, which all pass the layers again;
//   half    the window begins anew with the last T / 2: at most two tokens pass for each new one;
//   beyond  the stream goes on, for weights by offset. Every map sees as far back as before.
Prompts stream_prompts(Stream<float>& stream, const Prompts& prompts, const GenerateRule& rule);

// Several prompts in one window of a model, each with an equal share of the room, at most
// rule.tokens: what each gets alone in a window (model/segments.h). Collective.
Prompts continue_together(Model<float>& model, const Prompts& prompts, const GenerateRule& rule);
Prompts answer_together(Model<float>& model, const Prompts& prompts, const GenerateRule& rule);

}  // namespace ortho
