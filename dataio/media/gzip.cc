#include "dataio/media/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <limits>

#include "core/error.h"

namespace ortho {
namespace {

constexpr int kGzipWindow = 15 + 16;  // zlib's code for a gzip header and the largest window
constexpr std::size_t kStep = std::size_t{1} << 18;

struct Inflater {
  z_stream stream{};
  Inflater() { ASSERT(inflateInit2(&stream, kGzipWindow) == Z_OK, "zlib cannot start"); }
  ~Inflater() { inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
};

}  // namespace

bool is_gzip(std::span<const std::uint8_t> bytes) {
  return bytes.size() >= 2 && bytes[0] == 0x1F && bytes[1] == 0x8B;
}

std::vector<std::uint8_t> gunzip(std::span<const std::uint8_t> bytes, const std::string& name,
                                 std::uint64_t max_bytes) {
  Inflater inflater;
  z_stream& stream = inflater.stream;
  std::vector<std::uint8_t> out;
  std::size_t used = 0, made = 0;
  while (true) {
    if (out.size() - made < kStep) out.resize(std::max(2 * out.size(), made + kStep));
    const auto given = static_cast<uInt>(std::min(bytes.size() - used, kStep));
    const auto room = static_cast<uInt>(
        std::min<std::size_t>(out.size() - made, std::numeric_limits<uInt>::max()));
    stream.next_in = const_cast<Bytef*>(bytes.data() + used);  // zlib reads only
    stream.avail_in = given;
    stream.next_out = out.data() + made;
    stream.avail_out = room;
    const int code = inflate(&stream, Z_NO_FLUSH);
    used += given - stream.avail_in;
    made += room - stream.avail_out;
    if (made > max_bytes)
      fail(ErrorKind::data, text(name, " unpacks to more than ", max_bytes, " bytes"));
    if (code == Z_STREAM_END) {
      if (used == bytes.size()) break;
      inflateReset(&stream);  // the next member
    } else if (code != Z_OK) {
      const char* why = stream.msg != nullptr  ? stream.msg
                        : used == bytes.size() ? "the file ends too early"
                                               : "not gzip data";
      fail(ErrorKind::data, text(name, " is a damaged gzip file at byte ", used, ": ", why));
    }
  }
  out.resize(made);
  return out;
}

std::vector<std::uint8_t> gzip(std::span<const std::uint8_t> bytes) {
  REQUIRE(bytes.size() <= std::numeric_limits<uInt>::max(), "cannot compress ", bytes.size(),
          " bytes in one piece");
  z_stream stream{};
  ASSERT(deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindow, 8,
                      Z_DEFAULT_STRATEGY) == Z_OK,
         "zlib cannot start");
  std::vector<std::uint8_t> out(deflateBound(&stream, static_cast<uLong>(bytes.size())));
  stream.next_in = const_cast<Bytef*>(bytes.data());  // zlib reads only
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  const int code = deflate(&stream, Z_FINISH);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  ASSERT(code == Z_STREAM_END, "zlib cannot finish: ", code);
  return out;
}

}  // namespace ortho
