// TokenChooser: tokens from the logits of the batch that a model ran last, decoded in steps:
// modality, then its symbol or symbols.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/model.h"
#include "trainer/generate.h"

namespace ortho {

// A token to choose: the row of the batch that was run last, and which of its window's draws are
// its own. The draws name window and turn, never the row, so they are the same for any batch size.
struct Slot {
  std::int32_t row;
  std::int64_t window, turn;
};

class TokenChooser {
 public:
  TokenChooser(Model<float>& model, const GenerateRule& rule)
      : model_(model), rule_(rule), random_(rule.decode.seed, "generate") {}

  // One token a slot, its modality `none` where the model ends. `nats`, where wanted: minus the log
  // probability of each token's symbols, whatever the temperature. Collective over the replica.
  std::vector<Token> choose(const std::vector<Slot>& slots, std::vector<double>* nats = nullptr);

 private:
  double uniform(const Slot& slot, std::uint64_t step) const;
  bool allowed(Modality modality) const;
  void choose_modalities(const std::vector<Slot>& slots, std::vector<Token>& tokens);
  void choose_symbols(const std::vector<Slot>& slots, Modality modality,
                      const std::vector<std::string>& heads, std::vector<Token>& tokens,
                      std::vector<double>* nats);
  Model<float>& model_;
  const GenerateRule& rule_;
  Random random_;
};

// The place of token `index` of its item.
void set_place(const GenerateRule& rule, std::int64_t index, Token& token);
// How many tokens at the prompt's end belong to the item that goes on.
std::int64_t tokens_of_last_item(const std::vector<Token>& prompt);

}  // namespace ortho
