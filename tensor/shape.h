// A Shape is the extent of a tensor on every axis, row-major: the last axis is contiguous.
//
// A Shape without axes is a scalar with one element. Products are checked: an absurd config is an
// error, not a wrapped number.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ortho {

using Index = std::vector<std::int64_t>;  // one entry per axis
using Shape = std::vector<std::int64_t>;

std::int64_t elements(const Shape& shape);   // checked product; 1 for no axes
Index strides(const Shape& shape);           // elements between neighbours on each axis
std::string shape_text(const Shape& shape);  // "[2, 3, 4]"

}  // namespace ortho
