#include "core/random.h"

#include <cmath>
#include <numbers>

namespace ortho {
namespace {

// splitmix64's finaliser (Steele et al., 2014): spreads every input bit over the output.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// FNV-1a over the stream's name.
std::uint64_t hash(std::string_view name) {
  std::uint64_t h = 0xcbf29ce484222325u;
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return h;
}

}  // namespace

Random::Random(std::uint64_t seed, std::string_view name, std::uint64_t a, std::uint64_t b)
    : key_(mix(seed ^ mix(hash(name)))), stream_(mix(mix(a) ^ (b + 0x632be59bd9b4e019u))) {}

std::uint64_t Random::below(std::uint64_t index, std::uint64_t bound) const {
  return static_cast<std::uint64_t>((static_cast<unsigned __int128>(bits(index)) * bound) >> 64);
}

double Random::uniform(std::uint64_t index) const {
  return static_cast<double>(bits(index) >> 11) * 0x1p-53;
}

double Random::normal(std::uint64_t index) const {
  const auto c = block(index);
  // In (0, 1): never 0, whose logarithm is infinite.
  const double u = (static_cast<double>(c[0] | (std::uint64_t{c[1]} << 32)) + 0.5) * 0x1p-64;
  const double v = static_cast<double>(c[2] | (std::uint64_t{c[3]} << 32)) * 0x1p-64;
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

}  // namespace ortho
