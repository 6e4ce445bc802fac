// Writing: a prompt and what was added to it. Places and items of new tokens follow the rule by which
// records are read, unless the model's heads say them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "dataio/modality.h"
#include "tensor/token.h"
#include "trainer/decode.h"

namespace ortho {

// What goes on when next_token's window is full: see stream_prompts.
enum class WhenFull { slide, half, beyond };

struct GenerateRule {
  DecodeRule decode;
  std::int64_t tokens = 0;       // at most so many new ones
  std::optional<Modality> only;  // nothing but this; default: what the modality head chooses
  bool new_item = true;  // the new tokens are an item of their own, places from 0; else they go on
  bool may_end = true;   // stop when the modality head says `none`; false: never choose it
  std::int64_t slots = 0;                  // one_shot: as the model was trained (dataio/window.h)
  bool against_slots = false;              // one_shot: the prompt ends where the slots begin
  const Vocabulary* vocabulary = nullptr;  // whose words new tokens carry; nullptr: none
  std::int64_t image_width = 0;            // pixels a row: where the places of new pixels are
  std::int64_t image_height = 0;           // rows a frame; 0: all pixels are one image
  WhenFull when_full = WhenFull::slide;
  bool places_by_heads = false;  // what has a position head is chosen, the rest follows the rule
};

// How many tokens at the prompt's end belong to the item that goes on.
std::int64_t tokens_of_last_item(const std::vector<Token>& prompt);
// The place of token `index` of its item.
std::array<std::int32_t, 3> place_of(const GenerateRule& rule, std::int64_t index,
                                     std::int32_t modality);

class Writing {
 public:
  Writing(const std::vector<Token>& prompt, const GenerateRule& rule);

  const std::vector<Token>& tokens() const { return tokens_; }  // the prompt's and the new ones
  std::int64_t size() const { return static_cast<std::int64_t>(tokens_.size()); }
  std::int64_t made() const { return size() - prompt_; }
  std::vector<Token> added() const;
  bool ended() const { return ended_; }  // the model said so, or there are enough
  // A chosen token; its modality `none` ends it. Negative places and items are set by the rule.
  void add(const GenerateRule& rule, Token token);

 private:
  std::vector<Token> tokens_;
  std::int64_t prompt_;  // tokens
  std::int64_t index_;   // place of the next token in its item
  std::int32_t item_;
  bool ended_;
};

}  // namespace ortho
