#include "tensor/buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "core/error.h"

namespace ortho {

void* allocate_aligned(std::int64_t bytes, const std::string& purpose) {
  constexpr std::int64_t kHugePage = std::int64_t{2} << 20;
  const std::int64_t alignment = bytes >= 2 * kHugePage ? kHugePage : 64;
  const std::int64_t whole = std::max<std::int64_t>(bytes, 1);
  const std::int64_t rounded = (whole + alignment - 1) / alignment * alignment;
  void* p = std::aligned_alloc(static_cast<size_t>(alignment), static_cast<size_t>(rounded));
  REQUIRE(p != nullptr, "out of memory: ", bytes, " bytes for ", purpose,
          " on this rank. Run `orthotope plan`.");
  if (alignment == kHugePage) madvise(p, static_cast<size_t>(rounded), MADV_HUGEPAGE);
  std::memset(p, 0, static_cast<size_t>(rounded));
  return p;
}

}  // namespace ortho
