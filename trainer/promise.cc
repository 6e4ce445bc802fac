#include "trainer/promise.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "model/model.h"

namespace ortho {
namespace {

Token random_token(const ModelSpec& spec, const Random& random, std::uint64_t number) {
  std::uint64_t draw = 8 * number;
  const auto below = [&](std::int64_t n) {
    return static_cast<std::int32_t>(random.below(draw++, static_cast<std::uint64_t>(n)));
  };
  const auto kinds = static_cast<std::int64_t>(spec.modalities.size());
  Token token;
  token.modality = static_cast<std::int32_t>(spec.modalities[static_cast<size_t>(below(kinds))]);
  const auto modality = static_cast<Modality>(token.modality);
  if (modality == Modality::text) token.symbol[0] = below(spec.text_symbols);
  if (modality == Modality::audio) token.symbol[0] = below(spec.audio_levels);
  if (modality == Modality::pixel)
    for (auto& level : token.symbol) level = below(kPixelLevels);
  token.place = {below(64), below(64), 0};
  token.item = below(2);
  return token;
}

// `parts` windows of the old model side by side:
// window w of part p is column p * kProbeWindows + w.
Batch old_probe(const ModelSpec& spec, std::int64_t parts, std::uint64_t seed) {
  const Random random(seed, "probe");
  Batch batch;
  batch.tokens = context(spec);
  batch.windows = parts * kProbeWindows;
  for (std::int64_t i = 0; i < batch.tokens * batch.windows; ++i)
    batch.input.push_back(random_token(spec, random, static_cast<std::uint64_t>(i)));
  batch.target.resize(batch.input.size());
  return batch;
}

// The old windows at their promised places in the new one; whatever is left is random too.
Batch new_probe(const GrowPlan& plan, const Batch& old_batch, std::uint64_t seed) {
  const Random random(seed, "probe/rest");
  Batch batch;
  batch.tokens = context(plan.to);
  batch.windows = kProbeWindows;
  for (std::int64_t i = 0; i < batch.tokens * batch.windows; ++i)
    batch.input.push_back(random_token(plan.from, random, static_cast<std::uint64_t>(i)));
  for (std::int64_t part = 0; part < promise_parts(plan); ++part)
    for (std::int64_t t = 0; t < old_batch.tokens; ++t)
      for (std::int64_t w = 0; w < kProbeWindows; ++w)
        batch.input[static_cast<size_t>(promised_token(plan, part, t) * kProbeWindows + w)] =
            old_batch.input[static_cast<size_t>(t * old_batch.windows + part * kProbeWindows + w)];
  batch.target.resize(batch.input.size());
  return batch;
}

// Logits of one head at all rows of a batch that was run; given symbols are all 0.
template <class T>
std::vector<T> logits_of(Head<T>& head, const std::string& name,
                         const std::vector<std::int32_t>& rows) {
  const size_t given = name == "green" ? 1 : name == "blue" ? 2 : 0;
  std::vector<T> logits(rows.size() * static_cast<size_t>(head.classes(name)));
  head.logits(name, rows, std::vector(given, std::vector<std::int32_t>(rows.size(), 0)),
              logits.data());
  return logits;
}

std::vector<std::string> heads_of(const ModelSpec& spec) {
  std::vector<std::string> names;
  if (spec.modality_head) names.push_back("modality");
  if (has_modality(spec, Modality::text)) names.push_back("text");
  if (has_modality(spec, Modality::pixel)) names.insert(names.end(), {"red", "green", "blue"});
  if (has_modality(spec, Modality::audio)) names.push_back("audio");
  return names;
}

template <class T>
void compare(const std::vector<T>& before, std::int64_t before_classes, const std::vector<T>& after,
             std::int64_t after_classes, PromiseCheck& check) {
  const std::int64_t rows = static_cast<std::int64_t>(before.size()) / before_classes;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < before_classes; ++c) {
      const auto was = static_cast<double>(before[static_cast<size_t>(r * before_classes + c)]);
      const auto is = static_cast<double>(after[static_cast<size_t>(r * after_classes + c)]);
      const double difference = std::abs(is - was);
      check.largest_difference =
          std::max(check.largest_difference, std::isfinite(difference) ? difference : INFINITY);
      check.largest_logit = std::max(check.largest_logit, std::abs(was));
    }
}

}  // namespace

template <class T>
PromiseCheck check_promise(const GrowPlan& plan, Params<T>& old_params, Params<T>& new_params,
                           Backend<T>& backend, std::uint64_t seed) {
  PromiseCheck check;
  if (plan.promise.kind == PromiseKind::none) return check;
  Arena<T> arena;
  const Batch old_batch = old_probe(plan.from, promise_parts(plan), seed);
  const Batch new_batch = new_probe(plan, old_batch, seed);
  Model<T> before(plan.from, old_batch.windows, old_params, backend, arena);
  Model<T> after(plan.to, new_batch.windows, new_params, backend, arena);
  before.run(old_batch);
  after.run(new_batch);
  std::vector<std::int32_t> old_rows, new_rows;
  for (std::int64_t part = 0; part < promise_parts(plan); ++part)
    for (std::int64_t t = 0; t < old_batch.tokens; ++t)
      for (std::int64_t w = 0; w < kProbeWindows; ++w) {
        old_rows.push_back(
            static_cast<std::int32_t>(t * old_batch.windows + part * kProbeWindows + w));
        new_rows.push_back(
            static_cast<std::int32_t>(promised_token(plan, part, t) * kProbeWindows + w));
      }
  for (const std::string& head : heads_of(plan.from))
    compare(logits_of(before.head(), head, old_rows), before.head().classes(head),
            logits_of(after.head(), head, new_rows), after.head().classes(head), check);
  check.kept = check.largest_difference <= plan.promise.tolerance * check.largest_logit;
  return check;
}

std::string check_text(const GrowPlan& plan, const PromiseCheck& check) {
  if (plan.promise.kind == PromiseKind::none) return promise_text(plan.promise);
  return text(promise_text(plan.promise), ": largest difference ", check.largest_difference,
              " of logits up to ", check.largest_logit, ", ", check.kept ? "kept" : "BROKEN");
}

template PromiseCheck check_promise(const GrowPlan&, Params<float>&, Params<float>&,
                                    Backend<float>&, std::uint64_t);
template PromiseCheck check_promise(const GrowPlan&, Params<double>&, Params<double>&,
                                    Backend<double>&, std::uint64_t);

}  // namespace ortho
