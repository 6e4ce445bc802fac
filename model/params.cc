#include "model/params.h"

#include <algorithm>

#include "core/error.h"

namespace ortho {

Shape ParamSpec::shape() const {
  Shape result;
  for (const Dim& dim : dims) result.push_back(dim.size);
  return result;
}

std::int64_t count_weights(const std::vector<ParamSpec>& specs) {
  std::int64_t total = 0;
  for (const ParamSpec& spec : specs) total += elements(spec.shape());
  return total;
}

namespace {

// 1 on the diagonal of the last two mapped dimensions (axis_in, axis_out), or at tap 0.
double identity_value(const ParamSpec& spec, std::int64_t index) {
  std::int64_t in = 0, out = 0;
  for (size_t d = spec.dims.size(); d-- > 0;) {
    const Dim& dim = spec.dims[d];
    const std::int64_t at = index % dim.size;
    index /= dim.size;
    if (dim.kind == DimKind::axis_in || dim.kind == DimKind::tap) in = at;
    if (dim.kind == DimKind::axis_out) out = at;
  }
  return in == out ? 1 : 0;
}

}  // namespace

double initial_value(const ParamSpec& spec, std::uint64_t seed, std::int64_t index) {
  switch (spec.init.fill) {
    case Fill::zero:
      return 0;
    case Fill::one:
      return 1;
    case Fill::identity:
      return identity_value(spec, index);
    case Fill::normal:
      return spec.init.std *
             Random(seed, "init/" + spec.name).normal(static_cast<std::uint64_t>(index));
  }
  return 0;
}

template <class T>
Params<T>::Params(std::vector<ParamSpec> specs, bool measure) {
  const std::int64_t total = count_weights(specs);
  if (!measure) {
    values_ = Buffer<T>(total, "weights");
    grads_ = Buffer<T>(total, "gradients");
  }
  std::int64_t offset = 0;
  for (ParamSpec& spec : specs) {
    const std::int64_t size = elements(spec.shape());
    ASSERT(!index_.contains(spec.name), "two weights are called ", spec.name);
    index_[spec.name] = params_.size();
    params_.push_back({std::move(spec), offset, size, measure ? nullptr : values_.data() + offset,
                       measure ? nullptr : grads_.data() + offset});
    offset += size;
  }
}

template <class T>
void Params<T>::initialise(std::uint64_t seed) {
  for (Param<T>& param : params_) {
    const Random random(seed, "init/" + param.spec.name);
    const bool normal = param.spec.init.fill == Fill::normal;
    for (std::int64_t i = 0; i < param.size; ++i)
      param.value[i] =
          static_cast<T>(normal ? param.spec.init.std * random.normal(static_cast<std::uint64_t>(i))
                                : initial_value(param.spec, seed, i));
  }
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

template class Params<float>;
template class Params<double>;

}  // namespace ortho
