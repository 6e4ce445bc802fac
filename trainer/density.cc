#include "trainer/density.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <compare>
#include <optional>

#include "core/error.h"

namespace ortho {
namespace {

// Larger stays; the lower index where values are equal. No two of a weight are the same.
struct Key {
  std::uint64_t value = 0, order = 0;
  auto operator<=>(const Key&) const = default;
};
using OptionalKey = std::optional<Key>;  // none: not among those that are chosen from

constexpr int kDigitBits = 8, kDigits = 2 * 64 / kDigitBits;
constexpr size_t kValues = 1 << kDigitBits;

size_t digit(const Key& key, int place) {
  const std::uint64_t word = place < kDigits / 2 ? key.value : key.order;
  const int shift = 64 - kDigitBits * (place % (kDigits / 2) + 1);
  return static_cast<size_t>(word >> shift) % kValues;
}

// The digits before `place`, the others 0.
Key leading(const Key& key, int place) {
  const auto first = [](std::uint64_t word, int bits) {
    return bits <= 0 ? 0 : bits >= 64 ? word : word >> (64 - bits) << (64 - bits);
  };
  const int bits = place * kDigitBits;
  return {first(key.value, bits), first(key.order, bits - 64)};
}

Key with_digit(Key key, int place, size_t value) {
  std::uint64_t& word = place < kDigits / 2 ? key.value : key.order;
  word |= static_cast<std::uint64_t>(value) << (64 - kDigitBits * (place % (kDigits / 2) + 1));
  return key;
}

// The search for the least of the `left` largest keys of one weight.
struct Search {
  std::int64_t left = 0;
  Key least;  // its digits so far
  bool found = false;
};

// act(i, index): element i of the rank's box is element `index` of the whole weight.
template <class Act>
void each_held(const Param<float>& param, Act act) {
  std::int64_t i = 0;
  for_each_run(param.spec.shape(), param.box, [&](std::int64_t first, std::int64_t count) {
    for (std::int64_t n = 0; n < count; ++n) act(i++, first + n);
  });
}

// act(weight, i, index) for the own elements of all sparse weights, the weight's number among them.
template <class Act>
void each_own(const Params<float>& params, Act act) {
  size_t weight = 0;
  for (const Param<float>& param : params.all()) {
    if (!param.spec.sparse()) continue;
    const Range own = params.own(param);
    if (own.size() > 0)
      each_held(param, [&](std::int64_t i, std::int64_t index) {
        if (i >= own.lo && i < own.hi) act(weight, i, index);
      });
    ++weight;
  }
}

std::vector<const Param<float>*> sparse_weights(const Params<float>& params) {
  std::vector<const Param<float>*> list;
  for (const Param<float>& param : params.all())
    if (param.spec.sparse()) list.push_back(&param);
  return list;
}

void take_digit(Search& search, int place, std::span<const std::int64_t> counts) {
  for (size_t value = kValues; value-- > 0;) {
    if (search.left > counts[value]) {
      search.left -= counts[value];
      continue;
    }
    search.least = with_digit(search.least, place, value);
    search.found = search.left == counts[value];  // all that begin like this belong to them
    return;
  }
  search.found = true;  // there are fewer: all belong to them
}

// An own key of a weight that shares all digits found so far.
struct Candidate {
  size_t weight;
  Key key;
};

// For each sparse weight the least of its `keep` largest keys over all ranks, digit by digit;
// none if it keeps nothing. key_of(weight, element of the box, index). Collective.
template <class KeyOf>
std::vector<OptionalKey> least_kept(Channel& channel, const Params<float>& params,
                                    const std::vector<std::int64_t>& keep, KeyOf key_of) {
  std::vector<Search> all(keep.size());
  for (size_t w = 0; w < keep.size(); ++w) all[w] = {keep[w], {}, keep[w] <= 0};
  std::vector<Candidate> left;  // from the second digit on: to make a key takes time
  const auto is_left = [&](size_t w, const Key& key, int place) {
    return !all[w].found && leading(key, place) == all[w].least;
  };
  const auto each_key = [&](auto act) {
    each_own(params, [&](size_t w, std::int64_t i, std::int64_t index) {
      if (all[w].found) return;
      if (const OptionalKey key = key_of(w, i, index)) act(w, *key);
    });
  };
  const auto is_found = [](const Search& search) { return search.found; };
  for (int place = 0; place < kDigits && !std::all_of(all.begin(), all.end(), is_found); ++place) {
    std::vector<std::int64_t> counts(all.size() * kValues, 0);
    const auto count = [&](size_t w, const Key& key) { ++counts[w * kValues + digit(key, place)]; };
    if (place == 0) each_key(count);
    for (const Candidate& one : left) count(one.weight, one.key);
    channel.sum(std::span<std::int64_t>(counts));
    for (size_t w = 0; w < all.size(); ++w)
      if (!all[w].found) take_digit(all[w], place, std::span(counts).subspan(w * kValues, kValues));
    if (place == 0)
      each_key([&](size_t w, const Key& key) {
        if (is_left(w, key, 1)) left.push_back({w, key});
      });
    else
      std::erase_if(left,
                    [&](const Candidate& one) { return !is_left(one.weight, one.key, place + 1); });
  }
  std::vector<OptionalKey> least;
  for (size_t w = 0; w < all.size(); ++w)
    least.push_back(keep[w] > 0 ? OptionalKey(all[w].least) : std::nullopt);
  return least;
}

// Keys of the open connections, to keep the largest, and of the closed ones, to open the largest.
class Connections {
 public:
  Connections(const RunState& state, std::uint64_t seed, std::int64_t step)
      : mask_(state.spec.mask), weights_(sparse_weights(state.params)) {
    for (const Param<float>* param : weights_)
      orders_.push_back(opening_order(param->spec, seed, step));
  }
  OptionalKey open(size_t weight, std::int64_t i, std::int64_t index) const {
    const float value = weights_[weight]->value[i];
    if (value == 0) return std::nullopt;
    if (mask_ == Mask::random) return by_chance(weight, index);
    const std::uint64_t bits = std::bit_cast<std::uint32_t>(std::abs(value));
    return Key{bits << 32, ~static_cast<std::uint64_t>(index)};
  }
  OptionalKey closed(size_t weight, std::int64_t i, std::int64_t index) const {
    if (weights_[weight]->value[i] != 0) return std::nullopt;
    return by_chance(weight, index);
  }
  // What a connection that opens starts at.
  float opened(size_t weight, std::int64_t index) const {
    const bool minus = orders_[weight].bits(static_cast<std::uint64_t>(index)) % 2 == 1;
    return static_cast<float>(minus ? -kOpened : kOpened);
  }
  const std::vector<const Param<float>*>& weights() const { return weights_; }

