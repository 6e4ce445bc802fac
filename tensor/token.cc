#include "tensor/token.h"

#include "core/error.h"

namespace ortho {
namespace {

constexpr std::array<const char*, 5> kNames = {"none", "text", "pixel", "audio", "query"};

}  // namespace

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
