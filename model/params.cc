#include "model/params.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace ortho {

Shape ParamSpec::shape() const {
  Shape result;
  for (const Dim& dim : dims) result.push_back(dim.size);
  return result;
}

Shape merge_halves(const std::vector<Dim>& dims, const Shape& shape) {
  ASSERT(shape.size() == dims.size(), shape_text(shape), " has not ", dims.size(), " dimensions");
  Shape merged;
  for (size_t d = 0; d < dims.size(); ++d) {
    const bool continues = d > 0 && dims[d - 1].kind == DimKind::half;
    if (continues)
      merged.back() *= shape[d];
    else
      merged.push_back(shape[d]);
  }
  return merged;
}

std::int64_t count_weights(const std::vector<ParamSpec>& specs) {
  std::int64_t total = 0;
  for (const ParamSpec& spec : specs) total += elements(spec.shape());
  return total;
}

namespace {

// Whether dimension d, axis_in, is cut into heads: it has more units than an output's head.
bool is_in_heads(const ParamSpec& spec, size_t d, std::int64_t outputs, bool out_halves) {
  const bool in_halves = d > 0 && spec.dims[d - 1].kind == DimKind::half;
  return in_halves == out_halves && spec.dims[d].size > outputs && spec.dims[d].axis == -1;
}

// 1 on the diagonal of the two mapped dimensions (axis_in, axis_out), or at tap 0. In either one
// v's units come after u's. With heads the outputs are those of an input's own head.
double identity_value(const ParamSpec& spec, std::int64_t index) {
  std::int64_t in = 0, out = 0, outputs = 0;
  bool out_halves = false;
  for (size_t d = spec.dims.size(); d-- > 0;) {
    const bool half = spec.dims[d].kind == DimKind::half;
    const Dim& mapped = spec.dims[half ? d + 1 : d];
    const bool from = mapped.kind == DimKind::axis_in, to = mapped.kind == DimKind::axis_out;
    std::int64_t at = index % spec.dims[d].size;
    index /= spec.dims[d].size;
    if (to && !half) outputs = mapped.size;
    if (to && half) out_halves = true;
    if (from && !half && is_in_heads(spec, d, outputs, out_halves)) at %= outputs;
    const bool heads = from && is_in_heads(spec, half ? d + 1 : d, outputs, out_halves);
    if (half) at *= heads ? outputs : mapped.size;
    if (from || mapped.kind == DimKind::tap) in += at;
    if (to) out += at;
  }
  return in == out ? 1 : 0;
}

// Random Fourier features of the row's place between -1 and 1 (Rahimi and Recht, 2007): a Gaussian
// kernel, whose width is a third of the distance from the middle to the end.
double smooth_value(const ParamSpec& spec, const Random& random, std::int64_t index) {
  constexpr double kWaves = 3.0;
  const std::int64_t rows = spec.dims[0].size, width = spec.dims[1].size;
  const double place =
      rows == 1 ? 0 : 2 * static_cast<double>(index / width) / static_cast<double>(rows - 1) - 1;
  const auto column = static_cast<std::uint64_t>(index % width);
  const double phase = 2 * std::numbers::pi * random.uniform(2 * column + 1);
  return spec.init.std * std::numbers::sqrt2 *
         std::cos(kWaves * random.normal(2 * column) * place + phase);
}

// Whether the draw of a sparse weight leaves element `index` open.
bool drawn_open(const ParamSpec& spec, const Random& order, std::int64_t index) {
  return !spec.sparse() || order.uniform(static_cast<std::uint64_t>(index)) < spec.density;
}

}  // namespace

Random opening_order(const ParamSpec& spec, std::uint64_t seed, std::int64_t step) {
  return {seed, "open/" + spec.name, static_cast<std::uint64_t>(step)};
}

double initial_value(const ParamSpec& spec, std::uint64_t seed, std::int64_t index) {
  switch (spec.init.fill) {
    case Initial::zero:
      return 0;
    case Initial::one:
      return 1;
    case Initial::identity:
      return identity_value(spec, index);
    case Initial::normal:
      if (!drawn_open(spec, opening_order(spec, seed), index)) return 0;
      return spec.init.std *
             Random(seed, "init/" + spec.name).normal(static_cast<std::uint64_t>(index));
    case Initial::smooth:
      return smooth_value(spec, Random(seed, "init/" + spec.name), index);
  }
  return 0;
}

