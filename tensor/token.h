// Tokens and batches: the plain structs that data loading fills and the model eats.
//
// A token is one node column of the grid: a modality, its symbol(s),
// its place within its item, and which item of the window it belongs to.
// All zeros is padding. Symbols are table rows, never raw code points.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace ortho {

// The numbers are stored in checkpoints and index the modality table and head.
enum class Modality : std::int32_t {
  none = 0,
  text = 1,
  pixel = 2,
  audio = 3,
  query = 4,
  identity = 5  // a token of the prefix that stands before each window: identity_token()
};
// none, text, pixel, audio: what a head can predict; none means "nothing more".
constexpr int kModalities = 4;

constexpr std::int64_t kPixelLevels = 256;  // of each of R, G, B

struct Token {
  // A Modality; `query` marks a token to be found, whose symbol is not known: an output slot of
  // one_shot, or a token that diffusion hides.
  std::int32_t modality = 0;
  // text: {row of the text table}; pixel: {R, G, B}; audio: {level}; query: {the modality asked for,
  // the modality whose place it has}, 0 = not known
  std::array<std::int32_t, 3> symbol{};
  // text, audio: {position}; pixel: {row, column, frame}
  std::array<std::int32_t, 3> place{};
  std::int32_t item = 0;  // 0 for the first item of the record, 1 for the next …
  std::int32_t word = 0;  // text: 1 + row of the word table; 0: none
  bool operator==(const Token&) const = default;
};

// Token `index` of the learned prefix. It is no token of a record: it has no item, and nothing
// hides or predicts it.
Token identity_token(std::int64_t index);

// What a token must predict. With `scored` false nothing is asked there (padding, given input).
struct Target {
  std::int32_t scored = 0;
  std::int32_t modality = 0;  // none: the record ends here
  std::array<std::int32_t, 3> symbol{};
  std::array<std::int32_t, 3> place{};  // as in Token; position heads predict them
  std::int32_t item = 0;
  bool operator==(const Target&) const = default;
};

// One rank's windows, or of each the tokens that it holds (HeldRows), token-major like the
// activations: entry [t * windows + b].
struct Batch {
  std::int64_t tokens = 0;   // T
  std::int64_t windows = 0;  // B of this rank
  // Global number of window 0, so that dropout does not depend on the mesh.
  std::int64_t first_window = 0;
  std::vector<Token> input;    // [T][B]
  std::vector<Target> target;  // [T][B]
  bool part = false;           // only the tokens held, numbered among them
  // Each window counts once: its loss is the mean over its targets. Else each target does. Such a
  // batch is never a part.
  bool window_means = false;

  // The entry of a row held, number `row` of whole windows and number `local` of those held.
  std::size_t entry(std::int64_t row, std::int64_t local) const {
    return static_cast<std::size_t>(part ? local : row);
  }
};

// What a batch's summed loss is divided by: its scored targets or, with window means, the windows
// that have any.
std::int64_t loss_divisor(const Batch& batch);
// With window means the scored targets of each window; else empty.
std::vector<std::int64_t> targets_of_windows(const Batch& batch);

// Row t * windows + b: "token 5 of window 12", the window's global number.
std::string row_text(const Batch& batch, std::int64_t row);

std::string modality_name(Modality modality);          // "text"
Modality modality_from_name(const std::string& name);  // Error(usage) listing the known names

}  // namespace ortho
