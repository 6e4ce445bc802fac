#include "dataio/hdf5.h"

#include <hdf5.h>
#include <unistd.h>

#include <algorithm>
#include <bit>

#include "core/file.h"

namespace ortho {
namespace {

static_assert(sizeof(hid_t) == sizeof(std::int64_t));
static_assert(std::endian::native == std::endian::little, "stored as it lies in memory");

constexpr std::uint64_t kAttributeLimit = std::uint64_t{1} << 20;  // values, or bytes of a text

// Once a process: no plugins, and no cleaning up at exit, which crashes in H5F__close_cb (1.10.8)
// after a full disk refused a file. Once a thread, as the error stack is one a thread: no printing.
void prepare_library() {
  [[maybe_unused]] static const bool once = H5dont_atexit() >= 0 && H5PLset_loading_state(0) >= 0;
  [[maybe_unused]] thread_local const bool quiet = H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr) >= 0;
}

// The innermost message of the library's error stack. Of a failed system call it gives a screenful;
// kept are what failed and the system's text.
std::string library_error() {
  std::string message;
  H5Ewalk2(
      H5E_DEFAULT, H5E_WALK_UPWARD,
      [](unsigned n, const H5E_error2_t* error, void* out) -> herr_t {
        if (n == 0 && error->desc != nullptr) *static_cast<std::string*>(out) = error->desc;
        return 0;
      },
      &message);
  const std::string mark = "error message = '";
  const size_t reason = message.find(mark), head = message.find(": ");
  if (reason != std::string::npos && head != std::string::npos) {
    const std::string rest = message.substr(reason + mark.size());
    message = text(message.substr(0, head), ": ", rest.substr(0, rest.find('\'')));
  }
  return message.empty() ? "HDF5 gives no reason" : message;
}

hid_t stored_type(Number type) {
  static const hid_t types[] = {H5T_STD_U8LE,  H5T_STD_U32LE,  H5T_STD_U64LE,
                                H5T_STD_I64LE, H5T_IEEE_F32LE, H5T_IEEE_F64LE};
  return types[static_cast<size_t>(type)];
}

const char* number_name(Number type) {
  constexpr const char* kNames[] = {"u8", "u32", "u64", "i64", "f32", "f64"};
  return kNames[static_cast<size_t>(type)];
}

Hdf5Handle own(std::int64_t id, ErrorKind kind, const std::string& what) {
  return Hdf5Handle(check_hdf5(id, kind, what));
}

// Bounds V110 both ways, no locks (NFS and Lustre may have none), no sieve buffer.
Hdf5Handle file_access(ErrorKind kind, const std::string& path) {
  prepare_library();
  Hdf5Handle access = own(H5Pcreate(H5P_FILE_ACCESS), kind, text("cannot open ", path));
  const hid_t id = access.get();
  check_hdf5(H5Pset_libver_bounds(id, H5F_LIBVER_V110, H5F_LIBVER_V110), kind, path);
  check_hdf5(H5Pset_file_locking(id, false, true), kind, path);
  check_hdf5(H5Pset_fclose_degree(id, H5F_CLOSE_STRONG), kind, path);
  check_hdf5(H5Pset_sieve_buf_size(id, 0), kind, path);
  check_hdf5(H5Pset_alignment(id, 4096, 4096), kind, path);  // of everything at least that large
  return access;
}

// What is created with this list has no time in it: the same content gives the same bytes.
Hdf5Handle untimed(hid_t list) {
  Hdf5Handle plist = own(H5Pcreate(list), ErrorKind::disk, "cannot make a list of properties");
  check_hdf5(H5Pset_obj_track_times(plist.get(), 0), ErrorKind::disk, "cannot turn times off");
  return plist;
}

Hdf5Handle no_chunk_cache(ErrorKind kind, const std::string& name) {
  Hdf5Handle access = own(H5Pcreate(H5P_DATASET_ACCESS), kind, name);
  check_hdf5(H5Pset_chunk_cache(access.get(), 0, 0, 1.0), kind, name);
  return access;
}

// "/part/offset": "/part", "/part/offset".
std::vector<std::string> way_to(const std::string& path) {
  std::vector<std::string> parts;
  for (size_t end = 0; end != std::string::npos;) {
    end = path.find('/', end + 1);
    parts.push_back(path.substr(0, end));
  }
  return parts;
}

std::vector<hsize_t> extents(const std::vector<std::uint64_t>& shape) {
  return {shape.begin(), shape.end()};
}

std::vector<std::uint64_t> shape_of_space(hid_t space, const std::string& name) {
  const bool simple = H5Sget_simple_extent_type(space) == H5S_SIMPLE;
  if (!simple) fail(ErrorKind::data, text(name, " is not an array"));
  const std::string what = text("cannot read ", name);
  const auto axes = check_hdf5(H5Sget_simple_extent_ndims(space), ErrorKind::data, what);
  std::vector<hsize_t> sizes(static_cast<size_t>(axes));
  check_hdf5(H5Sget_simple_extent_dims(space, sizes.data(), nullptr), ErrorKind::data, what);
  return {sizes.begin(), sizes.end()};
}

Number number_type(hid_t type, const std::string& name) {
  for (const Number number :
       {Number::u8, Number::u32, Number::u64, Number::i64, Number::f32, Number::f64})
    if (H5Tequal(type, stored_type(number)) > 0) return number;
  fail(ErrorKind::data, text(name, " is of a type that is not read here"));
}

// Rows a chunk, 0 when contiguous. Refuses every other layout, foreign files and unknown filters.
std::uint64_t checked_layout(hid_t dataset, const std::string& name) {
  const std::string what = text("cannot read the layout of ", name);
  const Hdf5Handle plist = own(H5Dget_create_plist(dataset), ErrorKind::data, what);
  const hid_t id = plist.get();
  const H5D_layout_t layout = H5Pget_layout(id);
  if (layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED)
    fail(ErrorKind::data, text(name, " is neither contiguous nor chunked"));
  if (check_hdf5(H5Pget_external_count(id), ErrorKind::data, what) != 0)
    fail(ErrorKind::data, text(name, " lies in another file"));
  const auto filters = check_hdf5(H5Pget_nfilters(id), ErrorKind::data, what);
  for (unsigned i = 0; i < static_cast<unsigned>(filters); ++i) {
    unsigned flags = 0;
    size_t values = 0;
    const auto filter = H5Pget_filter2(id, i, &flags, &values, nullptr, 0, nullptr, nullptr);
    if (filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_DEFLATE)
      fail(ErrorKind::data,
           text(name, " uses filter ", filter, "; only shuffle and deflate are read"));
  }
  if (layout == H5D_CONTIGUOUS) return 0;
  hsize_t rows = 0;
  check_hdf5(H5Pget_chunk(id, 1, &rows), ErrorKind::data, what);
  return rows;
}

struct OpenAttribute {
  Hdf5Handle id, type;
  std::string name;  // for messages
  std::uint64_t count;
  int axes;
};

OpenAttribute open_attribute(hid_t object, const std::string& attribute,
                             const std::string& object_name, ErrorKind kind) {
  prepare_library();
  const std::string what = text("cannot read attribute ", attribute, " of ", object_name);
  OpenAttribute found{
      own(H5Aopen(object, attribute.c_str(), H5P_DEFAULT), kind, what), {}, {}, 0, 0};
  found.type = own(H5Aget_type(found.id.get()), kind, what);
  found.name = text(object_name, " attribute ", attribute);
  const Hdf5Handle space = own(H5Aget_space(found.id.get()), kind, what);
  found.axes = H5Sget_simple_extent_ndims(space.get());
  found.count =
      static_cast<std::uint64_t>(check_hdf5(H5Sget_simple_extent_npoints(space.get()), kind, what));
  if (found.count > kAttributeLimit) fail(kind, text(found.name, " has ", found.count, " values"));
  return found;
}

}  // namespace

