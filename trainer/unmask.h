// Unmask: new tokens by the diffusion objective. All of them begin as marks, and round by round the
// model fills in some, given the prompt and what was filled in before.
//
// Text longer than the context is filled in window after window, each with up to half a window of
// what stands before it.
#pragma once

#include <cstdint>
#include <vector>

#include "trainer/generate.h"

namespace ortho {

struct UnmaskRule {
  // Which tokens a round keeps: those the model is most sure of, or any by chance. With random order
  // and a token a round, tokens are drawn from the distribution that the bound is of.
  enum class Order { confident, random };
  std::int64_t rounds = 0;  // of each window, which share its tokens evenly; 0: a token a round
  Order order = Order::confident;
};

// Exactly rule.tokens new tokens of each prompt, which may be empty; of the modality rule.only, or
// the model's first. Collective over the ranks of a replica.
std::vector<std::vector<Token>> unmask_prompts(Model<float>& model,
                                               const std::vector<std::vector<Token>>& prompts,
                                               const GenerateRule& rule, const UnmaskRule& unmask);

}  // namespace ortho
