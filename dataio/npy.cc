#include "dataio/npy.h"

#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "core/error.h"
#include "core/file.h"

namespace ortho {
namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr std::int64_t kMostHeader = 1 << 16;  // ours are shorter than 200 bytes
constexpr size_t kMostAxes = 64;
constexpr std::int64_t kChunk = 1 << 16;  // elements converted at once

// What follows 'KEY': in the header; Error(data) when it is not there.
std::string_view behind_key(std::string_view header, const std::string& key,
                            const std::string& path) {
  const std::string quoted = text('\'', key, "':");
  const size_t at = header.find(quoted);
  if (at == std::string_view::npos)
    fail(ErrorKind::data, text(path, ": its header has no ", quoted));
  header.remove_prefix(at + quoted.size());
  header.remove_prefix(std::min(header.find_first_not_of(' '), header.size()));
  return header;
}

// "(3, 4)", "(3,)" or "()".
Shape parse_shape(std::string_view word, const std::string& path) {
  const auto damaged = [&] { fail(ErrorKind::data, text(path, ": its header has no shape")); };
  const size_t close = word.find(')');
  if (!word.starts_with('(') || close == std::string_view::npos) damaged();
  word = word.substr(1, close - 1);
  Shape shape;
  while (true) {
    word.remove_prefix(std::min(word.find_first_not_of(' '), word.size()));
    if (word.empty()) return shape;
    std::int64_t size = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), size);
    if (error != std::errc{} || size < 0 || shape.size() == kMostAxes) damaged();
    shape.push_back(size);
    word.remove_prefix(static_cast<size_t>(end - word.data()));
    if (word.empty()) return shape;
    if (word.front() != ',') damaged();
    word.remove_prefix(1);
  }
}

// -1 when the product does not fit.
std::int64_t count_elements(const Shape& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape)
    if (__builtin_mul_overflow(count, size, &count)) return -1;
  return count;
}

std::string header_text(const Shape& shape, size_t bytes) {
  std::string sizes;
  for (const std::int64_t size : shape) sizes += text(size, shape.size() == 1 ? "," : ", ");
  if (shape.size() > 1) sizes.resize(sizes.size() - 2);
  std::string header =
      text("{'descr': '<f", bytes, "', 'fortran_order': False, 'shape': (", sizes, "), }");
  constexpr size_t kBefore = 10, kAlign = 64;  // numpy aligns the data
  while ((kBefore + header.size() + 1) % kAlign != 0) header += ' ';
  return header + '\n';
}

}  // namespace

NpyReader::NpyReader(const std::string& path) : path_(path) {
  REQUIRE(std::filesystem::is_regular_file(path), path,
          " is no file; give one that numpy.save wrote");
  std::ifstream file(path, std::ios::binary);
  char fixed[12] = {};
  file.read(fixed, sizeof fixed);
  const bool magic = file.gcount() >= 10 && std::string_view(fixed, 6) == kMagic;
  const int version = fixed[6];
  if (!magic || version < 1 || version > 3)
    fail(ErrorKind::data, text(path, " is no .npy file of version 1 to 3"));
  const auto byte = [&](int i) {
    return static_cast<std::int64_t>(static_cast<unsigned char>(fixed[i]));
  };
  const std::int64_t begin = version == 1 ? 10 : 12;
  const std::int64_t size =
      byte(8) + 256 * byte(9) + (version == 1 ? 0 : 65536 * byte(10) + 16777216 * byte(11));
  std::string header(static_cast<size_t>(std::min(size, kMostHeader)), '\0');
  file.clear();
  file.seekg(begin);
  file.read(header.data(), static_cast<std::streamsize>(header.size()));
  if (size > kMostHeader || file.gcount() != size)
    fail(ErrorKind::data, text(path, " ends within its header"));
  start_ = begin + size;
  parse(header);
}

void NpyReader::parse(const std::string& header) {
  const std::string_view type = behind_key(header, "descr", path_);
  if (!type.starts_with("'<f4'") && !type.starts_with("'<f8'"))
    fail(ErrorKind::data, text(path_, " holds ", type.substr(0, type.find(',')),
                               ", not float32 or float64 of this byte order; convert it with "
                               "astype(numpy.float32)"));
  bytes_ = type[3] - '0';
  if (!behind_key(header, "fortran_order", path_).starts_with("False"))
    fail(ErrorKind::data, text(path_, " is column-major; save numpy.ascontiguousarray(…)"));
  shape_ = parse_shape(behind_key(header, "shape", path_), path_);
  const std::int64_t count = count_elements(shape_);
  const auto size = static_cast<std::int64_t>(std::filesystem::file_size(path_));
  if (count < 0 || count > (size - start_) / bytes_ || count * bytes_ != size - start_)
    fail(ErrorKind::data,
         text(path_, " has ", size - start_, " bytes of data, its shape ", shape_text(shape_),
              " of ", bytes_, "-byte numbers has another size"));
}

template <class T>
void NpyReader::read(std::int64_t first, std::int64_t count, T* out) const {
  std::ifstream file(path_, std::ios::binary);
  file.seekg(start_ + first * bytes_);
  std::vector<char> raw(static_cast<size_t>(std::min(count, kChunk) * bytes_));
  while (count > 0) {
    const std::int64_t now = std::min(count, kChunk);
    file.read(raw.data(), now * bytes_);
    if (file.gcount() != now * bytes_)
      fail(ErrorKind::data, text(path_, " cannot be read to its end"));
    for (std::int64_t i = 0; i < now; ++i) {
      float single;
      double twice;
      if (bytes_ == 4) {
        std::memcpy(&single, raw.data() + i * 4, sizeof single);
        *out++ = static_cast<T>(single);
      } else {
        std::memcpy(&twice, raw.data() + i * 8, sizeof twice);
        *out++ = static_cast<T>(twice);
      }
    }
    count -= now;
  }
}

Npy read_npy(const std::string& path) {
  const NpyReader file(path);
  Npy result{file.shape(), {}};
  result.values.resize(static_cast<size_t>(elements(result.shape)));
  file.read(0, static_cast<std::int64_t>(result.values.size()), result.values.data());
  return result;
}

template <class T>
void write_npy(const std::string& path, const Shape& shape, const T* values) {
  const std::string header = header_text(shape, sizeof(T));
  std::string content(kMagic);
  content += '\x01';
  content += '\0';
  content += static_cast<char>(header.size() % 256);
  content += static_cast<char>(header.size() / 256);
  content += header;
  content.append(reinterpret_cast<const char*>(values),
                 static_cast<size_t>(elements(shape)) * sizeof(T));
  write_file_durably(path, content);
}

template void NpyReader::read(std::int64_t, std::int64_t, float*) const;
template void NpyReader::read(std::int64_t, std::int64_t, double*) const;
template void write_npy(const std::string&, const Shape&, const float*);
template void write_npy(const std::string&, const Shape&, const double*);

}  // namespace ortho