template <class T>
void initial_values(const ParamSpec& spec, std::uint64_t seed, std::int64_t first,
                    std::int64_t count, T* out) {
  const Random random(seed, "init/" + spec.name), order = opening_order(spec, seed);
  const auto draw = [&](std::int64_t index) {
    if (spec.init.fill != Initial::normal) return initial_value(spec, seed, index);
    if (!drawn_open(spec, order, index)) return 0.0;
    return spec.init.std * random.normal(static_cast<std::uint64_t>(index));
  };
  for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<T>(draw(first + i));
}

template <class T>
Params<T>::Params(std::vector<ParamSpec> specs, bool measure)
    : Params(specs, std::vector<Layout>(specs.size(), Layout(Mesh({}), {})), 0, measure) {}

template <class T>
Params<T>::Params(std::vector<ParamSpec> specs, const std::vector<Layout>& layouts, int rank,
                  bool measure) {
  ASSERT(layouts.size() == specs.size(), layouts.size(), " layouts for ", specs.size(), " weights");
  std::map<std::vector<int>, size_t> group_of;  // by the ranks that hold copies
  for (size_t i = 0; i < specs.size(); ++i) {
    const Box box = layouts[i].box(specs[i].shape(), rank);
    const std::vector<int> replicas = layouts[i].replicas(rank);
    const size_t group = group_of.try_emplace(replicas, groups_.size()).first->second;
    if (group == groups_.size()) groups_.push_back({replicas, {0, 0}, {0, 0}, 0});
    ASSERT(!index_.contains(specs[i].name), "two weights are called ", specs[i].name);
    index_[specs[i].name] = i;
    params_.push_back({std::move(specs[i]), box, group, 0, elements(box), nullptr, nullptr});
  }
  for (size_t g = 0; g < groups_.size(); ++g) {
    ParamGroup& group = groups_[g];
    group.arena.lo = size_;
    for (Param<T>& param : params_) {
      if (param.group != g) continue;
      param.offset = size_;
      size_ += param.size;
    }
    group.arena.hi = size_;
    const auto place = std::find(group.replicas.begin(), group.replicas.end(), rank);
    const Range part = split(group.arena.size(), static_cast<int>(group.replicas.size()),
                             static_cast<int>(place - group.replicas.begin()));
    group.own = {group.arena.lo + part.lo, group.arena.lo + part.hi};
    group.first_moment = own_size_;
    own_size_ += part.size();
  }
  if (measure) return;
  values_ = Buffer<T>(size_, "weights");
  grads_ = Buffer<T>(size_, "gradients");
  for (Param<T>& param : params_) {
    param.value = values_.data() + param.offset;
    param.grad = grads_.data() + param.offset;
  }
}

template <class T>
void Params<T>::initialise(std::uint64_t seed) {
  for (Param<T>& param : params_) {
    T* next = param.value;
    for_each_run(param.spec.shape(), param.box, [&](std::int64_t first, std::int64_t count) {
      initial_values(param.spec, seed, first, count, next);
      next += count;
    });
  }
}

template <class T>
Range Params<T>::own(const Param<T>& param) const {
  const Range& group = groups_[param.group].own;
  const std::int64_t lo = std::clamp<std::int64_t>(group.lo - param.offset, 0, param.size);
  const std::int64_t hi = std::clamp<std::int64_t>(group.hi - param.offset, lo, param.size);
  return {lo, hi};
}

template <class T>
std::int64_t Params<T>::moment_of(const Param<T>& param, std::int64_t index) const {
  const ParamGroup& group = groups_[param.group];
  return group.first_moment + param.offset + index - group.own.lo;
}

template <class T>
Param<T>& Params<T>::at(const std::string& name) {
  const auto found = index_.find(name);
  ASSERT(found != index_.end(), "no weight is called ", name);
  return params_[found->second];
}

template <class T>
bool Params<T>::has(const std::string& name) const {
  return index_.contains(name);
}

template <class T>
void Params<T>::zero_grads() {
  std::fill_n(grads_.data(), grads_.size(), T(0));
}

template void initial_values(const ParamSpec&, std::uint64_t, std::int64_t, std::int64_t, float*);
template void initial_values(const ParamSpec&, std::uint64_t, std::int64_t, std::int64_t, double*);
template class Params<float>;
template class Params<double>;

}  // namespace ortho
