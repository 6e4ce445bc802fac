// Npy: numpy's array files, to compare with other programs and to move weights in and out.
//
// Read: versions 1 to 3, float32 and float64, little-endian, row-major; whatever else is refused
// by name, and no header is believed before the file's size agrees with it. Written: version 1.0.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tensor/shape.h"

namespace ortho {

class NpyReader {
 public:
  // Reads the header. Error(usage) when there is no such file, Error(data) naming it and what is
  // wrong when it is not one of the above.
  explicit NpyReader(const std::string& path);
  const Shape& shape() const { return shape_; }
  bool is_double() const { return bytes_ == 8; }
  // Elements first … first + count - 1 of the row-major array, converted.
  template <class T>
  void read(std::int64_t first, std::int64_t count, T* out) const;

 private:
  void parse(const std::string& header);
  std::string path_;
  Shape shape_;
  std::int64_t start_ = 0, bytes_ = 0;  // of the first element, and of one
};

struct Npy {
  Shape shape;
  std::vector<double> values;
};
Npy read_npy(const std::string& path);  // all of it

// float32 or float64, as T. Durable; replaces.
template <class T>
void write_npy(const std::string& path, const Shape& shape, const T* values);

}  // namespace ortho
