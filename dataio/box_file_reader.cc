#include <algorithm>
#include <map>
#include <set>

#include "dataio/box_file.h"
#include "dataio/box_file_format.h"
#include "dataio/crc32c.h"

namespace ortho {
namespace {

constexpr std::uint64_t kAttributeLimit = std::uint64_t{1} << 28;  // bytes of one text

struct Piece {
  size_t file;          // row in the reader's files
  std::string dataset;  // "/pieces/000041"
  std::string array;
  BoxType type;
  Shape shape;  // of the whole array
  Box box;
  std::uint64_t chunk_bytes;
  std::vector<std::uint32_t> checksums;  // of each chunk
};

struct Array {
  BoxType type;
  Shape shape;
  std::vector<Piece> pieces;
};

void check_head(const Hdf5File& file) {
  const auto refuse = [&](const auto&... why) {
    fail(ErrorKind::data, text(file.name(), ' ', why...));
  };
  if (!file.has_attribute("format")) refuse("is no box file: it has no attribute `format`");
  const std::string format = file.read_attribute_text("format");
  if (format != kBoxFormat)
    refuse("is no box file: its format is \"", format, "\", not \"", kBoxFormat, '"');
  const auto major = file.read_attribute<std::uint32_t>("version_major");
  if (major != kBoxVersionMajor)
    refuse("has format version ", major, "; this program reads version ", kBoxVersionMajor);
  if (!file.has_attribute("complete") || file.read_attribute<std::uint8_t>("complete") != 1)
    refuse("is not complete: its writer did not finish");
}

std::uint64_t read_chunk_bytes(const Hdf5File& file) {
  if (!file.has_attribute("chunk_bytes")) return kBoxReadBytes;  // version 1.0
  const auto bytes = file.read_attribute<std::uint64_t>("chunk_bytes");
  if (bytes < 8 || bytes > kBoxReadBytes || kBoxReadBytes % bytes != 0)
    fail(ErrorKind::data, text(file.name(), " has chunks of ", bytes,
                               " bytes: not a power of two from 8 to ", kBoxReadBytes));
  return bytes;
}

BoxType box_type(Number number, const std::string& name) {
  for (const BoxType type : {BoxType::f32, BoxType::f64, BoxType::i64})
    if (number_of(type) == number) return type;
  fail(ErrorKind::data, text(name, " holds no f32, f64 or i64"));
}

// The number of elements, when the Box lies in its shape and no product overflows.
std::uint64_t checked_elements(const Piece& piece, const std::string& name) {
  bool right =
      piece.box.lo.size() == piece.shape.size() && piece.box.hi.size() == piece.shape.size();
  std::int64_t total = 1, inside = 1;
  for (size_t axis = 0; right && axis < piece.shape.size(); ++axis) {
    const std::int64_t lo = piece.box.lo[axis], hi = piece.box.hi[axis], size = piece.shape[axis];
    right = 0 <= lo && lo <= hi && hi <= size &&
            !__builtin_mul_overflow(total, std::max<std::int64_t>(size, 1), &total);
    inside = right ? inside * (hi - lo) : 0;
  }
  if (!right)
    fail(ErrorKind::data, text(name, " of array ", piece.array, " is no Box of its shape: ",
                               box_text(piece.box), " of ", shape_text(piece.shape)));
  return static_cast<std::uint64_t>(inside);
}

Piece read_piece_head(const Hdf5File& file, size_t row, std::uint64_t chunk_bytes,
                      std::uint64_t number) {
  const std::string name = piece_name(number);
  Piece piece{};
  piece.file = row;
  piece.chunk_bytes = chunk_bytes;
  piece.dataset = "/pieces/" + name;
  const Hdf5Dataset values = file.open_dataset(piece.dataset, 1);
  piece.type = box_type(values.type(), values.name());
  piece.array = values.read_attribute_text("array");
  piece.shape = values.read_attribute_list<std::int64_t>("shape");
  piece.box.lo = values.read_attribute_list<std::int64_t>("lo");
  piece.box.hi = values.read_attribute_list<std::int64_t>("hi");
  const std::uint64_t count = checked_elements(piece, values.name());
  if (values.shape()[0] != count)
    fail(ErrorKind::data, text(values.name(), " of array ", piece.array, " has ", values.shape()[0],
                               " values where ", box_text(piece.box), " has ", count));
  const Hdf5Dataset sums = file.open_dataset("/checksums/" + name, Number::u32, 1);
  const std::uint64_t chunks = (count * bytes_of(piece.type) + chunk_bytes - 1) / chunk_bytes;
  if (sums.shape()[0] != chunks)
    fail(ErrorKind::data,
         text(sums.name(), " has ", sums.shape()[0], " values where ", chunks, " belong"));
  piece.checksums.resize(chunks);
  sums.read(0, chunks, piece.checksums.data());
  return piece;
}

std::vector<Piece> read_piece_heads(const Hdf5File& file, size_t row) {
  check_head(file);
  std::vector<Piece> pieces;
  const std::uint64_t chunk_bytes = read_chunk_bytes(file);
  const auto count = file.read_attribute<std::uint64_t>("pieces");
  for (std::uint64_t number = 0; number < count; ++number)
    pieces.push_back(read_piece_head(file, row, chunk_bytes, number));
  return pieces;
}

constexpr std::int64_t elements_of(std::uint64_t bytes, size_t size) {
  return static_cast<std::int64_t>(bytes / size);
}

// The whole chunks that hold elements from `first` on, to `end` at most: as many as are read at
// once.
template <class T>
Range chunks_around(const Piece& piece, std::int64_t first, std::int64_t end,
                    std::uint64_t most_bytes = kBoxReadBytes) {
  const std::int64_t chunk = elements_of(piece.chunk_bytes, sizeof(T));
  const std::int64_t most = elements_of(std::max(most_bytes, piece.chunk_bytes), sizeof(T));
  const std::int64_t lo = first / chunk * chunk, up = (end + chunk - 1) / chunk * chunk;
  return {lo, std::min({up, lo + most, elements(piece.box)})};
}

// Reads whole chunks and compares their checksums.
template <class T>
void load_verified(const Hdf5Dataset& dataset, const Piece& piece, const Range& range, T* values) {
  dataset.read(static_cast<std::uint64_t>(range.lo), static_cast<std::uint64_t>(range.size()),
               values);
  const std::int64_t chunk = elements_of(piece.chunk_bytes, sizeof(T));
  for (std::int64_t at = range.lo; at < range.hi; at += chunk) {
    const std::int64_t count = std::min(chunk, range.hi - at);
    const std::uint32_t found =
        crc32c(values + (at - range.lo), static_cast<size_t>(count) * sizeof(T));
    const std::uint32_t expected = piece.checksums[static_cast<size_t>(at / chunk)];
    if (found != expected) [[unlikely]]
      fail(ErrorKind::data, text(dataset.name(), " of array ", piece.array, ": elements ", at,
                                 " to ", at + count, " have checksum ", crc32c_text(found),
                                 ", expected ", crc32c_text(expected), ". The file is damaged"));
  }
}

// All of a piece; place(range) says where each part goes.
template <class T, class Place>
void load_piece(const Hdf5Dataset& dataset, const Piece& piece, Place place) {
  const std::int64_t size = elements(piece.box);
  for (std::int64_t at = 0; at < size;) {
    const Range range = chunks_around<T>(piece, at, size);
    load_verified(dataset, piece, range, place(range));
    at = range.hi;
  }
}

template <class T>
std::unique_ptr<T[]> read_buffer() {
  return std::make_unique_for_overwrite<T[]>(kBoxReadBytes / sizeof(T));
}

template <class T>
void verify_piece(const Hdf5File& file, const Piece& piece) {
  const Hdf5Dataset dataset = file.open_dataset(piece.dataset, number_of(piece.type), 1);
  const auto values = read_buffer<T>();
  load_piece<T>(dataset, piece, [&](const Range&) { return values.get(); });
}

void verify_any_piece(const Hdf5File& file, const Piece& piece) {
  switch (piece.type) {
    case BoxType::f32:
      return verify_piece<float>(file, piece);
    case BoxType::f64:
      return verify_piece<double>(file, piece);
    case BoxType::i64:
      return verify_piece<std::int64_t>(file, piece);
  }
}

// Where the last of the runs of `box` ends in an array of `shape` that follow each other without a
// gap: the end of the first run, or of them all.
std::int64_t end_without_gap(const Shape& shape, const Box& box) {
  std::int64_t first = 0, end = 0, runs = 0;
  for_each_run(shape, box, [&](std::int64_t offset, std::int64_t count) {
    if (runs++ == 0) first = offset + count;
    end = offset + count;
  });
  return runs == 1 ? end : first;
}

// Copies what `piece` has of `wanted` into `out`. Runs follow each other in the piece, so no chunk
// is read twice. As much is read at once as stays near, if there is nothing to pass over, or little
// between runs shorter than a chunk.
template <class T>
void read_shared(const Hdf5File& file, const Piece& piece, const Box& wanted, T* out) {
  const Hdf5Dataset dataset = file.open_dataset(piece.dataset, number_of(piece.type), 1);
  if (piece.box == wanted) {
    load_piece<T>(dataset, piece, [&](const Range& range) { return out + range.lo; });
    return;
  }
  const Box shared = intersect(piece.box, wanted);
  const auto values = read_buffer<T>();
  Range held{0, 0};
  const Box inside = relative_to(piece.box, shared);
  const std::int64_t near = end_without_gap(extent(piece.box), inside);
  for_each_run(extent(piece.box), inside, extent(wanted), relative_to(wanted, shared),
               [&](std::int64_t at, std::int64_t target, std::int64_t count) {
                 const std::int64_t chunk = elements_of(piece.chunk_bytes, sizeof(T));
                 const std::int64_t ahead =
                     count < chunk ? elements(piece.box) : std::max(near, at + count);
                 for (const std::int64_t end = at + count; at < end;) {
                   if (at >= held.hi) {
                     held = chunks_around<T>(piece, at, ahead, kBoxNearBytes);
                     load_verified(dataset, piece, held, values.get());
                   }
                   const std::int64_t part = std::min(end, held.hi) - at;
                   std::copy_n(values.get() + (at - held.lo), part, out + target);
                   at += part;
                   target += part;
                 }
               });
}

std::string attribute_path(const std::string& name) { return "/attributes/" + name; }

}  // namespace

std::vector<std::vector<std::uint32_t>> verified_checksums(const std::string& path) {
  const Hdf5File file = Hdf5File::open(path);
  std::vector<std::vector<std::uint32_t>> checksums;
  for (const Piece& piece : read_piece_heads(file, 0)) {
    verify_any_piece(file, piece);
    checksums.push_back(piece.checksums);
  }
  return checksums;
}

struct BoxFileReader::State {
  void open(const std::string& path);
  const Array& array(const std::string& name) const;
  std::vector<std::string> paths() const;
  // From the first file that has it. One value, or bytes of a text; T is what `type` is.
  template <class T>
  std::vector<T> attribute(const std::string& name, Number type) const;

