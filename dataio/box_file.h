// A BoxFile holds named global arrays as Boxes: any reader, on any mesh, gets the Box it wants.
//
// Each writer stores its own Boxes in its own file; all files together hold the arrays, each
// element once. Every 16 KiB of a Box carry a CRC32C. A file is whole or absent: it is read back
// before it gets its name. T is float, double or std::int64_t everywhere; stored little endian
// (IEEE), read back as written.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tensor/box.h"

namespace ortho {

enum class BoxType { f32, f64, i64 };
const char* box_type_name(BoxType type);  // "f32"

// Writes PATH.tmp; finish() makes it PATH. Destroyed before that, it leaves nothing.
class BoxFileWriter {
 public:
  explicit BoxFileWriter(const std::string& path);
  ~BoxFileWriter();
  BoxFileWriter(const BoxFileWriter&) = delete;
  BoxFileWriter& operator=(const BoxFileWriter&) = delete;

  // `data` holds the elements of `box`, row-major and dense.
  // An empty Box declares the array's shape only.
  template <class T>
  void write(const std::string& name, const Shape& global, const Box& box, const T* data);

  // Named apart, so that no literal is taken for another type. A name is set once.
  void set_text(const std::string& name, const std::string& value);
  void set_integer(const std::string& name, std::int64_t value);
  void set_real(const std::string& name, double value);

  // Closes, reads everything back, syncs and renames.
  // Error(disk) when any of it fails; nothing is left then.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Every complaint about a file is an Error(data) that names it, the array, and both checksums.
class BoxFileReader {
 public:
  explicit BoxFileReader(const std::string& path);
  // The files that together hold the arrays.
  explicit BoxFileReader(const std::vector<std::string>& paths);
  ~BoxFileReader();
  BoxFileReader(BoxFileReader&&) noexcept;
  BoxFileReader& operator=(BoxFileReader&&) noexcept;

  std::vector<std::string> names() const;  // of the arrays, sorted
  bool has(const std::string& name) const;
  const Shape& shape(const std::string& name) const;
  BoxType type(const std::string& name) const;

  // Fills `out` with Box `wanted`, row-major and dense. Error(data) when the files hold only part
  // of it, or some of it twice, or another type than T.
  template <class T>
  void read(const std::string& name, const Box& wanted, T* out) const;

  void verify() const;  // every piece against its checksums, and every array covered whole

  // Attributes of the first file, in the order of `paths`,
  // that has the name. Error(data) when none has.
  bool has_attribute(const std::string& name) const;
  std::string get_text(const std::string& name) const;
  std::int64_t get_integer(const std::string& name) const;
  double get_real(const std::string& name) const;
  std::vector<std::string> attribute_names() const;  // of all files, sorted

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ortho
