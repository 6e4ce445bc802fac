#include "tensor/shape.h"

#include "core/error.h"

namespace ortho {

std::int64_t elements(const Shape& shape) {
  std::int64_t product = 1;
  for (const std::int64_t extent : shape) product = checked_product(product, extent);
  return product;
}

Index strides(const Shape& shape) {
  Index result(shape.size(), 1);
  for (size_t axis = shape.size(); axis-- > 1;)
    result[axis - 1] = checked_product(result[axis], shape[axis]);
  return result;
}

std::string shape_text(const Shape& shape) { return list_text(shape); }

}  // namespace ortho
