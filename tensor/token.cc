#include "tensor/token.h"

#include <algorithm>

#include "core/error.h"

namespace ortho {
namespace {

constexpr std::array<const char*, 6> kNames = {"none",  "text",  "pixel",
                                               "audio", "query", "identity"};

}  // namespace

Token identity_token(std::int64_t index) {
  Token token;
  token.modality = static_cast<std::int32_t>(Modality::identity);
  token.place[0] = static_cast<std::int32_t>(index);
  token.item = -1;
  return token;
}

std::vector<std::int64_t> targets_of_windows(const Batch& batch) {
  if (!batch.window_means) return {};
  std::vector<std::int64_t> counts(static_cast<size_t>(batch.windows), 0);
  for (size_t row = 0; row < batch.target.size(); ++row)
    counts[row % counts.size()] += batch.target[row].scored;
  return counts;
}

std::int64_t loss_divisor(const Batch& batch) {
  if (batch.window_means) {
    const std::vector<std::int64_t> counts = targets_of_windows(batch);
    return std::count_if(counts.begin(), counts.end(), [](std::int64_t n) { return n > 0; });
  }
  std::int64_t scored = 0;
  for (const Target& target : batch.target) scored += target.scored;
  return scored;
}

std::string row_text(const Batch& batch, std::int64_t row) {
  return text("token ", row / batch.windows, " of window ",
              batch.first_window + row % batch.windows);
}

std::string modality_name(Modality modality) { return kNames.at(static_cast<size_t>(modality)); }

Modality modality_from_name(const std::string& name) {
  for (const int known : {1, 2, 3})
    if (name == kNames.at(static_cast<size_t>(known))) return static_cast<Modality>(known);
  fail(ErrorKind::usage, text("unknown modality '", name, "'; known: text, pixel, audio"));
}

}  // namespace ortho
