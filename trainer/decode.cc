#include "trainer/decode.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/error.h"

namespace ortho {

std::int32_t choose_symbol(std::span<const float> logits, const DecodeRule& rule, double uniform) {
  REQUIRE(rule.temperature >= 0 && rule.top_p > 0 && rule.top_p <= 1 && rule.top_k >= 0,
          "temperature ", rule.temperature, " (>= 0), top_k ", rule.top_k, " (>= 0), top_p ",
          rule.top_p, " (above 0, up to 1)");
  const auto best = std::max_element(logits.begin(), logits.end());
  ASSERT(best != logits.end() && std::isfinite(*best),
         "no symbol can be chosen: the largest logit is not finite");
  if (rule.temperature == 0) return static_cast<std::int32_t>(best - logits.begin());
  std::vector<std::int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
  });
  if (rule.top_k > 0 && static_cast<size_t>(rule.top_k) < order.size())
    order.resize(static_cast<size_t>(rule.top_k));
  std::vector<double> weight(order.size());
  double total = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    const double logit = static_cast<double>(logits[static_cast<size_t>(order[i])]);
    total += weight[i] = std::exp((logit - static_cast<double>(*best)) / rule.temperature);
  }
  size_t kept = 0;
  double mass = 0;
  while (kept < order.size() && mass < rule.top_p * total) mass += weight[kept++];
  double at = uniform * mass;
  for (size_t i = 0; i < kept; ++i) {
    at -= weight[i];
    if (at < 0) return order[i];
  }
  return order[kept - 1];
}

}  // namespace ortho
