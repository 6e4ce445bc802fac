// Window: how one record's tokens lie in the T places of a window, and what each must predict.
//
// next_token slices the record: place p of window w holds token w * T - before + p and predicts the
// one after it. diffusion slices it the same way and hides some tokens (dataio/masking.h). one_shot
// puts the input items first, then slots marked `query` to the window's end, or as many as the rule
// says at its very end; slot i predicts token i of the output. Places without a token are padding:
// zeros, never scored.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dataio/words.h"
#include "tensor/box.h"
#include "tensor/token.h"

namespace ortho {

enum class Objective { next_token, one_shot, diffusion };
constexpr int kObjectives = 3;
std::string objective_name(Objective objective);  // "next_token"
// Spare places: some before the input by chance, all behind it, or all before it.
enum class Padding { random, end, start };
// Of `spare` places, those before the input; `drawn` is asked only where chance decides.
std::int64_t spare_before(Padding padding, std::int64_t spare,
                          const std::function<std::int64_t()>& drawn);

struct WindowRule {
  Objective objective = Objective::next_token;
  std::int64_t tokens = 1;  // places of a record's tokens, >= 1: T without a prefix
  std::int64_t prefix = 0;  // learned tokens before them (tensor/token.h)
  Padding padding = Padding::random;
  bool score_end = false;               // next_token: the record's last token must predict `none`
  std::optional<Modality> output = {};  // one_shot: all items of it; default: the last item
  bool cut = false;  // one_shot: cut records that do not fit instead of skipping them
  // one_shot: places at the window's end that are slots, whatever the input's length; what comes
  // after the output's end is not asked. 0: all that the input leaves, all of them asked.
  std::int64_t slots = 0;

  std::int64_t window() const { return prefix + tokens; }  // T
  std::int64_t input_room() const { return tokens - slots; }
};

// Where tokens of such windows may carry their word.
WordRule word_rule(Objective objective);

// An item of a record: what it is and how many tokens it has.
struct ItemSize {
  Modality modality;
  std::int64_t tokens;
};

std::int64_t total_tokens(std::span<const ItemSize> items);

// How a one_shot record lies in its window.
// Items are renumbered: first the inputs, then the outputs.
struct OneShot {
  std::vector<std::size_t> inputs, outputs;  // the record's items, each list in the record's order
  std::int64_t input_tokens = 0;             // that are used: from the start, less when cut
  std::int64_t output_tokens = 0;

  std::int64_t spare(const WindowRule& rule) const;  // places that hold neither
};

// Nothing when the record has no output item or no input, or does not fit and may not be cut. Cut
// are: the inputs, down to half of the window (with slots: to the room before them), then the output.
std::optional<OneShot> plan_one_shot(std::span<const ItemSize> items, const WindowRule& rule);

// Windows the record gives: ceil(L / T), or 1 or 0 for one_shot.
std::int64_t windows_of(std::span<const ItemSize> items, const WindowRule& rule);

// Column `window` of the batch for window `index` of a record of `length` tokens with `before`
// spare places before it. `read` appends tokens `lo` to `hi` of the record; it is called once,
// never past `length`.
using ReadTokens = std::function<void(Range which, std::vector<Token>& out)>;
void lay_next_token(std::int64_t index, std::int64_t before, std::int64_t length,
                    const WindowRule& rule, const ReadTokens& read, std::int64_t window,
                    Batch& batch);

// The same for one_shot: `input` and `output` hold the planned tokens. All slots carry the number
// of the first output item, count on in place[0], and carry the modality asked for as their symbol:
// that of the first token of the answer, or `asked` where there is none.
void lay_one_shot(std::span<const Token> input, std::span<const Token> output,
                  std::int32_t output_item, std::int64_t before, const WindowRule& rule,
                  std::int64_t window, Batch& batch, Modality asked = Modality::none);

// The first `count` tokens of column `window`: the learned prefix, if there is one.
void lay_prefix(std::int64_t count, std::int64_t window, Batch& batch);

// An empty batch: padding everywhere, nothing scored.
Batch empty_batch(std::int64_t tokens, std::int64_t windows, std::int64_t first_window,
                  Objective objective = Objective::next_token);

}  // namespace ortho