  // The pieces that share elements with `wanted`; together they must hold it whole and once.
  std::vector<const Piece*> holders(const std::string& name, const Box& wanted) const;

  std::vector<Hdf5File> files;
  std::map<std::string, Array> arrays;
};

void BoxFileReader::State::open(const std::string& path) {
  files.push_back(Hdf5File::open(path));
  for (Piece& piece : read_piece_heads(files.back(), files.size() - 1)) {
    Array& known =
        arrays.try_emplace(piece.array, Array{piece.type, piece.shape, {}}).first->second;
    if (known.shape != piece.shape || known.type != piece.type)
      fail(ErrorKind::data, text(path, ": array ", piece.array, " is ", box_type_name(piece.type),
                                 ' ', shape_text(piece.shape), " here, ", box_type_name(known.type),
                                 ' ', shape_text(known.shape), " before"));
    known.pieces.push_back(std::move(piece));
  }
}

std::vector<std::string> BoxFileReader::State::paths() const {
  std::vector<std::string> names;
  for (const Hdf5File& file : files) names.push_back(file.name());
  return names;
}

template <class T>
std::vector<T> BoxFileReader::State::attribute(const std::string& name, Number type) const {
  const auto has = [&](const Hdf5File& file) { return file.has(attribute_path(name)); };
  const auto file = std::find_if(files.begin(), files.end(), has);
  if (file == files.end())
    fail(ErrorKind::data, text(list_text(paths()), " has no attribute ", name));
  const Hdf5Dataset dataset = file->open_dataset(attribute_path(name), type, 1);
  const std::uint64_t count = dataset.shape()[0];
  if (count > kAttributeLimit || (type != Number::u8 && count != 1))
    fail(ErrorKind::data, text(dataset.name(), " has ", count, " values"));
  std::vector<T> value(count);
  dataset.read(0, count, value.data());
  const std::uint32_t found = crc32c(value.data(), count * sizeof(T));
  const auto expected = dataset.read_attribute<std::uint32_t>("crc32c");
  if (found != expected)
    fail(ErrorKind::data, text(dataset.name(), " has checksum ", crc32c_text(found), ", expected ",
                               crc32c_text(expected), ". The file is damaged"));
  return value;
}

const Array& BoxFileReader::State::array(const std::string& name) const {
  const auto found = arrays.find(name);
  if (found == arrays.end())
    fail(ErrorKind::data, text(list_text(paths()), " holds no array ", name));
  return found->second;
}

std::vector<const Piece*> BoxFileReader::State::holders(const std::string& name,
                                                        const Box& wanted) const {
  std::vector<const Piece*> found;
  std::int64_t held = 0;
  for (const Piece& piece : array(name).pieces) {
    const Box shared = intersect(piece.box, wanted);
    if (is_empty(shared)) continue;
    for (const Piece* other : found)
      if (!is_empty(intersect(other->box, shared)))
        fail(ErrorKind::data,
             text("array ", name, ": ", box_text(piece.box), " of ", files[piece.file].name(),
                  " overlaps ", box_text(other->box), " of ", files[other->file].name()));
    found.push_back(&piece);
    held += elements(shared);
  }
  if (held != elements(wanted))
    fail(ErrorKind::data,
         text(list_text(paths()), " hold only ", held, " of the ", elements(wanted),
              " elements of array ", name, ' ', box_text(wanted)));
  return found;
}

BoxFileReader::BoxFileReader(const std::string& path)
    : BoxFileReader(std::vector<std::string>{path}) {}

BoxFileReader::BoxFileReader(const std::vector<std::string>& paths)
    : state_(std::make_unique<State>()) {
  REQUIRE(!paths.empty(), "no box file is given");
  for (const std::string& path : paths) state_->open(path);
}

BoxFileReader::~BoxFileReader() = default;
BoxFileReader::BoxFileReader(BoxFileReader&&) noexcept = default;
BoxFileReader& BoxFileReader::operator=(BoxFileReader&&) noexcept = default;

std::vector<std::string> BoxFileReader::names() const {
  std::vector<std::string> names;
  for (const auto& entry : state_->arrays) names.push_back(entry.first);
  return names;
}

bool BoxFileReader::has(const std::string& name) const { return state_->arrays.contains(name); }
const Shape& BoxFileReader::shape(const std::string& name) const {
  return state_->array(name).shape;
}
BoxType BoxFileReader::type(const std::string& name) const { return state_->array(name).type; }

template <class T>
void BoxFileReader::read(const std::string& name, const Box& wanted, T* out) const {
  const Array& array = state_->array(name);
  if (array.type != BoxTypeOf<T>::value)
    fail(ErrorKind::data,
         text("array ", name, " of ", list_text(state_->paths()), " is ", box_type_name(array.type),
              ", wanted as ", box_type_name(BoxTypeOf<T>::value)));
  ASSERT(wanted.lo.size() == array.shape.size() && intersect(wanted, whole(array.shape)) == wanted,
         "array ", name, ' ', shape_text(array.shape), " has no ", box_text(wanted));
  for (const Piece* piece : state_->holders(name, wanted))
    read_shared(state_->files[piece->file], *piece, wanted, out);
}

template void BoxFileReader::read(const std::string&, const Box&, float*) const;
template void BoxFileReader::read(const std::string&, const Box&, double*) const;
template void BoxFileReader::read(const std::string&, const Box&, std::int64_t*) const;

void BoxFileReader::verify() const {
  for (const auto& [name, array] : state_->arrays) {
    state_->holders(name, whole(array.shape));
    for (const Piece& piece : array.pieces) verify_any_piece(state_->files[piece.file], piece);
  }
}

bool BoxFileReader::has_attribute(const std::string& name) const {
  return std::any_of(state_->files.begin(), state_->files.end(),
                     [&](const Hdf5File& file) { return file.has(attribute_path(name)); });
}

std::string BoxFileReader::get_text(const std::string& name) const {
  const std::vector<char> value = state_->attribute<char>(name, Number::u8);
  return {value.begin(), value.end()};
}

std::int64_t BoxFileReader::get_integer(const std::string& name) const {
  return state_->attribute<std::int64_t>(name, Number::i64).at(0);
}

double BoxFileReader::get_real(const std::string& name) const {
  return state_->attribute<double>(name, Number::f64).at(0);
}

std::vector<std::string> BoxFileReader::attribute_names() const {
  std::set<std::string> names;
  for (const Hdf5File& file : state_->files)
    if (file.has("/attributes"))
      for (const std::string& name : file.list("/attributes")) names.insert(name);
  return {names.begin(), names.end()};
}

}  // namespace ortho