void Hdf5Id::close(Type id) noexcept {
  prepare_library();
  // A failure was reported by close(), or follows one that was; there is nothing left to save.
  H5Idec_ref(id);
}

std::int64_t check_hdf5(std::int64_t code, ErrorKind kind, const std::string& what,
                        std::source_location where) {
  if (code < 0) [[unlikely]]
    fail(kind, text(what, ": ", library_error()), where);
  return code;
}

std::int64_t Hdf5Object::check(std::int64_t code, std::string_view verb,
                               std::source_location where) const {
  if (code < 0) [[unlikely]]
    check_hdf5(code, kind_, text("cannot ", verb, ' ', name_), where);
  return code;
}

void Hdf5Object::write_attribute(const std::string& attribute, const std::string& value) {
  prepare_library();
  const std::string verb = text("write attribute ", attribute, " of");
  const Hdf5Handle type(check(H5Tcopy(H5T_C_S1), verb));
  check(H5Tset_size(type.get(), value.size() + 1), verb);  // with its end mark, so never of size 0
  check(H5Tset_cset(type.get(), H5T_CSET_UTF8), verb);
  const Hdf5Handle space(check(H5Screate(H5S_SCALAR), verb));
  create_attribute(attribute, type.get(), space.get(), value.c_str());
}

