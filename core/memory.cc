#include "core/memory.h"

#include <fstream>
#include <string>

namespace ortho {
namespace {

// Of /proc/self/status, where a line is "VmHWM:     43210 kB".
std::int64_t status_bytes(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::int64_t kilobytes = 0;
    if (word == name && status >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

}  // namespace

std::int64_t resident_bytes() { return status_bytes("VmRSS:"); }
std::int64_t peak_resident_bytes() { return status_bytes("VmHWM:"); }
std::int64_t resident_file_bytes() { return status_bytes("RssFile:"); }

}  // namespace ortho
