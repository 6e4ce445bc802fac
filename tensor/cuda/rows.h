// Where the numbers of a row (token t and window b) lie in a tensor of either order.
#pragma once

#include "tensor/cuda/index.h"
#include "tensor/nodes.h"

namespace ortho {

class RowPlaces {
 public:
  explicit RowPlaces(const Nodes& nodes)
      : batch_(nodes.batch),
        channels_(index32(nodes.channels)),
        inner_(nodes.order == Order::channels_inner) {}

  // Of channel 0 of row t * B + b; its channels lie step() apart.
  ORTHO_HD std::int64_t first(std::uint32_t row) const {
    if (inner_) return std::int64_t{row} * channels_;
    return std::int64_t{batch_.quotient(row)} * channels_ * batch_.by() + batch_.rest(row);
  }
  ORTHO_HD std::int64_t step() const { return inner_ ? 1 : batch_.by(); }
  ORTHO_HD bool inner() const { return inner_; }
  ORTHO_HD std::uint32_t channels() const { return channels_; }

 private:
  Divisor batch_;
  std::uint32_t channels_;
  bool inner_;
};

// Pairs (row, channel) numbered so that neighbours lie side by side in memory.
class Places {
 public:
  explicit Places(const Nodes& nodes)
      : rows_(nodes),
        inside_(rows_.inner() ? nodes.channels : nodes.batch),
        channels_(nodes.channels) {}

  struct Place {
    std::uint32_t row, channel;
  };
  // Of element i of the tensor, as it lies in memory.
  ORTHO_HD Place of(std::uint32_t i) const {
    const std::uint32_t outside = inside_.quotient(i), inside = i - outside * inside_.by();
    if (rows_.inner()) return {outside, inside};
    const std::uint32_t token = channels_.quotient(outside);
    return {token * inside_.by() + inside, outside - token * channels_.by()};
  }

 private:
  RowPlaces rows_;
  Divisor inside_, channels_;
};

}  // namespace ortho
