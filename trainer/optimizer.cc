#include "trainer/optimizer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"

namespace ortho {
namespace {

bool needs_second(const OptimizerConfig& config) {
  return config.name == OptimizerConfig::Name::adamw;
}

}  // namespace

template <class T>
OptimizerState<T> fresh_state(const OptimizerConfig& config, const Params<T>& params) {
  OptimizerState<T> state;
  state.first = Buffer<T>(params.own_size(), "the optimizer's first moments");
  if (needs_second(config))
    state.second = Buffer<T>(params.own_size(), "the optimizer's second moments");
  for (const auto& param : params.all()) state.regions.push_back({{whole(param.spec.shape()), 0}});
  return state;
}

double clip_scale(double norm, double clip) { return clip > 0 && norm > clip ? clip / norm : 1; }

template <class T>
Optimizer<T>::Optimizer(const OptimizerConfig& config, const Params<T>& params,
                        OptimizerState<T>& state)
    : config_(config), state_(state) {
  const std::int64_t second = needs_second(config) ? params.own_size() : 0;
  ASSERT(state_.first.size() == params.own_size() && state_.second.size() == second, "moments of ",
         state_.first.size(), " and ", state_.second.size(), " for ", params.own_size(),
         " own weights");
  ASSERT(state_.regions.size() == params.all().size(), state_.regions.size(),
         " lists of regions for ", params.all().size(), " parameters");
  for (size_t i = 0; i < state_.regions.size(); ++i)
    check_regions(params.all()[i].spec.name, params.all()[i].spec.shape(), state_.regions[i]);
}

template <class T>
double own_sum_squares(Backend<T>& backend, Params<T>& params) {
  double total = 0;
  for (const ParamGroup& group : params.groups())
    total += backend.sum_squares(group.own.size(), params.grads().data() + group.own.lo);
  return total;
}

// `run`: elements of the rank's box of the weight.
template <class T>
void Optimizer<T>::update_run(Backend<T>& backend, const Params<T>& params, Param<T>& param,
                              const Region& region, const Range& run, double rate,
                              double gradient_scale) {
  const double decay = param.spec.decay ? config_.weight_decay : 0;
  const double opened = param.spec.sparse() ? kOpened : 0;
  const T* grad = param.grad + run.lo;
  T* value = param.value + run.lo;
  const std::int64_t moment = params.moment_of(param, run.lo);
  if (config_.name == OptimizerConfig::Name::sgd) {
    backend.sgd({rate, config_.momentum, decay, gradient_scale, opened}, run.size(), grad, value,
                state_.first.data() + moment);
    return;
  }
  const AdamwStep step{rate,  config_.beta1,  config_.beta2, config_.epsilon,
                       decay, gradient_scale, region.steps,  opened};
  backend.adamw(step, run.size(), grad, value, state_.first.data() + moment,
                state_.second.data() + moment);
}

template <class T>
void Optimizer<T>::update(Backend<T>& backend, Params<T>& params, double rate,
                          double gradient_scale) {
  ASSERT(params.own_size() == state_.first.size(), "state of ", state_.first.size(),
         " weights for ", params.own_size());
  for (size_t i = 0; i < params.all().size(); ++i) {
    Param<T>& param = params.all()[i];
    if (!param.trained) continue;
    const Range own = params.own(param);
    Index back = param.box.lo;
    for (std::int64_t& entry : back) entry = -entry;
    for (Region& region : state_.regions[i]) {
      ++region.steps;
      const Box held = shift(intersect(region.box, param.box), back);
      for_each_run(extent(param.box), held, [&](std::int64_t offset, std::int64_t count) {
        const Range run = {std::max(offset, own.lo), std::min(offset + count, own.hi)};
        if (run.lo < run.hi) update_run(backend, params, param, region, run, rate, gradient_scale);
      });
    }
  }
}

template double own_sum_squares(Backend<float>&, Params<float>&);
template double own_sum_squares(Backend<double>&, Params<double>&);
template OptimizerState<float> fresh_state(const OptimizerConfig&, const Params<float>&);
template OptimizerState<double> fresh_state(const OptimizerConfig&, const Params<double>&);
template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace ortho
