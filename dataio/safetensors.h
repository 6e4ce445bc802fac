// Safetensors: named float32 arrays in one file, as the format's own libraries read them.
//
// Eight bytes with the header's length, little-endian; the header, JSON padded with spaces to a
// multiple of 8: each name's dtype, shape and place; the arrays, in the order of the list.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tensor/shape.h"

namespace ortho {

struct NamedShape {
  std::string name;
  Shape shape;
};

// `values(i)` points to the array of list[i] until it is asked for the next one. Error(disk).
void write_safetensors(const std::string& path, const std::vector<NamedShape>& list,
                       const std::function<const float*(size_t)>& values);

}  // namespace ortho
