#include "dataio/npy.h"

#include <gtest/gtest.h>

#include "core/file.h"
#include "core/random.h"
#include "tests/support/errors.h"
#include "tests/support/temp_folder.h"

namespace ortho {
namespace {

class NpyFile : public testing::Test {
 protected:
  std::string written(const std::string& content) const {
    write_file_durably(folder_ / "a.npy", content);
    return folder_ / "a.npy";
  }
  static std::string why(const std::string& path) {
    return message_of([&] { NpyReader{path}; }, ErrorKind::data);
  }
  TempFolder folder_;
};

// A file of version 1.0 with this header and so many bytes of data.
std::string made(const std::string& header, size_t bytes) {
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size()) + '\0' + header +
         std::string(bytes, '\1');
}

template <class T>
void round_trip(const std::string& path) {
  for (const Shape& shape : {Shape{}, Shape{5}, Shape{2, 3}, Shape{3, 1, 4, 2}, Shape{0, 3}}) {
    std::vector<T> values;
    for (std::int64_t i = 0; i < elements(shape); ++i) values.push_back(static_cast<T>(i) / 3);
    write_npy(path, shape, values.data());
    const NpyReader file(path);
    EXPECT_EQ(file.shape(), shape);
    EXPECT_EQ(file.is_double(), sizeof(T) == 8);
    std::vector<T> back(values.size());
    file.read(0, elements(shape), back.data());
    EXPECT_EQ(back, values);
  }
}

TEST_F(NpyFile, ReadsWhatItWrote) {
  round_trip<float>(folder_ / "a.npy");
  round_trip<double>(folder_ / "a.npy");
  EXPECT_EQ(read_file(folder_ / "a.npy").find('\n') % 64, 63U) << "the data are not aligned";
}

TEST_F(NpyFile, ReadsAPart) {
  const float values[] = {0, 1, 2, 3, 4, 5};
  write_npy(folder_ / "a.npy", {2, 3}, values);
  double part[2];
  NpyReader(folder_ / "a.npy").read(3, 2, part);
  EXPECT_EQ(part[0], 3);
  EXPECT_EQ(part[1], 4);
}

TEST_F(NpyFile, RefusesOtherFiles) {
  const std::string head = "{'descr': '<f4', 'fortran_order': False, 'shape': ";
  const std::pair<std::string, const char*> cases[] = {
      {"\x93NUMPY\x01", "no .npy file"},
      {"PK\x03\x04 a zip of arrays", "no .npy file"},
      {std::string("\x93NUMPY\x01\x00\xff\x10 short", 16), "ends within its header"},
      {std::string("\x93NUMPY\x02\x00\xff\xff\xff\xff short", 20), "ends within its header"},
      {made("{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }", 8), "'<i8'"},
      {made("{'descr': '>f8', 'fortran_order': False, 'shape': (1,), }", 8), "'>f8'"},
      {made("{'descr': '<f8', 'fortran_order': True, 'shape': (1,), }", 8), "column-major"},
      {made("{'descr': '<f8', 'shape': (1,), }", 8), "no 'fortran_order':"},
      {made(head + "(2,), }", 4), "4 bytes of data"},
      {made(head + "(1,), }", 5), "5 bytes of data"},
      {made(head + "(4294967296, 4294967296), }", 4), "4 bytes of data"},
      {made(head + "(-1,), }", 4), "no shape"},
      {made(head + "(99999999999999999999,), }", 4), "no shape"},
      {made(head + "(1; 2), }", 4), "no shape"},
      {made(head + "1", 4), "no shape"},
  };
  for (const auto& [content, what] : cases) {
    const std::string message = why(written(content));
    EXPECT_NE(message.find(what), std::string::npos) << message;
    EXPECT_NE(message.find("a.npy"), std::string::npos) << message;
  }
  EXPECT_NE(message_of([&] { NpyReader{folder_ / "none.npy"}; }, ErrorKind::usage).find("none.npy"),
            std::string::npos);
}

TEST_F(NpyFile, AnyDamageIsRefusedOrHarmless) {
  const double values[] = {1, 2, 3, 4, 5, 6};
  write_npy(folder_ / "a.npy", {2, 3}, values);
  const std::string good = read_file(folder_ / "a.npy");
  const Random random(7, "damage");
  int refused = 0;
  for (std::uint64_t round = 0; round < 400; ++round) {
    std::string bad = good;
    bad[random.below(3 * round, 128)] = static_cast<char>(random.below(3 * round + 1, 256));
    if (round % 4 == 0) bad.resize(random.below(3 * round + 2, bad.size()));
    try {
      const Npy read = read_npy(written(bad));
      EXPECT_LE(read.values.size(),
                12U);  // 48 bytes of data hold no more, whatever the header says
    } catch (const Error& error) {
      EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(ErrorKind::data)) << error.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace ortho
