#include "dataio/media/resample.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "core/error.h"

namespace ortho {
namespace {

constexpr double kPass = 0.95;     // middle of the filter's edge, of the lower rate's half
constexpr double kCrossings = 52;  // of zero by the sinc on either side: how steep the edge is
constexpr double kKaiser = 7.86;   // 80 dB: 0.1102 * (80 - 8.7)
constexpr std::int64_t kMaxWeights = std::int64_t{1} << 22;

// The modified Bessel function of order 0, by its power series.
double bessel(double x) {
  double sum = 1, term = 1;
  for (int k = 1; term > 1e-17 * sum; ++k) {
    term *= (x / (2 * k)) * (x / (2 * k));
    sum += term;
  }
  return sum;
}

// New sample n lies at n * step / phases old samples; n % phases tells its weights.
struct Filter {
  std::int64_t phases, step;
  std::int64_t reach;           // old samples on either side that count
  std::vector<double> weights;  // [phases][2 * reach + 1]; each row adds up to 1
};

Filter make_filter(std::int64_t from, std::int64_t to) {
  const std::int64_t common = std::gcd(from, to);
  Filter filter{to / common, from / common, 0, {}};
  const double lower = static_cast<double>(std::min(from, to)) / static_cast<double>(from);
  const double cutoff = kPass * lower;  // of the old rate's half
  const double width = kCrossings / cutoff;
  filter.reach = static_cast<std::int64_t>(std::ceil(width));
  const std::int64_t taps = 2 * filter.reach + 1;
  REQUIRE(filter.phases <= kMaxWeights / taps, "a sound of ", from,
          " samples per second cannot be made one of ", to, ": they are in no simple ratio");
  filter.weights.resize(static_cast<std::size_t>(filter.phases * taps));
  for (std::int64_t phase = 0; phase < filter.phases; ++phase) {
    // From the old sample at or before the new one to the new one.
    const double late = static_cast<double>(phase * filter.step % filter.phases) /
                        static_cast<double>(filter.phases);
    double* row = filter.weights.data() + phase * taps;
    double sum = 0;
    for (std::int64_t k = 0; k < taps; ++k) {
      const double x = static_cast<double>(k - filter.reach) - late;
      const double inside = 1 - (x / width) * (x / width);
      const double angle = std::numbers::pi * cutoff * x;
      const double sinc = x == 0 ? 1 : std::sin(angle) / angle;
      row[k] = inside > 0 ? sinc * bessel(kKaiser * std::sqrt(inside)) : 0;
      sum += row[k];
    }
    for (std::int64_t k = 0; k < taps; ++k) row[k] /= sum;
  }
  return filter;
}

}  // namespace

Sound resample(const Sound& sound, std::int64_t rate) {
  REQUIRE(sound.rate > 0 && rate > 0, "from ", sound.rate, " to ", rate, " samples per second");
  if (rate == sound.rate) return sound;
  const Filter filter = make_filter(sound.rate, rate);
  const auto old = static_cast<std::int64_t>(sound.samples.size());
  const std::int64_t taps = 2 * filter.reach + 1;
  const std::int64_t count = (checked_product(old, filter.phases) + filter.step - 1) / filter.step;
  Sound out{rate, std::vector<std::int16_t>(static_cast<std::size_t>(count))};
  for (std::int64_t n = 0; n < count; ++n) {
    const std::int64_t first = n * filter.step / filter.phases - filter.reach;
    const double* row = filter.weights.data() + n % filter.phases * taps;
    double sum = 0;  // silence before and behind the sound
    for (std::int64_t k = std::max<std::int64_t>(0, -first); k < std::min(taps, old - first); ++k)
      sum += row[k] * sound.samples[static_cast<std::size_t>(first + k)];
    out.samples[static_cast<std::size_t>(n)] =
        static_cast<std::int16_t>(std::lround(std::clamp(sum, -32768.0, 32767.0)));
  }
  return out;
}

}  // namespace ortho
