#include "trainer/partial.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/random.h"
#include "model/line_map.h"

namespace ortho {
namespace {

constexpr const char* kIdentity = "identity";

// Nothing is said of parts.
bool unnamed(const TrainConfig& train) {
  return train.share == 1 && train.choose != TrainConfig::Choose::listed;
}

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
  std::vector<std::string> parts;
  if (spec.identity > 0) parts.push_back(kIdentity);
  parts.push_back("embed");
  std::vector<std::string> maps = {""};  // a dense block is one sublayer
  if (has_line_maps(spec)) {
    maps.clear();
    for (const LineMap& map : line_maps_in_order(spec))
      maps.push_back('.' + line_map_name(spec, map));
  }
  for (std::int64_t block = 0; block < spec.blocks; ++block)
    for (const std::string& map : maps)
      for (std::int64_t branch = 0; branch < spec.branches; ++branch)
        parts.push_back(block_name(block, branch) + map);
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
  if (spec.identity > 0 && unnamed(train)) return {kIdentity};
  const size_t count = count_of(train, parts.size());
  if (train.choose == TrainConfig::Choose::newest)
    return {parts.end() - static_cast<std::ptrdiff_t>(count), parts.end()};
  std::vector<std::string> chosen;
  const Random random(seed, "train", static_cast<std::uint64_t>(step));
  for (const size_t number : drawn(parts.size(), count, random)) chosen.push_back(parts[number]);
  return chosen;
}

namespace {

// Further branches of a dense block have their own parts: "block.0.branch.1.in" is not of "block.0".
bool is_of(const std::string& weight, const std::string& part) {
  return weight.starts_with(part + '.') && !weight.starts_with(part + ".branch.");
}

}  // namespace

template <class T>
void set_trained(const std::vector<std::string>& parts, Params<T>& params) {
  const bool all_frozen = parts == std::vector<std::string>{kIdentity};
  for (Param<T>& param : params.all()) {
    const std::string& name = param.spec.name;
    const bool in_prefix = name == std::string("embed.") + kIdentity;
    const bool at_an_end = name == "pre" || name.starts_with("embed.");
    param.trained =
        !all_frozen && (name == "final.gain" || name == "post" || name.starts_with("head."));
    for (const std::string& part : parts)
      param.trained |= in_prefix   ? part == kIdentity
                       : at_an_end ? part == "embed"
                                   : is_of(name, part);
  }
}

double training_share(const TrainConfig& train, const ModelSpec& spec) {
  if (unnamed(train)) return spec.identity > 0 ? 2.0 / 3 : 1;
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
