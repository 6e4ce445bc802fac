// Reads what numpy.save wrote: version 1.0, float64, little-endian, row-major.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/file.h"
#include "tensor/shape.h"

namespace ortho {

struct Npy {
  Shape shape;
  std::vector<double> values;
};

inline Npy read_npy(const std::string& path) {
  const std::vector<std::uint8_t> bytes = read_bytes(path);
  if (bytes.size() < 10 || std::memcmp(bytes.data(), "\x93NUMPY\x01\x00", 8) != 0)
    fail(ErrorKind::data, text(path, " is no .npy file of version 1.0"));
  const size_t start = 10 + static_cast<size_t>(bytes[8]) + 256 * static_cast<size_t>(bytes[9]);
  if (start > bytes.size()) fail(ErrorKind::data, text(path, " ends within its header"));
  const std::string header(reinterpret_cast<const char*>(bytes.data()) + 10, start - 10);
  const bool known = header.find("'<f8'") != std::string::npos &&
                     header.find("'fortran_order': False") != std::string::npos;
  const size_t open = header.find('('), close = header.find(')');
  if (!known || open == std::string::npos || close == std::string::npos)
    fail(ErrorKind::data, text(path, ": not row-major float64: ", header));
  Npy result;
  std::istringstream sizes(header.substr(open + 1, close - open - 1));
  for (std::string size; std::getline(sizes, size, ',');)
    if (size.find_first_not_of(' ') != std::string::npos) result.shape.push_back(std::stoll(size));
  result.values.resize(static_cast<size_t>(elements(result.shape)));
  if (bytes.size() - start != result.values.size() * sizeof(double))
    fail(ErrorKind::data, text(path, " has ", bytes.size() - start, " bytes of data for shape ",
                               shape_text(result.shape)));
  std::memcpy(result.values.data(), bytes.data() + start, bytes.size() - start);
  return result;
}

}  // namespace ortho