void Hdf5Object::write_numbers(const std::string& attribute, Number type, bool scalar,
                               std::uint64_t count, const void* values) {
  prepare_library();
  const hsize_t size = count;
  const Hdf5Handle space(check(scalar ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &size, nullptr),
                               text("write attribute ", attribute, " of")));
  create_attribute(attribute, stored_type(type), space.get(), count > 0 ? values : nullptr);
}

void Hdf5Object::create_attribute(const std::string& attribute, std::int64_t type,
                                  std::int64_t space, const void* values) {
  const std::string verb = text("write attribute ", attribute, " of");
  Hdf5Handle made(
      check(H5Acreate2(id(), attribute.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT), verb));
  if (values != nullptr) check(H5Awrite(made.get(), type, values), verb);
  check(H5Aclose(made.release()), verb);
}

bool Hdf5Object::has_attribute(const std::string& attribute) const {
  prepare_library();
  return check(H5Aexists(id(), attribute.c_str()), "look for attributes of") > 0;
}

std::uint64_t Hdf5Object::attribute_size(const std::string& attribute) const {
  return open_attribute(id(), attribute, name_, kind_).count;
}

void Hdf5Object::read_numbers(const std::string& attribute, Number type, bool scalar,
                              std::uint64_t count, void* values) const {
  const OpenAttribute found = open_attribute(id(), attribute, name_, kind_);
  if (H5Tequal(found.type.get(), stored_type(type)) <= 0)
    fail(kind_, text(found.name, " is not of type ", number_name(type)));
  if (found.axes != (scalar ? 0 : 1) || found.count != count)
    fail(kind_, text(found.name, " has ", found.count, " values where ", count,
                     scalar ? " (scalar)" : "", " belong"));
  if (count > 0)
    check(H5Aread(found.id.get(), stored_type(type), values),
          text("read attribute ", attribute, " of"));
}

std::string Hdf5Object::read_attribute_text(const std::string& attribute) const {
  const OpenAttribute found = open_attribute(id(), attribute, name_, kind_);
  const hid_t type = found.type.get();
  const bool is_text = H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0;
  std::string value(is_text && found.count == 1 ? H5Tget_size(type) : 0, '\0');
  if (value.empty() || value.size() > kAttributeLimit)
    fail(kind_, text(found.name, " is not one text of fixed length"));
  check(H5Aread(found.id.get(), type, value.data()), text("read attribute ", attribute, " of"));
  while (!value.empty() && value.back() == '\0') value.pop_back();
  return value;
}