 private:
  Key by_chance(size_t weight, std::int64_t index) const {
    const auto at = static_cast<std::uint64_t>(index);
    return {~orders_[weight].bits(at), ~at};
  }
  Mask mask_;
  std::vector<const Param<float>*> weights_;
  std::vector<Random> orders_;
};

void clear_moments(RunState& state, const Param<float>& param, std::int64_t i) {
  const Range own = state.params.own(param);
  if (i < own.lo || i >= own.hi) return;
  const std::int64_t moment = state.params.moment_of(param, i);
  state.optimizer.first[moment] = 0;
  if (state.optimizer.second.size() > 0) state.optimizer.second[moment] = 0;
}

// Of each weight keeps `keep` open connections and opens `open` of those that were closed before.
// Copies of a weight change alike. Collective.
void choose(Channel& channel, RunState& state, const Connections& connections,
            const std::vector<std::int64_t>& keep, const std::vector<std::int64_t>& open) {
  const auto open_key = [&](size_t w, std::int64_t i, std::int64_t at) {
    return connections.open(w, i, at);
  };
  const auto closed_key = [&](size_t w, std::int64_t i, std::int64_t at) {
    return connections.closed(w, i, at);
  };
  const auto kept = least_kept(channel, state.params, keep, open_key);
  const auto opened = least_kept(channel, state.params, open, closed_key);
  for (size_t w = 0; w < connections.weights().size(); ++w) {
    const Param<float>& param = *connections.weights()[w];
    each_held(param, [&](std::int64_t i, std::int64_t index) {
      if (const OptionalKey key = connections.open(w, i, index)) {
        if (kept[w] && *key >= *kept[w]) return;
        param.value[i] = 0;
        clear_moments(state, param, i);
      } else if (opened[w] && *connections.closed(w, i, index) >= *opened[w]) {
        param.value[i] = connections.opened(w, index);
      }
    });
  }
}

}  // namespace

std::int64_t open_target(const ParamSpec& spec) {
  const auto all = static_cast<double>(elements(spec.shape()));
  return std::max<std::int64_t>(1, std::llround(spec.density * all));
}

std::vector<std::int64_t> count_open(Channel& channel, const Params<float>& params) {
  const auto weights = sparse_weights(params);
  std::vector<std::int64_t> counts(weights.size(), 0);
  each_own(params, [&](size_t w, std::int64_t i, std::int64_t) {
    if (weights[w]->value[i] != 0) ++counts[w];
  });
  if (!counts.empty()) channel.sum(std::span<std::int64_t>(counts));
  return counts;
}

void fit_density(Channel& channel, RunState& state, std::uint64_t seed, Fit fit) {
  const Connections connections(state, seed, 0);
  if (connections.weights().empty()) return;
  std::vector<std::int64_t> keep = count_open(channel, state.params), open(keep.size(), 0);
  for (size_t w = 0; w < keep.size(); ++w) {
    const std::int64_t target = open_target(connections.weights()[w]->spec);
    open[w] = std::max<std::int64_t>(0, target - keep[w]);
    if (fit == Fit::both) keep[w] = std::min(keep[w], target);
  }
  choose(channel, state, connections, keep, open);
}

void exchange_connections(Channel& channel, RunState& state, std::uint64_t seed, double share) {
  const Connections connections(state, seed, state.step);
  if (connections.weights().empty()) return;
  std::vector<std::int64_t> keep = count_open(channel, state.params), open(keep.size(), 0);
  for (size_t w = 0; w < keep.size(); ++w) {
    const ParamSpec& spec = connections.weights()[w]->spec;
    const std::int64_t target = open_target(spec), closed = elements(spec.shape()) - keep[w];
    const auto leave = std::llround(share * static_cast<double>(std::min(keep[w], target)));
    // No more than there is to open in their place.
    keep[w] = std::max<std::int64_t>(std::min(keep[w], target) - leave, target - closed);
    open[w] = target - keep[w];
  }
  choose(channel, state, connections, keep, open);
}

void drop_closed_gradients(Params<float>& params) {
  for (const Param<float>& param : params.all()) {
    if (!param.spec.sparse()) continue;
    const Range own = params.own(param);
    for (std::int64_t i = own.lo; i < own.hi; ++i)
      param.grad[i] = param.value[i] == 0 ? 0 : param.grad[i];
  }
}

}  // namespace ortho
