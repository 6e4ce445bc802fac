#include "trainer/sums.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

namespace ortho {
namespace {

// Sums pairs of neighbours, pairs of pairs and so on.
double tree(std::span<const double> values) {
  if (values.size() == 1) return values[0];
  const size_t half = values.size() / 2;
  return tree(values.first(half)) + tree(values.subspan(half));
}

}  // namespace

TermSums sum_terms(Channel& channel, const TermSums& mine) {
  std::array<double, 2 * kTerms> reals{};
  std::array<std::int64_t, 2 * kTerms + 1> counts{};
  for (size_t i = 0; i < kTerms; ++i) {
    reals[i] = mine.nats[i];
    reals[kTerms + i] = mine.asked[i];
    counts[i] = mine.targets[i];
    counts[kTerms + i] = mine.hits[i];
  }
  counts.back() = mine.scored;
  channel.sum(std::span<double>(reals));
  channel.sum(std::span<std::int64_t>(counts));
  TermSums all;
  for (size_t i = 0; i < kTerms; ++i) {
    all.nats[i] = reals[i];
    all.asked[i] = reals[kTerms + i];
    all.targets[i] = counts[i];
    all.hits[i] = counts[kTerms + i];
  }
  all.scored = counts.back();
  return all;
}

TermSums sum_leaves(Channel& channel, std::span<const TermSums> mine) {
  const size_t leaves = mine.size() * static_cast<size_t>(channel.ranks());
  const size_t first = mine.size() * static_cast<size_t>(channel.rank());
  // [nats, asked][term][leaf]: other ranks add zero to mine
  std::vector<double> reals(2 * kTerms * leaves, 0);
  TermSums counts;
  for (size_t leaf = 0; leaf < mine.size(); ++leaf) {
    counts.add(mine[leaf]);
    for (size_t term = 0; term < kTerms; ++term) {
      reals[term * leaves + first + leaf] = mine[leaf].nats[term];
      reals[(kTerms + term) * leaves + first + leaf] = mine[leaf].asked[term];
    }
  }
  TermSums all = sum_terms(channel, counts);
  channel.sum(std::span<double>(reals));
  for (size_t term = 0; term < kTerms; ++term) {
    all.nats[term] = tree(std::span(reals).subspan(term * leaves, leaves));
    all.asked[term] = tree(std::span(reals).subspan((kTerms + term) * leaves, leaves));
  }
  return all;
}

double exact_norm(Channel& channel, std::span<const std::span<const float>> mine) {
  float largest = 0;
  bool finite = true;
  for (const auto values : mine)
    for (const float value : values) {
      largest = std::max(largest, std::abs(value));
      finite = finite && std::isfinite(value);
    }
  const std::int64_t exponent =
      channel.max(finite ? (largest > 0 ? std::ilogb(largest) + 1 : std::int64_t{-200})
                         : std::numeric_limits<std::int32_t>::max());
  if (exponent == std::numeric_limits<std::int32_t>::max()) return std::nan("");
  // A value below 2^exponent has a square below 2^(2 exponent): as an integer below 2^62.
  const double unit = std::ldexp(1.0, static_cast<int>(31 - exponent));
  __extension__ unsigned __int128 total = 0;
  for (const auto values : mine)
    for (const float value : values) {
      const double scaled = static_cast<double>(value) * unit;
      total += static_cast<std::uint64_t>(scaled * scaled);
    }
  constexpr int kLimbBits = 42;  // of three limbs, whose sums over any number of ranks fit
  std::array<std::int64_t, 3> limbs{};
  for (std::int64_t& limb : limbs) {
    limb = static_cast<std::int64_t>(total & ((std::uint64_t{1} << kLimbBits) - 1));
    total >>= kLimbBits;
  }
  channel.sum(std::span<std::int64_t>(limbs));
  double sum = 0;
  for (size_t i = limbs.size(); i-- > 0;)
    sum = std::ldexp(sum, kLimbBits) + static_cast<double>(limbs[i]);
  return std::sqrt(sum) / unit;
}

}  // namespace ortho
