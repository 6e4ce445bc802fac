#include <set>

#include "dataio/box_file.h"
#include "dataio/box_file_format.h"
#include "dataio/crc32c.h"
#include "dataio/hdf5_draft.h"

namespace ortho {

struct BoxFileWriter::State {
  explicit State(const std::string& path) : name(path), draft(path) {}

  void write(const std::string& array, const Shape& global, const Box& box, BoxType type,
             const void* data);
  void set(const std::string& attribute, Number type, std::uint64_t count, const void* value,
           std::uint64_t bytes);

  std::string name;
  Hdf5Draft draft;
  std::vector<std::vector<std::uint32_t>> checksums;  // of each piece, from memory
  std::set<std::string> attributes;
};

namespace {

void check_box(const std::string& array, const Shape& global, const Box& box) {
  ASSERT(!array.empty(), "an array needs a name");
  ASSERT(box.lo.size() == global.size() && box.hi.size() == global.size(), array, ": ",
         box_text(box), " of ", shape_text(global));
  for (size_t axis = 0; axis < global.size(); ++axis)
    ASSERT(0 <= box.lo[axis] && box.lo[axis] <= box.hi[axis] && box.hi[axis] <= global[axis], array,
           ": ", box_text(box), " of ", shape_text(global));
}

}  // namespace

void BoxFileWriter::State::write(const std::string& array, const Shape& global, const Box& box,
                                 BoxType type, const void* data) {
  check_box(array, global, box);
  const auto count = static_cast<std::uint64_t>(elements(box));
  checksums.push_back(chunk_checksums(data, count * bytes_of(type)));
  const std::string piece = piece_name(checksums.size() - 1);
  Hdf5File& file = draft.file();
  Hdf5Dataset values = file.create_dataset("/pieces/" + piece, number_of(type), {count}, data);
  values.write_attribute("array", array);
  values.write_attribute("shape", std::span<const std::int64_t>(global));
  values.write_attribute("lo", std::span<const std::int64_t>(box.lo));
  values.write_attribute("hi", std::span<const std::int64_t>(box.hi));
  values.close();
  const auto& sums = checksums.back();
  file.create_dataset("/checksums/" + piece, Number::u32, {sums.size()}, sums.data()).close();
}

// A dataset, since an HDF5 attribute above 64 KiB would carry no checksum of the library's.
void BoxFileWriter::State::set(const std::string& attribute, Number type, std::uint64_t count,
                               const void* value, std::uint64_t bytes) {
  const bool plain =
      !attribute.empty() && attribute != "." && attribute.find('/') == std::string::npos;
  ASSERT(plain, "\"", attribute, "\" cannot name an attribute");
  ASSERT(attributes.insert(attribute).second, name, ": attribute ", attribute, " is set twice");
  Hdf5Dataset dataset =
      draft.file().create_dataset("/attributes/" + attribute, type, {count}, value);
  dataset.write_attribute("crc32c", crc32c(value, bytes));
  dataset.close();
}

BoxFileWriter::BoxFileWriter(const std::string& path) : state_(std::make_unique<State>(path)) {}
BoxFileWriter::~BoxFileWriter() = default;

template <class T>
void BoxFileWriter::write(const std::string& name, const Shape& global, const Box& box,
                          const T* data) {
  state_->write(name, global, box, BoxTypeOf<T>::value, data);
}

template void BoxFileWriter::write(const std::string&, const Shape&, const Box&, const float*);
template void BoxFileWriter::write(const std::string&, const Shape&, const Box&, const double*);
template void BoxFileWriter::write(const std::string&, const Shape&, const Box&,
                                   const std::int64_t*);

void BoxFileWriter::set_text(const std::string& name, const std::string& value) {
  state_->set(name, Number::u8, value.size(), value.data(), value.size());
}

void BoxFileWriter::set_integer(const std::string& name, std::int64_t value) {
  state_->set(name, Number::i64, 1, &value, sizeof value);
}

void BoxFileWriter::set_real(const std::string& name, double value) {
  state_->set(name, Number::f64, 1, &value, sizeof value);
}

void BoxFileWriter::finish() {
  Hdf5File& file = state_->draft.file();
  file.write_attribute("format", std::string(kBoxFormat));
  file.write_attribute("version_major", kBoxVersionMajor);
  file.write_attribute("version_minor", kBoxVersionMinor);
  file.write_attribute("chunk_bytes", kBoxChunkBytes);
  file.write_attribute("pieces", std::uint64_t{state_->checksums.size()});
  file.write_attribute("complete", std::uint8_t{1});
  state_->draft.publish([&](const std::string& temporary) {
    if (verified_checksums(temporary) != state_->checksums)
      fail(ErrorKind::disk, text(temporary, " holds other checksums than were written"));
  });
}

}  // namespace ortho
