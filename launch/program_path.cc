#include "launch/program_path.h"

#include <filesystem>

#include "core/error.h"

namespace ortho {

std::string program_beside(const std::string& name) {
  std::error_code code;
  const auto own = std::filesystem::read_symlink("/proc/self/exe", code);
  ASSERT(!code, "/proc/self/exe: ", code.message());
  return (own.parent_path() / name).string();
}

}  // namespace ortho
