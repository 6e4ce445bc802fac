#include "trainer/promise.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <span>

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
Batch old_probe(const GrowPlan& plan, std::int64_t windows, std::uint64_t seed) {
  const Random random(seed, "probe");
  Batch batch;
  batch.tokens = context(plan.from);
  batch.windows = promise_parts(plan) * windows;
  for (std::int64_t i = 0; i < batch.tokens * batch.windows; ++i)
    batch.input.push_back(random_token(plan.from, random, static_cast<std::uint64_t>(i)));
  batch.target.resize(batch.input.size());
  return batch;
}

// Rows of the old probe and, one by one, the rows of the new probe that hold the same tokens.
struct Rows {
  std::vector<std::int32_t> before, after;
};

Rows promised_rows(const GrowPlan& plan, std::int64_t windows) {
  const std::int64_t parts = promise_parts(plan);
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
                std::int64_t windows, std::uint64_t seed) {
  const Random random(seed, "probe/rest");
  Batch batch;
  batch.tokens = context(plan.to);
  batch.windows = windows;
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
  for (const PlaceHead& place : place_heads(spec)) names.push_back(place.name);
  if (spec.item_head) names.push_back("item");
  return names;
}

// The probe's windows that this rank's replica holds.
Range own_windows(const Sharding& sharding) {
  const Box box = sharding.box(sharding.home(), 1);
  const auto axis = static_cast<size_t>(sharding.nodes(1).batch_axis());
  return {box.lo[axis], box.hi[axis]};
}

Batch windows_of(const Batch& all, const Range& windows) {
  Batch batch;
  batch.tokens = all.tokens;
  batch.windows = windows.size();
  batch.first_window = windows.lo;
  for (std::int64_t t = 0; t < all.tokens; ++t)
    for (std::int64_t w = windows.lo; w < windows.hi; ++w)
      batch.input.push_back(all.input[static_cast<size_t>(t * all.windows + w)]);
  batch.target.resize(batch.input.size());
  return batch;
}

// The rows of a probe that lie in this rank's windows, and their places in the list of all.
struct OwnRows {
  std::vector<std::int32_t> rows;
  std::vector<size_t> places;
};

OwnRows own_rows(const ProbeBatch& probe, const Range& windows) {
  OwnRows own;
  for (size_t i = 0; i < probe.rows.size(); ++i) {
    const std::int64_t token = probe.rows[i] / probe.batch.windows;
    const std::int64_t window = probe.rows[i] % probe.batch.windows;
    if (window < windows.lo || window >= windows.hi) continue;
    own.rows.push_back(static_cast<std::int32_t>(token * windows.size() + window - windows.lo));
    own.places.push_back(i);
  }
  return own;
}

// All rows' logits on every rank: each replica's first rank gives its rows, the rest are zero.
template <class T>
std::vector<T> share_logits(const Sharding& sharding, const OwnRows& own, size_t rows,
                            const std::vector<T>& mine, size_t classes, Channel& world) {
  std::vector<T> all(rows * classes, T(0));
  // The batch is the outermost axis of the mesh: ranks of one replica follow each other.
  if (sharding.rank() % (sharding.ranks() / sharding.replicas()) == 0)
    for (size_t i = 0; i < own.places.size(); ++i)
      std::copy_n(mine.begin() + static_cast<std::ptrdiff_t>(i * classes), classes,
                  all.begin() + static_cast<std::ptrdiff_t>(own.places[i] * classes));
  world.sum(std::span<T>(all));
  return all;
}

