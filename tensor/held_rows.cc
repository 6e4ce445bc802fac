#include "tensor/held_rows.h"

namespace ortho {

std::int64_t HeldRows::row(std::int64_t local) const {
  std::int64_t row = 0, stride = 1;
  for (size_t axis = batch.size(); axis-- > 0;) {
    const std::int64_t size = box.hi[axis] - box.lo[axis];
    row += (box.lo[axis] + local % size) * stride;
    local /= size;
    stride *= batch[axis];
  }
  return row;
}

std::int64_t HeldRows::local(std::int64_t row) const {
  std::int64_t local = 0, stride = 1;
  for (size_t axis = batch.size(); axis-- > 0;) {
    const std::int64_t at = row % batch[axis];
    if (at < box.lo[axis] || at >= box.hi[axis]) return -1;
    row /= batch[axis];
    local += (at - box.lo[axis]) * stride;
    stride *= box.hi[axis] - box.lo[axis];
  }
  return local;
}

}  // namespace ortho
