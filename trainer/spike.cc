#include "trainer/spike.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"

namespace ortho {
namespace {

struct Usual {
  double median = 0, spread = 0;
};

double median_of(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

Usual usual_of(const std::vector<double>& values) {
  constexpr double kSigma = 1.4826;     // MAD of a normal distribution to its sigma
  constexpr double kLeastShare = 0.01;  // of the median: equal values have no MAD
  const double median = median_of(values);
  std::vector<double> distances;
  for (const double value : values) distances.push_back(std::abs(value - median));
  const double mad = median_of(std::move(distances));
  return {median, std::max(kSigma * mad, kLeastShare * std::abs(median))};
}

bool judges(const std::vector<double>& values, const SpikeRule& rule) {
  return rule.factor > 0 && rule.over > 0 && static_cast<std::int64_t>(values.size()) >= rule.over;
}

double highest(const std::vector<double>& values, const SpikeRule& rule) {
  if (!judges(values, rule)) return std::numeric_limits<double>::infinity();
  const Usual usual = usual_of(values);
  return usual.median + rule.factor * usual.spread;
}

std::string one_text(const char* what, const std::vector<double>& values, double value,
                     const SpikeRule& rule) {
  if (value <= highest(values, rule)) return "";
  const Usual usual = usual_of(values);
  return text(what, ' ', value, " where the last ", values.size(), " steps had ", usual.median,
              ", give or take ", usual.spread);
}

void push(std::vector<double>& values, double value, std::int64_t over) {
  values.push_back(value);
  if (static_cast<std::int64_t>(values.size()) > over)
    values.erase(values.begin(), values.end() - static_cast<std::ptrdiff_t>(over));
}

}  // namespace

std::string spike_text(const StepHistory& history, double loss, double norm,
                       const SpikeRule& rule) {
  const std::string of_loss = one_text("loss", history.losses, loss, rule);
  return of_loss.empty() ? one_text("gradient norm", history.norms, norm, rule) : of_loss;
}

double highest_loss(const StepHistory& history, const SpikeRule& rule) {
  return highest(history.losses, rule);
}

void remember(StepHistory& history, double loss, double norm, const SpikeRule& rule) {
  if (rule.factor == 0 || !std::isfinite(loss) || !std::isfinite(norm)) return;
  push(history.losses, loss, rule.over);
  push(history.norms, norm, rule.over);
}

}  // namespace ortho