// Logits of the named heads at the probe's rows, one list a head. The model lives in here alone.
template <class T>
std::vector<std::vector<T>> probe_logits(const ModelSpec& spec, const Cuts& cuts,
                                         const ProbeBatch& probe,
                                         const std::vector<std::string>& heads, Params<T>& params,
                                         Backend<T>& backend, Channel& world) {
  const Sharding sharding(spec, probe.batch.windows, cuts, world.rank());
  const Range windows = own_windows(sharding);
  const OwnRows own = own_rows(probe, windows);
  Arena<T> arena;
  Model<T> model(spec, sharding, params, backend, arena, &world);
  model.run(windows_of(probe.batch, windows));
  std::vector<std::vector<T>> logits;
  for (const std::string& head : heads) {
    std::vector<T> mine;
    if (!own.rows.empty()) mine = logits_of(model.head(), head, own.rows);
    const auto classes = static_cast<size_t>(model.head().classes(head));
    logits.push_back(share_logits(sharding, own, probe.rows.size(), mine, classes, world));
  }
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

int token_parts(const Cuts& cuts) {
  return std::accumulate(cuts.tokens.begin(), cuts.tokens.end(), 1, std::multiplies<>());
}

// Whether the mesh finds so many windows enough: where a cut axis must be whole, they may have to
// be cut instead.
bool is_enough(const ModelSpec& spec, std::int64_t windows, const Cuts& cuts) {
  try {
    const Sharding sharding(spec, windows, cuts, 0);
    Params<float> params(param_specs(spec), param_layouts(spec, sharding), 0, true);
    const auto backend = make_cpu_backend<float>(1);
    Arena<float> arena(true);
    const Model<float> model(spec, sharding, params, *backend, arena);
    return true;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::usage) throw;
    return false;
  }
}

}  // namespace

std::int64_t probe_windows(const GrowPlan& plan, const Cuts& before, const Cuts& after) {
  constexpr std::int64_t kMost = 4096;
  std::int64_t least = std::lcm(before.batch, after.batch);
  if (context(plan.to) <= kLongProbe)
    least *= 2 * std::max(token_parts(before), token_parts(after));
  for (std::int64_t windows = least; windows <= least * kMost; windows *= 2)
    if (is_enough(plan.from, promise_parts(plan) * windows, before) &&
        is_enough(plan.to, windows, after))
      return windows;
  return least;  // the models say what they miss
}

template <class T>
PromiseProbe<T>::PromiseProbe(const GrowPlan& plan, const Cuts& before, const Cuts& after,
                              std::uint64_t seed)
    : plan_(plan), before_(before), after_(after), heads_(heads_of(plan.from)) {
  if (plan.promise.kind == PromiseKind::none) return;
  const std::int64_t windows = probe_windows(plan, before, after);
  const Rows all = promised_rows(plan, windows), some = some_rows(all, seed);
  old_ = {old_probe(plan, windows, seed), some.before};
  new_ = {new_probe(plan, old_.batch, all, windows, seed), some.after};
}

template <class T>
void PromiseProbe<T>::ask_old(Params<T>& params, Backend<T>& backend, Channel& world) {
  if (plan_.promise.kind == PromiseKind::none) return;
  old_logits_ = probe_logits(plan_.from, before_, old_, heads_, params, backend, world);
}

template <class T>
PromiseCheck PromiseProbe<T>::ask_new(Params<T>& params, Backend<T>& backend, Channel& world) {
  PromiseCheck check;
  if (plan_.promise.kind == PromiseKind::none) return check;
  const Logits logits = probe_logits(plan_.to, after_, new_, heads_, params, backend, world);
  for (size_t h = 0; h < heads_.size(); ++h)
    compare(old_.rows.size(), old_logits_.at(h), logits[h], check);
  check.kept = check.largest_difference <= plan_.promise.tolerance * check.largest_logit;
  return check;
}

std::string check_text(const GrowPlan& plan, const PromiseCheck& check) {
  if (plan.promise.kind == PromiseKind::none) return promise_text(plan.promise);
  return text(promise_text(plan.promise), ": largest difference ", check.largest_difference,
              " of logits up to ", check.largest_logit, ", ", check.kept ? "kept" : "BROKEN");
}

template class PromiseProbe<float>;
template class PromiseProbe<double>;

}  // namespace ortho
