#include "model/head.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "model/block.h"

namespace ortho {
namespace {

constexpr std::int64_t kLogitsAtOnce = std::int64_t{1} << 22;  // elements: 16 MiB in float

// A term of symbols has its modality's number.
static_assert(static_cast<int>(Term::text) == static_cast<int>(Modality::text) &&
              static_cast<int>(Term::pixel) == static_cast<int>(Modality::pixel) &&
              static_cast<int>(Term::audio) == static_cast<int>(Modality::audio));

constexpr std::int32_t code(Modality modality) { return static_cast<std::int32_t>(modality); }

}  // namespace

std::string term_name(Term term) {
  if (term == Term::modality) return "modality";
  if (term == Term::place) return "place";
  if (term == Term::item) return "item";
  return modality_name(static_cast<Modality>(term));
}

void TermSums::add(const TermSums& other) {
  for (size_t i = 0; i < kTerms; ++i) {
    nats[i] += other.nats[i];
    asked[i] += other.asked[i];
    targets[i] += other.targets[i];
    hits[i] += other.hits[i];
  }
  scored += other.scored;
}

double TermSums::loss(const TermWeights& weights) const {
  double total = 0;
  for (size_t i = 0; i < kTerms; ++i) total += weights.weight[i] * nats[i];
  return scored > 0 ? total / static_cast<double>(scored) : 0;
}

double TermSums::mean(Term term) const {
  const auto i = static_cast<size_t>(term);
  return targets[i] > 0 ? nats[i] / asked[i] : 0;
}

template <class T>
Head<T>::Head(const Build<T>& build, Channel* replica, Channel* alike)
    : norm_(build.spec.norm),
      held_(build.sharding.rows(build.sharding.home())),
      nodes_(build.sharding.local(build.sharding.whole_channels(build.sharding.home()),
                                  build.spec.channels)),
      wide_(nodes_.with_channels(embed_width(build.spec))),
      replica_(replica),
      alike_(alike),
      gather_(build.moves.add(
          build.sharding.nodes(build.spec.channels).shape, build.sharding.home(),
          build.sharding.whole_channels(build.sharding.home()), "the heads' input")),
      backend_(build.backend) {
  Params<T>& params = build.params;
  Arena<T>& arena = build.arena;
  if (norm_ != Norm::none) gain_ = &params.at("final.gain");
  if (build.spec.width != 0) post_ = &params.at("post");
  add_step(params, "modality", Term::modality, kAll, 0);
  add_step(params, "text", Term::text, code(Modality::text), 0);
  add_step(params, "red", Term::pixel, code(Modality::pixel), 0);
  add_step(params, "green", Term::pixel, code(Modality::pixel), 1);
  add_step(params, "blue", Term::pixel, code(Modality::pixel), 2);
  add_step(params, "audio", Term::audio, code(Modality::audio), 0);
  for (const PlaceHead& place : place_heads(build.spec))
    add_step(params, place.name, Term::place, code(place.modality), place.axis);
  add_step(params, "item", Term::item, kItems, 0);
  const int parts = build.sharding.cuts().channels;
  std::int64_t widest = 1;  // of all ranks alike, which run the same chunks
  for (const Step& step : steps_) widest = std::max(widest, split(step.classes(), parts, 0).size());
  chunk_rows_ = std::clamp<std::int64_t>(kLogitsAtOnce / widest, 1, nodes_.rows());
  if (gather_) x_ = arena.take(nodes_.elements(), "head input, all channels");
  if (gather_) told_ = arena.take(parts * chunk_rows_ * kSoftmaxPart, "parts of softmax");
  h_ = arena.take(nodes_.elements(), "head input");
  dh_ = arena.take(nodes_.elements(), "head input gradient");
  stats_ = arena.take(2 * nodes_.rows(), "head norm statistics");
  wide_h_ = post_ ? arena.take(wide_.elements(), "post map") : h_;
  wide_dh_ = post_ ? arena.take(wide_.elements(), "post map gradient") : dh_;
  packed_ = arena.take(chunk_rows_ * wide_.channels, "head rows");
  dpacked_ = arena.take(chunk_rows_ * wide_.channels, "head rows gradient");
  logits_ = arena.take(chunk_rows_ * widest, "logits");
  rows_ = arena.take_rows(nodes_.rows(), "rows asked");
  targets_ = arena.take_rows(nodes_.rows(), "targets");
  size_t given = 0;
  for (const Step& step : steps_) given = std::max(given, step.given.size());
  for (size_t g = 0; g < given; ++g)
    selected_.push_back(arena.take_rows(nodes_.rows(), "given symbols"));
}

template <class T>
void Head<T>::add_step(Params<T>& params, const std::string& name, Term term, std::int32_t modality,
                       int index) {
  const std::string full = "head." + name;
  if (!params.has(full)) return;
  Step step = {name, term, modality, index, &params.at(full), {}};
  const std::array<const char*, 2> colours = {".given_red", ".given_green"};
  for (int s = 0; s < 2; ++s)
    if (params.has(full + colours[static_cast<size_t>(s)]))
      step.given.push_back({&params.at(full + colours[static_cast<size_t>(s)]), s});
  steps_.push_back(std::move(step));
}

template <class T>
void Head<T>::forward_rows(const T* x) {
  if (gather_) gather_->run(Way::forward, x, x_, Fill::over);
  if (gather_) x = x_;
  if (gain_)
    backend_.norm(norm_, nodes_, kNormEpsilon, x, gain_->value, h_, stats_);
  else
    backend_.copy(nodes_.elements(), x, h_);
  if (post_) backend_.channel_map(nodes_, wide_.channels, h_, post_->value, wide_h_, false);
}

template <class T>
bool Head<T>::Step::asks(const Target& target) const {
  if (!target.scored) return false;
  if (modality == kItems) return target.modality != code(Modality::none);
  return modality == kAll || modality == target.modality;
}

// Places and items beyond the table of their kind wrap around, as they do in Embed.
template <class T>
std::int32_t Head<T>::Step::wanted(const Target& target) const {
  const auto rows = static_cast<std::int32_t>(classes());
  const auto at = static_cast<size_t>(index);
  if (term == Term::modality) return target.modality;
  if (term == Term::place) return target.place[at] % rows;
  if (term == Term::item) return target.item % rows;
  return target.symbol[at];
}

template <class T>
void Head<T>::choose_rows(const Batch& batch, const Step& step) {
  asked_ = 0;
  weights_.clear();
  const auto classes = static_cast<std::int32_t>(step.classes());
  const Range own = step.own();
  for_each_row(held_, [&](std::int64_t local, std::int64_t row) {
    const Target& target = batch.target[batch.entry(row, local)];
    if (!step.asks(target)) return;
    const std::int32_t wanted = step.wanted(target);
    REQUIRE(wanted >= 0 && wanted < classes, row_text(batch, row), " must predict symbol ", wanted,
            " of head ", step.name, ", which has ", classes,
            ": the data holds a symbol this model does not know");
    rows_[asked_] = static_cast<std::int32_t>(local);
    targets_[asked_] =
        wanted >= own.lo && wanted < own.hi ? wanted - static_cast<std::int32_t>(own.lo) : -1;
    for (size_t g = 0; g < step.given.size(); ++g)
      selected_[g][asked_] = target.symbol[static_cast<size_t>(step.given[g].symbol)];
    if (batch.window_means)
      weights_.push_back(
          1.0 / static_cast<double>(of_windows_[static_cast<size_t>(row % batch.windows)]));
    ++asked_;
  });
}

// Of the rows held here. A window counts where its first target is.
template <class T>
std::int64_t Head<T>::count_scored(const Batch& batch) {
  ASSERT(!batch.part || !batch.window_means, "the means of windows that are not whole");
  of_windows_ = targets_of_windows(batch);
  std::vector<bool> begun(of_windows_.size(), false);
  std::vector<bool> first(batch.window_means ? batch.target.size() : 0, false);
  for (size_t row = 0; row < first.size(); ++row) {
    const size_t window = row % begun.size();
    first[row] = batch.target[row].scored != 0 && !begun[window];
    begun[window] = begun[window] || first[row];
  }
  std::int64_t scored = 0;
  for_each_row(held_, [&](std::int64_t local, std::int64_t row) {
    if (batch.window_means)
      scored += first[static_cast<size_t>(row)];
    else
      scored += batch.target[batch.entry(row, local)].scored;
  });
  return scored;
}

// Of the logits of the rows `first` on. Each rank tells of its classes in a place of its own: adding
// the zeros of others changes no number.
template <class T>
void Head<T>::cross_entropy(const Step& step, std::int64_t first, std::int64_t rows, double scale,
                            TermSums& sums) {
  const std::span<const std::int32_t> targets(targets_ + first, static_cast<size_t>(rows));
  std::span<const double> weights;
  if (!weights_.empty())
    weights = std::span<const double>(weights_).subspan(static_cast<size_t>(first), targets.size());
  const std::int64_t columns = step.own().size();
  const auto term = static_cast<size_t>(step.term);
  if (!gather_)
    return backend_.cross_entropy(rows, columns, targets, weights, scale, logits_, &sums.nats[term],
                                  &sums.hits[term]);
  ASSERT(alike_ != nullptr, "other ranks hold classes of these rows: they must be known");
  const std::int64_t parts = alike_->ranks(), part = rows * kSoftmaxPart;
  backend_.zero(parts * part, told_);
  backend_.softmax_part(rows, columns, targets, logits_, told_ + alike_->rank() * part);
  alike_->sum(std::span<T>(told_, static_cast<size_t>(parts * part)));
  backend_.cross_entropy_part(rows, columns, targets, weights, scale, parts, told_, logits_,
                              &sums.nats[term], &sums.hits[term]);
}

template <class T>
void Head<T>::run_chunk(const Step& step, std::int64_t first, std::int64_t count, double scale,
                        bool differentiate, TermSums& sums) {
  const std::int64_t width = wide_.channels, classes = step.own().size();
  const auto part = [&](const std::int32_t* all) {
    return std::span<const std::int32_t>(all + first, static_cast<size_t>(count));
  };
  // Every row asked and channels inside: the tensor is the packed matrix already.
  const bool direct = wide_.order == Order::channels_inner && asked_ == wide_.rows();
  const T* in = direct ? wide_h_ + first * width : packed_;
  if (!direct) backend_.pack_rows(wide_, part(rows_), wide_h_, packed_);
  const Nodes nodes = {count, 1, classes, Order::channels_inner};
  backend_.gemm(Transpose::no, Transpose::no, count, classes, width, in, width, step.weight->value,
                classes, logits_, classes, false);
  for (size_t g = 0; g < step.given.size(); ++g)
    backend_.embed(nodes, part(selected_[g]), step.given[g].table->value, logits_);
  cross_entropy(step, first, count, scale, sums);
  if (!differentiate || classes == 0) return;
  // A later step adds, whole sums to whole sums, so that no bit depends on which rows are asked.
  const bool in_place = direct && &step == &steps_.front();
  for (size_t g = 0; g < step.given.size(); ++g)
    if (step.given[g].table->trained)
      backend_.embed_dw(nodes, part(selected_[g]), logits_, step.given[g].table->grad);
  if (step.weight->trained)
    backend_.gemm(Transpose::yes, Transpose::no, width, classes, count, in, width, logits_, classes,
                  step.weight->grad, classes, true);
  backend_.gemm(Transpose::no, Transpose::yes, count, width, classes, logits_, classes,
                step.weight->value, classes, in_place ? wide_dh_ + first * width : dpacked_, width,
                false);
  if (!in_place) backend_.unpack_rows(wide_, part(rows_), dpacked_, wide_dh_);
}

template <class T>
void Head<T>::run_step(const Step& step, double scale, bool differentiate, TermSums& sums) {
  const std::int64_t total = asked_;
  // Green and blue ask the same tokens as red: a pixel is one target.
  if (step.index == 0 || step.term == Term::place) {
    const auto term = static_cast<size_t>(step.term);
    sums.targets[term] += total;
    sums.asked[term] += weights_.empty() ? static_cast<double>(total)
                                         : std::accumulate(weights_.begin(), weights_.end(), 0.0);
  }
  for (std::int64_t first = 0; first < total; first += chunk_rows_)
    run_chunk(step, first, std::min(chunk_rows_, total - first), scale, differentiate, sums);
}

template <class T>
TermSums Head<T>::run(const Batch& batch, const TermWeights& weights, double normaliser,
                      bool differentiate, const T* x, T* dx) {
  const std::int64_t expected = batch.part ? held_.count() : elements(held_.batch);
  ASSERT(static_cast<std::int64_t>(batch.target.size()) == expected, "targets of ",
         batch.target.size(), " rows for a model of ", shape_text(held_.batch));
  TermSums sums;
  sums.scored = count_scored(batch);
  forward_rows(x);
  if (differentiate) backend_.zero(wide_.elements(), wide_dh_);
  for (const Step& step : steps_) {
    const double weight = weights.weight[static_cast<size_t>(step.term)];
    choose_rows(batch, step);
    run_step(step, weight / normaliser, differentiate && weight != 0, sums);
  }
  if (differentiate) to_stream(x, dx);
  return alike_ == nullptr || alike_->rank() == 0 ? sums : TermSums{};
}

// Where ranks have some classes each, what they compute is partial all the way: the norm's gradient
// is linear in dh.
template <class T>
void Head<T>::to_stream(const T* x, T* dx) {
  if (post_) {
    if (post_->trained) backend_.channel_map_dw(nodes_, wide_.channels, h_, wide_dh_, post_->grad);
    backend_.channel_map_dx(nodes_, wide_.channels, wide_dh_, post_->value, dh_, false);
  }
  T* const partial = gather_ ? h_ : dx;  // h_ has served
  backend_.zero(nodes_.elements(), partial);
  if (gain_)
    backend_.norm_dx(norm_, nodes_, gather_ ? x_ : x, gain_->value, stats_, dh_, partial,
                     gain_->grad);
  else
    backend_.add(nodes_.elements(), dh_, partial);
  if (gain_ && !gain_->trained) backend_.zero(gain_->size, gain_->grad);
  if (gather_) gather_->run(Way::backward, partial, dx, Fill::over);
}

template <class T>
TermSums Head<T>::score(const Batch& batch, const T* x) {
  return run(batch, {}, 1, false, x, nullptr);
}

template <class T>
TermSums Head<T>::score_and_differentiate(const Batch& batch, const TermWeights& weights,
                                          double normaliser, const T* x, T* dx) {
  return run(batch, weights, normaliser, true, x, dx);
}

template <class T>
const typename Head<T>::Step& Head<T>::step_of(const std::string& head) const {
  for (const Step& step : steps_)
    if (step.name == head) return step;
  fail(ErrorKind::usage,
       text("this model has no head '", head, "': that modality was never added to it"));
}

template <class T>
bool Head<T>::has(const std::string& head) const {
  return std::any_of(steps_.begin(), steps_.end(),
                     [&](const Step& step) { return step.name == head; });
}

template <class T>
std::int64_t Head<T>::classes(const std::string& head) const {
  return step_of(head).classes();
}

template <class T>
void Head<T>::local_logits(const Step& step, std::span<const std::int32_t> rows,
                           const std::vector<std::vector<std::int32_t>>& given, T* out) {
  const std::int64_t width = wide_.channels, count = static_cast<std::int64_t>(rows.size());
  const std::int64_t columns = step.own().size();
  for (std::int64_t first = 0; first < count; first += chunk_rows_) {
    const std::int64_t n = std::min(chunk_rows_, count - first);
    const auto at = static_cast<size_t>(first);
    backend_.pack_rows(wide_, rows.subspan(at, static_cast<size_t>(n)), wide_h_, packed_);
    backend_.gemm(Transpose::no, Transpose::no, n, columns, width, packed_, width,
                  step.weight->value, columns, out + first * columns, columns, false);
    for (size_t g = 0; g < given.size(); ++g)
      backend_.embed({n, 1, columns, Order::channels_inner},
                     std::span<const std::int32_t>(given[g]).subspan(at, static_cast<size_t>(n)),
                     step.given[g].table->value, out + first * columns);
  }
}

// Each logit comes from the one rank that holds its row and its class; the others add zero, which is
// exact.
template <class T>
void Head<T>::logits(const std::string& head, std::span<const std::int32_t> rows,
                     const std::vector<std::vector<std::int32_t>>& given, T* out) {
  const Step& step = step_of(head);
  ASSERT(given.size() == step.given.size(), head, " needs ", step.given.size(), " given symbols");
  if (held_.all() && !gather_) return local_logits(step, rows, given, out);
  ASSERT(replica_ != nullptr, "other ranks hold rows of this batch: they must be known");
  std::vector<std::int32_t> own;
  std::vector<std::vector<std::int32_t>> own_given(given.size());
  std::vector<size_t> place;  // of each own row among `rows`
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::int64_t local = held_.local(rows[i]);
    if (local < 0) continue;
    own.push_back(static_cast<std::int32_t>(local));
    place.push_back(i);
    for (size_t g = 0; g < given.size(); ++g) own_given[g].push_back(given[g][i]);
  }
  const std::int64_t columns = step.own().size();
  std::vector<T> part(own.size() * static_cast<size_t>(columns));
  local_logits(step, own, own_given, part.data());
  const std::span<T> all(out, rows.size() * static_cast<size_t>(step.classes()));
  std::fill(all.begin(), all.end(), T(0));
  for (size_t i = 0; i < place.size(); ++i)
    std::copy_n(
        part.begin() + static_cast<std::ptrdiff_t>(i) * columns, columns,
        all.begin() + static_cast<std::ptrdiff_t>(place[i]) * step.classes() + step.own().lo);
  replica_->sum(all);
}

template class Head<float>;
template class Head<double>;

}  // namespace ortho
