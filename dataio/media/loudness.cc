#include "dataio/media/loudness.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace ortho {
namespace {

constexpr double kFullScale = 32767;
constexpr double kPeak = 0.9, kRms = 0.1;  // of the full scale

double peak_of(std::span<const std::int16_t> samples) {
  double peak = 0;
  for (const double sample : samples) peak = std::max(peak, std::abs(sample));
  return peak;
}

double rms_of(std::span<const std::int16_t> samples) {
  double sum = 0;
  for (const double sample : samples) sum += sample * sample;
  return samples.empty() ? 0 : std::sqrt(sum / static_cast<double>(samples.size()));
}

}  // namespace

Loudness loudness_from_name(const std::string& name) {
  if (name == "none") return Loudness::as_is;
  if (name == "peak") return Loudness::peak;
  if (name == "rms") return Loudness::rms;
  fail(ErrorKind::usage, text("unknown loudness '", name, "'; known: none, peak, rms"));
}

void normalize(std::span<std::int16_t> samples, Loudness loudness) {
  if (loudness == Loudness::as_is) return;
  const bool by_peak = loudness == Loudness::peak;
  const double level = by_peak ? peak_of(samples) : rms_of(samples);
  if (level == 0) return;
  const double gain = kFullScale * (by_peak ? kPeak : kRms) / level;
  for (std::int16_t& sample : samples)
    sample = static_cast<std::int16_t>(
        std::lround(std::clamp(sample * gain, -kFullScale - 1, kFullScale)));
}

}  // namespace ortho
