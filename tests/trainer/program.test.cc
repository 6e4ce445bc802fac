#include "trainer/program.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "core/file.h"
#include "dataio/crc32c.h"

namespace ortho {
namespace {

TEST(Program, NamesItsVersionAndTheChecksumOfItsFile) {
  const std::string path = std::filesystem::read_symlink("/proc/self/exe");
  const auto bytes = read_bytes(path);
  const std::string sum = crc32c_text(crc32c(bytes.data(), bytes.size()));
  const std::string& line = program_text();
  EXPECT_EQ(line.find("orthotope 0."), 0u) << line;
  EXPECT_EQ(line.substr(line.find(", ")), ", build " + sum);
  EXPECT_EQ(&program_text(), &line);  // read once
}

}  // namespace
}  // namespace ortho
