// TokenChooser: what a model's heads say of some rows, decoded in steps: modality, then its symbols.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/random.h"
#include "model/head.h"
#include "trainer/decode.h"

namespace ortho {

// A token to choose: the row it is read from, and which of its window's draws are its own. The draws
// name window and turn, never the row, so they are the same for any batch size.
struct Slot {
  std::int32_t row;  // as Head::logits counts them
  std::int64_t window, turn;
};

class TokenChooser {
 public:
  // `only`: nothing but this modality. may_end: whether `none` may be chosen. All outlive it.
  TokenChooser(const ModelSpec& spec, Head<float>& head, const DecodeRule& decode,
               std::optional<Modality> only, bool may_end);

  // One token a slot, its modality `none` where the model ends. Of the rows run last; Collective as
  // Head::logits is.
  std::vector<Token> choose(const std::vector<Slot>& slots) const;

 private:
  double uniform(const Slot& slot, std::uint64_t step) const;
  bool allowed(Modality modality) const;
  void choose_modalities(const std::vector<Slot>& slots, std::vector<Token>& tokens) const;
  void choose_symbols(const std::vector<Slot>& slots, Modality modality,
                      const std::vector<std::string>& heads, std::vector<Token>& tokens) const;

  const ModelSpec& spec_;
  Head<float>& head_;
  DecodeRule decode_;
  std::optional<Modality> only_;
  bool may_end_;
  Random random_;
};

}  // namespace ortho
