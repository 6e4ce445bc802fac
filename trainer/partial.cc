#include "trainer/partial.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/random.h"

namespace ortho {
namespace {

size_t count_of(const TrainConfig& train, size_t parts) {
  const auto count = std::llround(train.share * static_cast<double>(parts));
  return std::clamp<size_t>(static_cast<size_t>(count), 1, parts);
}

// The `count` of all numbers below `all` with the smallest draws.
std::vector<size_t> drawn(size_t all, size_t count, const Random& random) {
  std::vector<size_t> numbers(all);
  for (size_t i = 0; i < all; ++i) numbers[i] = i;
  std::stable_sort(numbers.begin(), numbers.end(),
                   [&](size_t a, size_t b) { return random.bits(a) < random.bits(b); });
  numbers.resize(count);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

}  // namespace

std::vector<std::string> training_parts(const ModelSpec& spec) {
  std::vector<std::string> parts = {"embed"};
  const size_t axes = joint_axes(spec).size();
  for (std::int64_t b = 0; b < spec.blocks; ++b) {
    if (spec.map == MapKind::dense) parts.push_back(text("block.", b));
    for (size_t i = 0; i < axes && spec.map == MapKind::joint; ++i)
      parts.push_back(
          text("block.", b, ".axis.", spec.sequence == Sequence::descending ? i : axes - 1 - i));
  }
  return parts;
}

std::vector<std::string> trained_parts(const TrainConfig& train, const ModelSpec& spec,
                                       std::uint64_t seed, std::int64_t step) {
  const std::vector<std::string> parts = training_parts(spec);
  if (train.choose == TrainConfig::Choose::listed) {
    for (const std::string& name : train.list)
      REQUIRE(std::find(parts.begin(), parts.end(), name) != parts.end(), "train.list: ", name,
              " is no part of the model; its parts are ", list_text(parts));
    return train.list;
  }
  const size_t count = count_of(train, parts.size());
  if (train.choose == TrainConfig::Choose::newest)
    return {parts.end() - static_cast<std::ptrdiff_t>(count), parts.end()};
  std::vector<std::string> chosen;
  const Random random(seed, "train", static_cast<std::uint64_t>(step));
  for (const size_t number : drawn(parts.size(), count, random)) chosen.push_back(parts[number]);
  return chosen;
}

template <class T>
void set_trained(const std::vector<std::string>& parts, Params<T>& params) {
  for (Param<T>& param : params.all()) {
    const std::string& name = param.spec.name;
    const bool at_an_end = name == "pre" || name.starts_with("embed.");
    param.trained = name == "final.gain" || name == "post" || name.starts_with("head.");
    for (const std::string& part : parts)
      param.trained |= at_an_end ? part == "embed" : name.starts_with(part + ".");
  }
}

double training_share(const TrainConfig& train, const ModelSpec& spec) {
  if (train.share == 1 && train.choose != TrainConfig::Choose::listed) return 1;
  const std::vector<std::string> parts = training_parts(spec);
  const std::vector<std::string> chosen = trained_parts(train, spec, 0, 0);
  const auto all = static_cast<double>(parts.size());
  double below = 0;  // share of the first pass that no gradient reaches
  if (train.choose != TrainConfig::Choose::random)
    while (below < all && std::find(chosen.begin(), chosen.end(),
                                    parts[static_cast<size_t>(below)]) == chosen.end())
      ++below;
  const double reached = 1 - below / all / static_cast<double>(spec.refeeds);
  return (1 + reached + static_cast<double>(chosen.size()) / all) / 3;
}

template void set_trained(const std::vector<std::string>&, Params<float>&);
template void set_trained(const std::vector<std::string>&, Params<double>&);

}  // namespace ortho
