// HDF5, the part of it we use: flat datasets of numbers and attributes, every return code checked.
//
// The only home of <hdf5.h>; handles are plain int64 here. A file being written fails with
// Error(disk), one being read with Error(data); both carry the library's own text. Reading trusts
// nothing: classes, types, ranks, layouts, filters and links are checked before a value is read.
// The library is not told to print.
#pragma once

#include <cstdint>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/handle.h"

namespace ortho {

struct Hdf5Id {
  using Type = std::int64_t;
  static Type null() { return -1; }
  static void close(Type id) noexcept;
};
using Hdf5Handle = Handle<Hdf5Id>;

// Stored little endian, IEEE where real.
enum class Number : std::uint8_t { u8, u32, u64, i64, f32, f64 };

template <class T>
struct NumberOf;
template <>
struct NumberOf<std::uint8_t> {
  static constexpr Number value = Number::u8;
};
template <>
struct NumberOf<std::uint32_t> {
  static constexpr Number value = Number::u32;
};
template <>
struct NumberOf<std::uint64_t> {
  static constexpr Number value = Number::u64;
};
template <>
struct NumberOf<std::int64_t> {
  static constexpr Number value = Number::i64;
};
template <>
struct NumberOf<float> {
  static constexpr Number value = Number::f32;
};
template <>
struct NumberOf<double> {
  static constexpr Number value = Number::f64;
};

// Fails with `what` and the library's own text when
// a call returned a negative code; else returns the code.
std::int64_t check_hdf5(std::int64_t code, ErrorKind kind, const std::string& what,
                        std::source_location where = std::source_location::current());

// What files and datasets share: a name for messages, and attributes.
class Hdf5Object {
 public:
  const std::string& name() const { return name_; }  // "data/shard-0007.h5 /block/crc32c"

  template <class T>
  void write_attribute(const std::string& attribute, T value) {
    write_numbers(attribute, NumberOf<T>::value, true, 1, &value);
  }
  template <class T>
  void write_attribute(const std::string& attribute, std::span<const T> values) {
    write_numbers(attribute, NumberOf<T>::value, false, values.size(), values.data());
  }
  void write_attribute(const std::string& attribute, const std::string& value);

  bool has_attribute(const std::string& attribute) const;

  template <class T>
  T read_attribute(const std::string& attribute) const {
    T value{};
    read_numbers(attribute, NumberOf<T>::value, true, 1, &value);
    return value;
  }
  template <class T>
  std::vector<T> read_attribute_list(const std::string& attribute) const {
    std::vector<T> values(attribute_size(attribute));
    read_numbers(attribute, NumberOf<T>::value, false, values.size(), values.data());
    return values;
  }
  std::string read_attribute_text(const std::string& attribute) const;

 protected:
  Hdf5Object(Hdf5Handle handle, std::string name, ErrorKind kind)
      : handle_(std::move(handle)), name_(std::move(name)), kind_(kind) {}
  // "cannot VERB NAME: the library's text" when `code` is negative.
  std::int64_t check(std::int64_t code, std::string_view verb,
                     std::source_location where = std::source_location::current()) const;
  std::int64_t id() const { return handle_.get(); }

  Hdf5Handle handle_;
  std::string name_;
  ErrorKind kind_;  // of every failure: disk when writing, data when reading

 private:
  void write_numbers(const std::string& attribute, Number type, bool scalar, std::uint64_t count,
                     const void* values);
  void read_numbers(const std::string& attribute, Number type, bool scalar, std::uint64_t count,
                    void* values) const;
  void create_attribute(const std::string& attribute, std::int64_t type, std::int64_t space,
                        const void* values);
  std::uint64_t attribute_size(const std::string& attribute) const;
};

class Hdf5Dataset : public Hdf5Object {
 public:
  Number type() const { return type_; }
  const std::vector<std::uint64_t>& shape() const { return shape_; }
  std::uint64_t chunk() const { return chunk_; }  // rows; 0: contiguous

  // `count` rows from row `first` on, all columns; `out` and `data` are of the dataset's own type.
  void read(std::uint64_t first, std::uint64_t count, void* out) const {
    transfer(true, first, count, out);
  }
  void write(std::uint64_t first, std::uint64_t count, const void* data) {
    transfer(false, first, count, const_cast<void*>(data));  // H5Dwrite takes it const
  }
  void grow(std::uint64_t rows);  // of a dataset made by create_blocks
  void close();                   // what is not written yet is: a full disk may show only here

 private:
  friend class Hdf5File;
  Hdf5Dataset(Hdf5Handle handle, std::string name, ErrorKind kind, Number type,
              std::vector<std::uint64_t> shape, std::uint64_t chunk)
      : Hdf5Object(std::move(handle), std::move(name), kind),
        type_(type),
        shape_(std::move(shape)),
        chunk_(chunk) {}
  void transfer(bool reading, std::uint64_t first, std::uint64_t count, void* data) const;

  Number type_;
  std::vector<std::uint64_t> shape_;
  std::uint64_t chunk_;
};

class Hdf5File : public Hdf5Object {
 public:
  // Library bounds V110: a file whose writer died before close() does not open.
  static Hdf5File create(const std::string& path);  // replaces what is there
  // For reading only; Error(usage) when there is no such file.
  static Hdf5File open(const std::string& path);

  // Contiguous, written at once. Groups on the way to `path` are made.
  Hdf5Dataset create_dataset(const std::string& path, Number type,
                             const std::vector<std::uint64_t>& shape, const void* data);
  // u8 [0, may grow], one chunk a block, shuffled and deflated at a level above 0.
  Hdf5Dataset create_blocks(const std::string& path, std::uint64_t block_bytes, int deflate);

  // Refuses whatever is not a plain dataset of this type and rank.
  Hdf5Dataset open_dataset(const std::string& path, Number type, int rank) const;
  Hdf5Dataset open_dataset(const std::string& path, int rank) const;  // of any Number
  bool has(const std::string& path) const;
  std::vector<std::string> list(const std::string& group) const;  // names in it, sorted

  void sync_and_close();  // flush, fsync, close

 private:
  Hdf5File(Hdf5Handle handle, std::string path, ErrorKind kind)
      : Hdf5Object(std::move(handle), std::move(path), kind) {}
};

}  // namespace ortho
