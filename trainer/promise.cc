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
  const Modality modality = spec.modalities[static_cast<size_t>(below(kinds))];
  Token token;
  token.modality = static_cast<std::int32_t>(modality);
  token.symbol[0] = below(symbol_count(spec, modality));
  if (modality == Modality::pixel)
    for (const size_t colour : {1, 2}) token.symbol[colour] = below(kPixelLevels);
  token.place = {below(64), below(64), 0};
  token.item = below(2);
  return token;
}

// The windows of all parts side by side: window w of part p is column p * windows + w.
Batch old_probe(const GrowPlan& plan, std::uint64_t seed) {
  const Random random(seed, "probe");
  Batch batch;
  batch.tokens = context(plan.from);
  batch.windows = promise_parts(plan) * probe_windows(plan);
  for (std::int64_t i = 0; i < batch.tokens * batch.windows; ++i)
    batch.input.push_back(random_token(plan.from, random, static_cast<std::uint64_t>(i)));
  batch.target.resize(batch.input.size());
  return batch;
}

// Rows of the old probe and, one by one, the rows of the new probe that hold the same tokens.
struct Rows {
  std::vector<std::int32_t> before, after;
};

Rows promised_rows(const GrowPlan& plan) {
  const std::int64_t windows = probe_windows(plan), parts = promise_parts(plan);
  Rows rows;
  for (std::int64_t part = 0; part < parts; ++part)
    for (std::int64_t t = 0; t < context(plan.from); ++t)
      for (std::int64_t w = 0; w < windows; ++w) {
        rows.before.push_back(static_cast<std::int32_t>((t * parts + part) * windows + w));
        rows.after.push_back(
            static_cast<std::int32_t>(promised_token(plan, part, t) * windows + w));
      }
  return rows;
}

// The old windows at their promised places in the new one; whatever is left is random too.
Batch new_probe(const GrowPlan& plan, const Batch& old_batch, const Rows& rows,
                std::uint64_t seed) {
  const Random random(seed, "probe/rest");
  Batch batch;
  batch.tokens = context(plan.to);
  batch.windows = probe_windows(plan);
  for (std::int64_t i = 0; i < batch.tokens * batch.windows; ++i)
    batch.input.push_back(random_token(plan.from, random, static_cast<std::uint64_t>(i)));
  for (size_t i = 0; i < rows.before.size(); ++i)
    batch.input[static_cast<size_t>(rows.after[i])] =
        old_batch.input[static_cast<size_t>(rows.before[i])];
  batch.target.resize(batch.input.size());
  return batch;
}

// At most kProbeRows of them, one by chance from each of as many equal runs: a fixed step would
// fall on the same coordinates again and again.
Rows some_rows(const Rows& all, std::uint64_t seed) {
  const auto count = static_cast<std::int64_t>(all.before.size());
  if (count <= kProbeRows) return all;
  const Random random(seed, "probe/rows");
  Rows some;
  for (std::int64_t i = 0; i < kProbeRows; ++i) {
    const std::int64_t lo = i * count / kProbeRows, hi = (i + 1) * count / kProbeRows;
    const auto at = static_cast<size_t>(lo) + random.below(static_cast<std::uint64_t>(i),
                                                           static_cast<std::uint64_t>(hi - lo));
    some.before.push_back(all.before[at]);
    some.after.push_back(all.after[at]);
  }
  return some;
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

// Logits of the named heads, one list a head. The model lives in here alone, so that the old and
// the new one never need memory at once.
template <class T>
std::vector<std::vector<T>> probe_logits(const ModelSpec& spec, const Batch& batch,
                                         const std::vector<std::string>& heads,
                                         const std::vector<std::int32_t>& rows, Params<T>& params,
                                         Backend<T>& backend) {
  Arena<T> arena;
  Model<T> model(spec, batch.windows, params, backend, arena);
  model.run(batch);
  std::vector<std::vector<T>> logits;
  for (const std::string& head : heads) logits.push_back(logits_of(model.head(), head, rows));
  return logits;
}

// Both hold `rows` rows; the old head's classes are the first of the new one's.
template <class T>
void compare(size_t rows, const std::vector<T>& before, const std::vector<T>& after,
             PromiseCheck& check) {
  const size_t before_classes = before.size() / rows, after_classes = after.size() / rows;
  for (size_t r = 0; r < rows; ++r)
    for (size_t c = 0; c < before_classes; ++c) {
      const auto was = static_cast<double>(before[r * before_classes + c]);
      const auto is = static_cast<double>(after[r * after_classes + c]);
      const double difference = std::abs(is - was);
      check.largest_difference =
          std::max(check.largest_difference, std::isfinite(difference) ? difference : INFINITY);
      check.largest_logit = std::max(check.largest_logit, std::abs(was));
    }
}

}  // namespace

std::int64_t probe_windows(const GrowPlan& plan) { return context(plan.to) <= kLongProbe ? 2 : 1; }

template <class T>
PromiseCheck check_promise(const GrowPlan& plan, Params<T>& old_params, Params<T>& new_params,
                           Backend<T>& backend, std::uint64_t seed) {
  PromiseCheck check;
  if (plan.promise.kind == PromiseKind::none) return check;
  const Rows all = promised_rows(plan), some = some_rows(all, seed);
  const Batch old_batch = old_probe(plan, seed), new_batch = new_probe(plan, old_batch, all, seed);
  const auto heads = heads_of(plan.from);
  const auto before = probe_logits(plan.from, old_batch, heads, some.before, old_params, backend);
  const auto after = probe_logits(plan.to, new_batch, heads, some.after, new_params, backend);
  for (size_t h = 0; h < heads.size(); ++h) compare(some.before.size(), before[h], after[h], check);
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
