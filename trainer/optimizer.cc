#include "trainer/optimizer.h"

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
  const std::int64_t second = needs_second(config) ? params.size() : 0;
  ASSERT(state_.first.size() == params.size() && state_.second.size() == second, "moments of ",
         state_.first.size(), " and ", state_.second.size(), " for ", params.size(), " weights");
  ASSERT(state_.regions.size() == params.all().size(), state_.regions.size(),
         " lists of regions for ", params.all().size(), " parameters");
  for (size_t i = 0; i < state_.regions.size(); ++i)
    check_regions(params.all()[i].spec.name, params.all()[i].spec.shape(), state_.regions[i]);
}

template <class T>
void Optimizer<T>::update_run(Backend<T>& backend, Param<T>& param, const Region& region,
                              std::int64_t offset, std::int64_t count, double rate,
                              double gradient_scale) {
  const double decay = param.spec.decay ? config_.weight_decay : 0;
  T* first = state_.first.data() + param.offset + offset;
  if (config_.name == OptimizerConfig::Name::sgd) {
    backend.sgd(rate, config_.momentum, decay, gradient_scale, count, param.grad + offset,
                param.value + offset, first);
    return;
  }
  const AdamwStep step{rate,  config_.beta1,  config_.beta2, config_.epsilon,
                       decay, gradient_scale, region.steps};
  backend.adamw(step, count, param.grad + offset, param.value + offset, first,
                state_.second.data() + param.offset + offset);
}

template <class T>
void Optimizer<T>::update(Backend<T>& backend, Params<T>& params, double rate,
                          double gradient_scale) {
  ASSERT(params.size() == state_.first.size(), "state of ", state_.first.size(), " weights for ",
         params.size());
  for (size_t i = 0; i < params.all().size(); ++i) {
    Param<T>& param = params.all()[i];
    const Shape shape = param.spec.shape();
    for (Region& region : state_.regions[i]) {
      ++region.steps;
      for_each_run(shape, region.box, [&](std::int64_t offset, std::int64_t count) {
        update_run(backend, param, region, offset, count, rate, gradient_scale);
      });
    }
  }
}

template OptimizerState<float> fresh_state(const OptimizerConfig&, const Params<float>&);
template OptimizerState<double> fresh_state(const OptimizerConfig&, const Params<double>&);
template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace ortho