void Hdf5Dataset::transfer(bool reading, std::uint64_t first, std::uint64_t count,
                           void* data) const {
  prepare_library();
  const std::string verb = reading ? "read" : "write";
  ASSERT(count <= shape_.at(0) && first <= shape_[0] - count, name_, ": rows ", first, " + ", count,
         " of ", shape_[0]);
  std::vector<hsize_t> size = extents(shape_), start(shape_.size(), 0);
  const Hdf5Handle stored(
      check(H5Screate_simple(static_cast<int>(size.size()), size.data(), nullptr), verb));
  start[0] = first;
  size[0] = count;
  const Hdf5Handle memory(
      check(H5Screate_simple(static_cast<int>(size.size()), size.data(), nullptr), verb));
  if (std::find(size.begin(), size.end(), 0) != size.end()) return;
  check(H5Sselect_hyperslab(stored.get(), H5S_SELECT_SET, start.data(), nullptr, size.data(),
                            nullptr),
        verb);
  const hid_t type = stored_type(type_);
  check(reading ? H5Dread(id(), type, memory.get(), stored.get(), H5P_DEFAULT, data)
                : H5Dwrite(id(), type, memory.get(), stored.get(), H5P_DEFAULT, data),
        verb);
}

void Hdf5Dataset::grow(std::uint64_t rows) {
  prepare_library();
  shape_.at(0) = rows;
  check(H5Dset_extent(id(), extents(shape_).data()), "extend");
}

void Hdf5Dataset::close() {
  prepare_library();
  check(H5Dclose(handle_.release()), "close");
}

Hdf5File Hdf5File::create(const std::string& path) {
  const Hdf5Handle access = file_access(ErrorKind::disk, path);
  const Hdf5Handle plist = untimed(H5P_FILE_CREATE);
  return {own(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, plist.get(), access.get()), ErrorKind::disk,
              text("cannot create ", path)),
          path, ErrorKind::disk};
}

Hdf5File Hdf5File::open(const std::string& path) {
  REQUIRE(file_exists(path), "there is no file ", path);
  const Hdf5Handle access = file_access(ErrorKind::data, path);
  return {own(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()), ErrorKind::data,
              text("cannot open ", path, " (truncated, its writer died, or no HDF5 file)")),
          path, ErrorKind::data};
}

Hdf5Dataset Hdf5File::create_dataset(const std::string& path, Number type,
                                     const std::vector<std::uint64_t>& shape, const void* data) {
  prepare_library();
  const std::string full = text(name_, ' ', path);
  const auto axes = static_cast<int>(shape.size());
  const Hdf5Handle space(check(H5Screate_simple(axes, extents(shape).data(), nullptr), "lay out"));
  for (const std::string& way : way_to(path))  // groups of the library's own making have times
    if (way != path && !has(way))
      own(H5Gcreate2(id(), way.c_str(), H5P_DEFAULT, untimed(H5P_GROUP_CREATE).get(), H5P_DEFAULT),
          kind_, full);
  Hdf5Handle made = own(H5Dcreate2(id(), path.c_str(), stored_type(type), space.get(), H5P_DEFAULT,
                                   untimed(H5P_DATASET_CREATE).get(), H5P_DEFAULT),
                        kind_, text("cannot create ", full));
  Hdf5Dataset dataset(std::move(made), full, kind_, type, shape, 0);
  dataset.write(0, shape.at(0), data);
  return dataset;
}

