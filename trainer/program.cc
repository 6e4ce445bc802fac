#include "trainer/program.h"

#include "core/error.h"
#include "core/file.h"
#include "dataio/crc32c.h"

namespace ortho {

const std::string& program_text() {
  static const std::string line = [] {
    const auto bytes = read_bytes("/proc/self/exe");
    return text("orthotope " ORTHO_VERSION ", build ",
                crc32c_text(crc32c(bytes.data(), bytes.size())));
  }();
  return line;
}

}  // namespace ortho
