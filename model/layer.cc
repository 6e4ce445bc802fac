#include "model/layer.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/error.h"

namespace ortho {
namespace {

// The numbers of the rooms (model/moves.h) that all layers use in turn.
constexpr size_t kWaiting = 0, kResults = 1, kLanding = 2, kPartialSums = 3, kGradients = 4;

// The map of the lines that a rank holds in a layout with the mapped axis whole.
DenseMap local_map(DenseMap map, const NodeShape& nodes, const Layout& layout, int rank) {
  const Box box = layout.box(nodes.shape, rank);
  const Shape part = extent(box);
  map.tokens.assign(part.begin(), part.begin() + nodes.token_axes());
  map.batch = nodes.nodes(box).batch;
  map.channels = nodes.nodes(box).channels;
  if (map.groups > 0) map.groups /= layout.parts(nodes.channel_axis());
  return map;
}

}  // namespace

template <class T>
Layer<T>::Layer(const Build<T>& build, const std::vector<Layout>& layouts, std::int64_t channels,
                const std::string& prefix, std::int64_t single_out)
    : chained_(build.spec.combine != Combine::parallel), backend_(build.backend) {
  const Sharding& sharding = build.sharding;
  const int rank = sharding.rank();
  const Nodes all{elements(build.spec.tokens), sharding.windows(), channels,
                  sharding.nodes(channels).order};
  const LayerShapes shapes = layer_shapes(build.spec, sharding, channels, single_out);
  const Whole whole{layer_maps(build.spec, all, single_out), shapes,
                    same_cuts(sharding.home(), sharding.nodes(channels), shapes.input), layouts,
                    prefix};
  const Layout home_out = same_cuts(whole.home, shapes.input, shapes.output);
  input_ = shapes.input.nodes(whole.home.box(shapes.input.shape, rank));
  output_ = shapes.output.nodes(home_out.box(shapes.output.shape, rank));
  for (size_t i = 0; i < whole.maps.size(); ++i)
    parts_.push_back({{local_map(whole.maps[i], shapes.input, whole.layouts[i], rank),
                       build.params.at(weight_name(build.spec, whole.maps, i, prefix)),
                       build.backend, build.segments}});
  plan_partial_sums(build, whole);
  chained_ ? plan_chain(build, whole) : plan_sum(build, whole);
}

// Maps whose axis stays cut. Their sums have a lane of their own, since others may be under way.
template <class T>
void Layer<T>::plan_partial_sums(const Build<T>& build, const Whole& whole) {
  const auto& [input, output] = whole.shapes;
  for (size_t i = 0; i < parts_.size(); ++i) {
    const DenseMap& map = whole.maps[i];
    if (map.on_channels() || whole.layouts[i].parts(map.axis) == 1) continue;
    const Layout part = same_cuts(whole.layouts[i], input, output);
    std::vector<int> cuts = part.cuts();
    std::replace(cuts.begin(), cuts.end(), map.axis, kReplicates);
    const Layout all(part.mesh(), cuts);
    const int rank = build.sharding.rank();
    Move<T>* const gather = build.moves.add(
        output.shape, part, all, map_name(map, whole.prefix) + " partial sums", parts_.size());
    parts_[i].map.sum_parts(
        *gather,
        build.moves.room(kPartialSums, output.nodes(all.box(output.shape, rank)).elements()),
        output.nodes(part.box(output.shape, rank)));
  }
}

template <class T>
T* Layer<T>::keep(const Build<T>& build, const Part& part) {
  const std::int64_t elements = part.map.input().elements();
  kept_bytes_ += elements * static_cast<std::int64_t>(sizeof(T));
  return build.arena.take(elements, "inputs within a layer");
}

template <class T>
void Layer<T>::plan_chain(const Build<T>& build, const Whole& whole) {
  const LayerShapes& shapes = whole.shapes;
  for (size_t i = 0; i < parts_.size(); ++i) {
    Part& part = parts_[i];
    part.move =
        build.moves.add(shapes.input.shape, i == 0 ? whole.home : whole.layouts[i - 1],
                        whole.layouts[i], "the input of " + map_name(whole.maps[i], whole.prefix));
    if (i > 0 || part.move) part.input = keep(build, part);
  }
  home_ = build.moves.add(
      shapes.output.shape, same_cuts(whole.layouts.back(), shapes.input, shapes.output),
      same_cuts(whole.home, shapes.input, shapes.output), "the output of " + whole.prefix);
  for (size_t i = 0; i < parts_.size(); ++i) {
    const std::int64_t elements = parts_[i].map.output().elements();
    if (move_after(i)) waiting_ = &build.moves.room(kWaiting, elements);
    if (i + 1 < parts_.size() && move_after(i)) landing_ = &build.moves.room(kLanding, elements);
    if (parts_[i].move) results_ = {&build.moves.room(kResults, parts_[i].map.input().elements())};
  }
}

template <class T>
void Layer<T>::plan_sum(const Build<T>& build, const Whole& whole) {
  turns_.resize(parts_.size());
  std::iota(turns_.begin(), turns_.end(), size_t{0});
  size_t moves = 0;
  for (size_t i = 0; i < parts_.size(); ++i) {
    Part& part = parts_[i];
    part.move = build.moves.add(whole.shapes.input.shape, whole.home, whole.layouts[i],
                                map_name(whole.maps[i], whole.prefix) + " to its lines", moves);
    if (!part.move) continue;
    part.move->leads_back_too();
    const std::int64_t elements = part.map.input().elements();
    part.input = keep(build, part);
    part.gradient = &build.moves.room(kGradients + moves++, elements);
    results_ = {&build.moves.room(kResults, elements), &build.moves.room(kResults + 1, elements)};
  }
  if (moves == 0) return;
  waiting_ = &build.moves.room(kWaiting, output_.elements());
  const auto at_home = [](const Part& part) { return part.move == nullptr; };
  // a + b is b + a to the bit: the second term goes first if the first one has to travel.
  if (parts_.size() > 1 && !at_home(parts_[0]) && at_home(parts_[1]))
    std::swap(turns_[0], turns_[1]);
  const auto first = std::find_if(parts_.begin(), parts_.end(), at_home);
  if (!at_home(parts_[turns_[0]]) && first != parts_.end())
    early_ = static_cast<size_t>(first - parts_.begin());
}

template <class T>
void Layer<T>::forward(const T* x, T* y) {
  chained_ ? run_chain(x, y) : run_sum({Way::forward, x, x, y});
}

template <class T>
void Layer<T>::backward(const T* x, const T* dy, T* dx) {
  chained_ ? run_chain_back(x, dy, dx) : run_sum({Way::backward, x, dy, dx});
}

template <class T>
void Layer<T>::run_chain(const T* x, T* y) {
  const T* from = x;
  for (size_t i = 0; i < parts_.size(); ++i) {
    Part& part = parts_[i];
    if (part.move) part.move->run(Way::forward, from, part.input, Fill::over);
    T* into = i + 1 < parts_.size() ? parts_[i + 1].input : y;
    if (move_after(i)) into = waiting_->data();
    part.map.forward(part.input ? part.input : x, into, false);
    from = into;
  }
  if (home_) home_->run(Way::forward, from, y, Fill::over);
}

// A gradient travels on while that of the weight it met is computed.
template <class T>
void Layer<T>::run_chain_back(const T* x, const T* dy, T* dx) {
  const T* gradient = dy;
  if (home_) {
    home_->run(Way::backward, dy, waiting_->data(), Fill::over);
    gradient = waiting_->data();
  }
  for (size_t i = parts_.size(); i-- > 0;) {
    Part& part = parts_[i];
    const T* const input = part.input ? part.input : x;
    if (!part.move) {
      T* const into = part.input ? part.input : dx;  // the gradient of what it kept, in place
      part.map.backward(input, gradient, into, false);
      gradient = into;
      continue;
    }
    T* landing = dx;
    if (i > 0) landing = (gradient == waiting_->data() ? landing_ : waiting_)->data();
    part.map.backward_input(gradient, results_[0]->data(), false);
    part.move->start(Way::backward, results_[0]->data(), landing, Fill::over);
    part.map.backward_weight(input, gradient);
    part.move->finish();
    gradient = landing;
  }
}

// All terms start for their lines first. Then each is added in its turn, so that the sum is the
// same on every mesh; meanwhile terms at home are computed and wait, one at most.
template <class T>
void Layer<T>::run_sum(const Pass& pass) {
  const auto is_term = [](const Part& part) { return !part.move && part.map.is_term(); };
  if (std::all_of(parts_.begin(), parts_.end(), is_term)) return run_together(pass);
  for (Part& part : parts_)
    if (part.move)
      part.move->start(Way::forward, pass.from,
                       pass.way == Way::forward ? part.input : part.gradient->data(), Fill::over);
  if (early_ != kNone) run_at_home(pass, parts_[early_], waiting_->data(), false);
  size_t waits = early_;      // the term in waiting_
  Move<T>* coming = nullptr;  // adds its term to the sum
  const auto land = [&] {
    if (coming) coming->finish();
    coming = nullptr;
  };
  size_t result = 0;
  for (const size_t i : turns_) {
    Part& part = parts_[i];
    const bool add = i != turns_.front();
    if (part.move) {
      T* const term = results_[result++ % 2]->data();
      part.move->finish();
      run_at_lines(pass, part, term);
      land();
      part.move->start(Way::backward, term, pass.sum, add ? Fill::add : Fill::over);
      coming = part.move;
      if (pass.way == Way::backward) part.map.backward_weight(part.input, part.gradient->data());
    } else if (waits == i || coming) {
      if (waits != i) run_at_home(pass, part, waiting_->data(), false);
      land();
      backend_.add(output_.elements(), waiting_->data(), pass.sum);
      waits = kNone;
    } else {
      run_at_home(pass, part, pass.sum, add);
    }
  }
  land();
}

template <class T>
void Layer<T>::run_together(const Pass& pass) {
  std::vector<DenseTerm<T>> terms;
  for (const Part& part : parts_) terms.push_back(part.map.term());
  if (pass.way == Way::forward)
    backend_.dense_sum(terms, pass.from, pass.sum, false);
  else
    backend_.dense_sum_back(terms, pass.x, pass.from, pass.sum, false);
}

template <class T>
void Layer<T>::run_at_home(const Pass& pass, Part& part, T* into, bool add) {
  if (pass.way == Way::forward)
    part.map.forward(pass.from, into, add);
  else
    part.map.backward(pass.x, pass.from, into, add);
}

// Without the weight's gradient, which is not in the way of the term.
template <class T>
void Layer<T>::run_at_lines(const Pass& pass, Part& part, T* into) {
  if (pass.way == Way::forward)
    part.map.forward(part.input, into, false);
  else
    part.map.backward_input(part.gradient->data(), into, false);
}

template class Layer<float>;
template class Layer<double>;

}  // namespace ortho