Hdf5Dataset Hdf5File::create_blocks(const std::string& path, std::uint64_t block_bytes,
                                    int deflate) {
  prepare_library();
  const std::string full = text(name_, ' ', path);
  const Hdf5Handle plist = untimed(H5P_DATASET_CREATE);
  const hsize_t none = 0, unlimited = H5S_UNLIMITED, chunk = block_bytes;
  check(H5Pset_chunk(plist.get(), 1, &chunk), "set the blocks of");
  // Blocks are written whole; filling them first would send them through the cache.
  check(H5Pset_fill_time(plist.get(), H5D_FILL_TIME_NEVER), "set the blocks of");
  if (deflate > 0) {
    check(H5Pset_shuffle(plist.get()), "set the filters of");
    check(H5Pset_deflate(plist.get(), static_cast<unsigned>(deflate)), "set the filters of");
  }
  Hdf5Handle made = own(H5Dcreate2(id(), path.c_str(), stored_type(Number::u8),
                                   own(H5Screate_simple(1, &none, &unlimited), kind_, full).get(),
                                   H5P_DEFAULT, plist.get(), no_chunk_cache(kind_, full).get()),
                        kind_, text("cannot create ", full));
  return {std::move(made), full, kind_, Number::u8, {0}, block_bytes};
}

// A link of any other kind than hard may lead out of the file: refused on every step of the way.
Hdf5Dataset Hdf5File::open_dataset(const std::string& path, int rank) const {
  prepare_library();
  const std::string full = text(name_, ' ', path);
  for (const std::string& part : way_to(path)) {
    H5L_info_t link{};
    check_hdf5(H5Lget_info(id(), part.c_str(), &link, H5P_DEFAULT), kind_,
               text(name_, " has no ", part));
    if (link.type != H5L_TYPE_HARD)
      fail(kind_, text(name_, ' ', part, " is a link out of its place"));
  }
  Hdf5Handle dataset = own(H5Dopen2(id(), path.c_str(), no_chunk_cache(kind_, full).get()), kind_,
                           text("cannot open ", full));
  const Hdf5Handle type = own(H5Dget_type(dataset.get()), kind_, full);
  const Hdf5Handle space = own(H5Dget_space(dataset.get()), kind_, full);
  std::vector<std::uint64_t> shape = shape_of_space(space.get(), full);
  if (shape.size() != static_cast<size_t>(rank))
    fail(kind_, text(full, " has ", shape.size(), " axes where ", rank, " belong"));
  const std::uint64_t chunk = checked_layout(dataset.get(), full);
  return {std::move(dataset), full, kind_, number_type(type.get(), full), std::move(shape), chunk};
}

Hdf5Dataset Hdf5File::open_dataset(const std::string& path, Number type, int rank) const {
  Hdf5Dataset dataset = open_dataset(path, rank);
  if (dataset.type() != type)
    fail(kind_, text(dataset.name(), " is not of type ", number_name(type)));
  return dataset;
}

// The library calls it an error to ask for what is in a group that is not there.
bool Hdf5File::has(const std::string& path) const {
  prepare_library();
  for (const std::string& part : way_to(path))
    if (check(H5Lexists(id(), part.c_str(), H5P_DEFAULT), text("look for ", part, " in")) == 0)
      return false;
  return true;
}

std::vector<std::string> Hdf5File::list(const std::string& group) const {
  prepare_library();
  std::vector<std::string> names;
  const auto collect = [](hid_t, const char* name, const H5L_info_t*, void* out) -> herr_t {
    static_cast<std::vector<std::string>*>(out)->emplace_back(name);
    return 0;
  };
  check(H5Literate_by_name(id(), group.c_str(), H5_INDEX_NAME, H5_ITER_NATIVE, nullptr, collect,
                           &names, H5P_DEFAULT),
        text("list ", group, " of"));
  std::sort(names.begin(), names.end());
  return names;
}

void Hdf5File::sync_and_close() {
  prepare_library();
  check(H5Fflush(id(), H5F_SCOPE_LOCAL), "flush");
  void* descriptor = nullptr;
  check(H5Fget_vfd_handle(id(), H5P_DEFAULT, &descriptor), "sync");
  if (::fsync(*static_cast<int*>(descriptor)) != 0)
    fail(kind_, text("cannot sync ", name_, ": ", system_error()));
  check(H5Fclose(handle_.release()), "close");
}

}  // namespace ortho
