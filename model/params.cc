#include "model/params.h"

#include <algorithm>

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

// 1 on the diagonal of the two mapped dimensions (axis_in, axis_out), or at tap 0. In either one
// v's units come after u's.
double identity_value(const ParamSpec& spec, std::int64_t index) {
  std::int64_t in = 0, out = 0;
  for (size_t d = spec.dims.size(); d-- > 0;) {
    const bool half = spec.dims[d].kind == DimKind::half;
    const Dim& mapped = spec.dims[half ? d + 1 : d];
    const std::int64_t at = index % spec.dims[d].size * (half ? mapped.size : 1);
    index /= spec.dims[d].size;
    if (mapped.kind == DimKind::axis_in || mapped.kind == DimKind::tap) in += at;
    if (mapped.kind == DimKind::axis_out) out += at;
  }
  return in == out ? 1 : 0;
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
