// TokenChooser: what a model's heads say of some rows, decoded in steps: modality, then its symbols,
// then place and item where they are asked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/random.h"
#include "model/head.h"
#include "trainer/writing.h"

namespace ortho {

// A token to choose: the row it is read from, and which of its window's draws are its own. The draws
// name window and turn, never the row, so they are the same for any batch size.
struct Slot {
  std::int32_t row;  // as Head::logits counts them
  std::int64_t window, turn;
};

class TokenChooser {
 public:
  // All outlive it. Error(usage) when places are asked of heads that the model lacks.
  TokenChooser(const ModelSpec& spec, Head<float>& head, const GenerateRule& rule);

  // One token a slot, its modality `none` where the model ends; place and item are -1 where the rule
  // says them. `nats`, where wanted: minus the log probability of each token's symbols, whatever the
  // temperature. Of the rows run last; Collective as Head::logits is.
  std::vector<Token> choose(const std::vector<Slot>& slots,
                            std::vector<double>* nats = nullptr) const;

 private:
  bool allowed(Modality modality) const;
  void choose_modalities(const std::vector<Slot>& slots, std::vector<Token>& tokens) const;
  void choose_symbols(const std::vector<Slot>& slots, Modality modality,
                      const std::vector<std::string>& heads, std::vector<Token>& tokens,
                      std::vector<double>* nats) const;
  void choose_places(const std::vector<Slot>& slots, std::vector<Token>& tokens) const;

  const ModelSpec& spec_;
  Head<float>& head_;
  const GenerateRule& rule_;
  Random random_, places_;
};

}  // namespace ortho
