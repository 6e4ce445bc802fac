#include "core/error.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace ortho {
namespace {

// Set once at start, before any thread exists; read only afterwards.
std::string& rank_prefix() {
  static std::string prefix;
  return prefix;
}

// "dataio/shard.cc:142" from an absolute or relative build path: the last two parts name the house.
std::string place(const std::source_location& where) {
  std::string_view path = where.file_name();
  size_t slash = path.rfind('/');
  if (slash != std::string_view::npos) slash = path.rfind('/', slash - 1);
  if (slash != std::string_view::npos) path.remove_prefix(slash + 1);
  return text(path, ':', where.line());
}

}  // namespace

int Error::exit_code() const {
  switch (kind_) {
    case ErrorKind::usage:
      return 64;
    case ErrorKind::data:
      return 65;
    case ErrorKind::disk:
      return 74;
    case ErrorKind::internal:
      return 1;
  }
  return 1;
}

void set_rank(int rank, int ranks, const std::string& host) {
  rank_prefix() = text("rank ", rank, " of ", ranks, " on ", host, ": ");
}

void fail(ErrorKind kind, const std::string& message, std::source_location where) {
  throw Error(kind, text(rank_prefix(), place(where), ": "), message);
}

std::string system_error() { return text(std::strerror(errno), " (errno ", errno, ")"); }

std::int64_t checked_product(std::int64_t a, std::int64_t b) {
  REQUIRE(a >= 0 && b >= 0, "sizes must not be negative: ", a, " x ", b);
  std::int64_t product = 0;
  const bool overflow = __builtin_mul_overflow(a, b, &product) || product > (std::int64_t{1} << 62);
  REQUIRE(!overflow, "size overflow: ", a, " x ", b,
          " passes 2^62. Make an axis, the channels or the batch smaller.");
  return product;
}

}  // namespace ortho
