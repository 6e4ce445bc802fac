#include "dataio/box_file.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <limits>
#include <numeric>

#include "dataio/box_file_format.h"
#include "dataio/crc32c.h"
#include "dataio/hdf5_draft.h"
#include "tests/dataio/samples.h"

namespace ortho {
namespace {

// Element values that say where they belong: the row-major place in the global array.
template <class T>
std::vector<T> values_of(const Shape& global, const Box& box) {
  std::vector<T> all(static_cast<std::size_t>(elements(global))),
      part(static_cast<std::size_t>(elements(box)));
  std::iota(all.begin(), all.end(), T{1});
  copy_box(all.data(), global, box, part.data(), extent(box), Index(box.lo.size(), 0));
  return part;
}

template <class T>
void write_part(BoxFileWriter& writer, const std::string& name, const Shape& global,
                const Box& box) {
  writer.write(name, global, box, values_of<T>(global, box).data());
}

template <class T>
void expect_box(const BoxFileReader& reader, const std::string& name, const Box& wanted) {
  std::vector<T> found(static_cast<std::size_t>(elements(wanted)), T{-1});
  reader.read(name, wanted, found.data());
  EXPECT_EQ(found, values_of<T>(reader.shape(name), wanted)) << name << ' ' << box_text(wanted);
}

const Shape kGlobal = {5, 4, 6};

// "weights" in three pieces over two files, a scalar and a vector of other types beside it.
std::vector<std::string> two_files(const TempFolder& folder) {
  const std::vector<std::string> paths = {folder / "part-0.h5", folder / "part-1.h5"};
  BoxFileWriter first(paths[0]), second(paths[1]);
  write_part<float>(first, "weights", kGlobal, {{0, 0, 0}, {2, 4, 6}});
  write_part<float>(second, "weights", kGlobal, {{2, 0, 0}, {5, 1, 6}});
  write_part<float>(second, "weights", kGlobal, {{2, 1, 0}, {5, 4, 6}});
  write_part<double>(first, "block.0/moment", {7}, {{0}, {7}});
  write_part<std::int64_t>(second, "step", {}, {{}, {}});
  first.finish();
  second.finish();
  return paths;
}

TEST(BoxFile, AnyBoxOfThreePiecesInTwoFiles) {
  const TempFolder folder;
  const BoxFileReader reader(two_files(folder));
  EXPECT_EQ(reader.names(), (std::vector<std::string>{"block.0/moment", "step", "weights"}));
  EXPECT_EQ(reader.shape("weights"), kGlobal);
  EXPECT_EQ(reader.type("weights"), BoxType::f32);
  EXPECT_EQ(reader.type("block.0/moment"), BoxType::f64);
  EXPECT_TRUE(reader.has("step"));
  EXPECT_FALSE(reader.has("steps"));
  int boxes = 0;
  for (std::int64_t lo = 0; lo < 5; ++lo)
    for (std::int64_t hi = lo; hi <= 5; ++hi)
      for (const auto& [from, to] :
           {std::pair{0, 4}, std::pair{1, 2}, std::pair{0, 2}, std::pair{3, 3}})
        for (const auto& [left, right] : {std::pair{0, 6}, std::pair{2, 5}}) {
          expect_box<float>(reader, "weights", {{lo, from, left}, {hi, to, right}});
          ++boxes;
        }
  EXPECT_EQ(boxes, 160);
  expect_box<double>(reader, "block.0/moment", {{2}, {6}});
  expect_box<std::int64_t>(reader, "step", {{}, {}});
  reader.verify();
}

// Many chunks, read whole, across a chunk's edge, and in thin slices.
TEST(BoxFile, PiecesOfManyChunks) {
  const TempFolder folder;
  const Shape global = {700, 1000};  // 2.67 MiB of float
  BoxFileWriter writer(folder / "a.h5");
  write_part<float>(writer, "a", global, whole(global));
  writer.finish();
  const BoxFileReader reader(folder / "a.h5");
  for (const Box& wanted : {whole(global), Box{{262, 0}, {263, 1000}}, Box{{0, 999}, {700, 1000}},
                            Box{{699, 0}, {700, 1}}, Box{{100, 3}, {600, 9}}})
    expect_box<float>(reader, "a", wanted);
}

// Runs of more than a chunk, with gaps of some chunks that are not read.
TEST(BoxFile, RunsOfManyChunks) {
  const TempFolder folder;
  const Shape global = {3, 5, 100000};
  BoxFileWriter writer(folder / "a.h5");
  write_part<float>(writer, "a", global, whole(global));
  writer.finish();
  const BoxFileReader reader(folder / "a.h5");
  for (const Box& wanted : {Box{{0, 1, 0}, {3, 2, 100000}}, Box{{0, 2, 50}, {3, 4, 99999}},
                            Box{{1, 0, 4000}, {3, 5, 8200}}})
    expect_box<float>(reader, "a", wanted);
}

// As they were written before chunks had a size of their own: a checksum a MiB.
TEST(BoxFile, Version1_0) {
  const TempFolder folder;
  const std::string path = folder / "old.h5";
  const Shape global = {300000};
  const auto values = values_of<float>(global, whole(global));
  const std::uint64_t bytes = 4 * values.size(), mib = std::uint64_t{1} << 20;
  const std::vector<std::uint32_t> sums = {crc32c(values.data(), mib),
                                           crc32c(values.data() + mib / 4, bytes - mib)};
  Hdf5Draft draft(path);
  Hdf5File& file = draft.file();
  Hdf5Dataset piece =
      file.create_dataset("/pieces/000000", Number::f32, {values.size()}, values.data());
  piece.write_attribute("array", std::string("a"));
  piece.write_attribute("shape", std::span<const std::int64_t>(global));
  piece.write_attribute("lo", std::span<const std::int64_t>(Index{0}));
  piece.write_attribute("hi", std::span<const std::int64_t>(global));
  piece.close();
  file.create_dataset("/checksums/000000", Number::u32, {sums.size()}, sums.data()).close();
  file.write_attribute("format", std::string(kBoxFormat));
  file.write_attribute("version_major", std::uint32_t{1});
  file.write_attribute("version_minor", std::uint32_t{0});
  file.write_attribute("pieces", std::uint64_t{1});
  file.write_attribute("complete", std::uint8_t{1});
  draft.publish([](const std::string&) {});
  const BoxFileReader reader(path);
  reader.verify();
  expect_box<float>(reader, "a", {{262000}, {262300}});
}

TEST(BoxFile, EveryBitIsKept) {
  const TempFolder folder;
  const std::vector<double> values = {0.0,
                                      -0.0,
                                      std::numeric_limits<double>::denorm_min(),
                                      std::numeric_limits<double>::infinity(),
                                      std::numeric_limits<double>::quiet_NaN(),
                                      0.1};
  BoxFileWriter writer(folder / "a.h5");
  writer.write("a", {6}, {{0}, {6}}, values.data());
  writer.finish();
  std::vector<double> found(6);
  BoxFileReader(folder / "a.h5").read("a", {{0}, {6}}, found.data());
  EXPECT_EQ(std::memcmp(found.data(), values.data(), 6 * sizeof(double)), 0);
}

TEST(BoxFile, Attributes) {
  const TempFolder folder;
  const std::string large(200000, 'y');  // an HDF5 attribute would hold 64 KiB
  BoxFileWriter first(folder / "0.h5"), second(folder / "1.h5");
  first.set_text("config", large);
  first.set_text("empty", "");
  first.set_text("format", "a name that the file's own head has, too");
  first.set_integer("seed", std::numeric_limits<std::int64_t>::min());
  first.set_real("loss", 0.1);
  second.set_integer("seed", 2);
  second.set_integer("only here", 3);
  first.finish();
  second.finish();
  const BoxFileReader reader(std::vector<std::string>{folder / "0.h5", folder / "1.h5"});
  EXPECT_EQ(reader.get_text("config"), large);
  EXPECT_EQ(reader.get_text("empty"), "");
  EXPECT_EQ(reader.get_text("format"), "a name that the file's own head has, too");
  EXPECT_EQ(reader.get_integer("seed"),
            std::numeric_limits<std::int64_t>::min());  // the first file's
  EXPECT_EQ(reader.get_real("loss"), 0.1);
  EXPECT_EQ(reader.get_integer("only here"), 3);
  EXPECT_EQ(reader.attribute_names(),
            (std::vector<std::string>{"config", "empty", "format", "loss", "only here", "seed"}));
  EXPECT_FALSE(reader.has_attribute("none"));
  EXPECT_SAYS(error_of([&] { reader.get_text("none"); }), "has no attribute none");
  EXPECT_SAYS(error_of([&] { reader.get_real("seed"); }), "/attributes/seed is not of type f64");
}

TEST(BoxFile, EmptyBoxesAndFilesDeclare) {
  const TempFolder folder;
  BoxFileWriter writer(folder / "a.h5");
  writer.write("a", {4, 3}, {{2, 0}, {2, 3}}, static_cast<const float*>(nullptr));
  writer.finish();
  BoxFileWriter(folder / "b.h5").finish();
  const BoxFileReader reader(std::vector<std::string>{folder / "a.h5", folder / "b.h5"});
  EXPECT_EQ(reader.shape("a"), (Shape{4, 3}));
  float nothing = 5;
  reader.read("a", {{1, 1}, {1, 1}}, &nothing);
  EXPECT_EQ(nothing, 5);
  EXPECT_SAYS(error_of([&] { reader.verify(); }), "hold only 0 of the 12 elements of array a");
}

TEST(BoxFile, MissingAndDoubleElements) {
  const TempFolder folder;
  const auto paths = two_files(folder);
  const BoxFileReader half(paths[0]);
  expect_box<float>(half, "weights", {{1, 0, 0}, {2, 4, 6}});
  std::vector<float> out(120);
  const Error missing = error_of([&] { half.read("weights", whole(kGlobal), out.data()); });
  EXPECT_EQ(missing.kind(), ErrorKind::data);
  EXPECT_SAYS(missing, paths[0]);
  EXPECT_SAYS(missing, "hold only 48 of the 120 elements of array weights");
  const BoxFileReader twice(std::vector<std::string>{paths[0], paths[0]});
  EXPECT_SAYS(error_of([&] {
                twice.read("weights", {{0, 0, 0}, {1, 4, 6}}, out.data());
              }),
              "overlaps");
  EXPECT_SAYS(error_of([&] { twice.read("none", {{0}, {1}}, out.data()); }), "holds no array none");
  EXPECT_SAYS(error_of([&] {
                twice.read("block.0/moment", {{0}, {1}}, out.data());
              }),
              "is f64, wanted as f32");
}

TEST(BoxFile, FilesThatDisagree) {
  const TempFolder folder;
  two_files(folder);
  BoxFileWriter other(folder / "other.h5");
  write_part<float>(other, "weights", {5, 4, 7}, {{0, 0, 0}, {1, 1, 1}});
  other.finish();
  const Error error = error_of([&] {
    BoxFileReader(std::vector<std::string>{folder / "part-0.h5", folder / "other.h5"});
  });
  EXPECT_EQ(error.kind(), ErrorKind::data);
  EXPECT_SAYS(error,
              folder / "other.h5" + ": array weights is f32 [5, 4, 7] here, f32 [5, 4, 6] before");
}

// A float whose bytes stand once in the file, in the chunk 598,016 to 602,112 of the piece.
TEST(BoxFile, FlippedByteNamesArrayAndSums) {
  const TempFolder folder;
  const std::string path = folder / "a.h5", mark = "one mark";
  std::vector<float> values(700000);
  std::memcpy(&values[600000], mark.data(), mark.size());
  BoxFileWriter writer(path);
  writer.write("block.3.w1", {700000}, {{0}, {700000}}, values.data());
  writer.set_text("note", "another one");
  writer.finish();
  flip_behind(path, mark, 1);
  const BoxFileReader reader(path);
  reader.read("block.3.w1", {{0}, {500000}}, values.data());  // the damaged chunk is not needed
  const Error error = error_of([&] {
    reader.read("block.3.w1", {{599990}, {700000}}, values.data());
  });
  EXPECT_EQ(error.kind(), ErrorKind::data);
  EXPECT_SAYS(
      error,
      path + " /pieces/000000 of array block.3.w1: elements 598016 to 602112 have checksum ");
  EXPECT_SAYS(error, ", expected ");
  EXPECT_SAYS(error_of([&] { reader.verify(); }), "block.3.w1");
  flip_behind(path, "another one", 0);
  EXPECT_SAYS(error_of([&] { BoxFileReader(path).get_text("note"); }),
              "/attributes/note has checksum ");
}

TEST(BoxFile, TruncatedForeignAndMissingFiles) {
  const TempFolder folder;
  const std::string path = two_files(folder)[0];
  const auto bytes = read_bytes(path);
  write_bytes(path, {bytes.begin(), bytes.end() - 1});
  const Error cut = error_of([&] { BoxFileReader reader(path); });
  EXPECT_EQ(cut.kind(), ErrorKind::data);
  EXPECT_SAYS(cut, path);
  EXPECT_SAYS(error_of([&] { BoxFileReader(made_shard(folder, {made_record(1)})); }),
              "is no box file");
  EXPECT_EQ(error_of([&] { BoxFileReader(folder / "none.h5"); }).kind(), ErrorKind::usage);
}

// As for shards: flipped bits and cuts are errors, or change nothing that is read.
TEST(BoxFile, RandomDamageIsSeenOrHarmless) {
  const TempFolder folder;
  const std::string path = folder / "a.h5", mutated = folder / "mutated.h5";
  BoxFileWriter writer(path);
  write_part<float>(writer, "weights", kGlobal, whole(kGlobal));
  writer.set_text("config", "seed: 1");
  writer.finish();
  const auto intact = read_bytes(path);
  int seen = 0;
  for (std::uint64_t round = 0; round < 300; ++round) {
    const Random random(3, "box file mutation", round);
    auto bytes = intact;
    if (round % 10 == 0) bytes.resize(random.below(0, bytes.size()));
    for (std::uint64_t i = 1; i < 6 && !bytes.empty(); ++i)
      bytes[random.below(2 * i, bytes.size())] ^=
          static_cast<std::uint8_t>(1u << random.below(2 * i + 1, 8));
    write_bytes(mutated, bytes);
    try {
      const BoxFileReader reader(mutated);
      expect_box<float>(reader, "weights", whole(kGlobal));
      EXPECT_EQ(reader.get_text("config"), "seed: 1") << "round " << round;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::data) << "round " << round << ": " << error.what();
      ++seen;
    }
  }
  EXPECT_GT(seen, 100);  // the rest hit gaps between the library's structures
}

TEST(BoxFile, UnfinishedLeavesNothing) {
  const TempFolder folder;
  {
    BoxFileWriter writer(folder / "a.h5");
    write_part<float>(writer, "weights", kGlobal, whole(kGlobal));
  }
  EXPECT_TRUE(list_folder(folder.path()).empty());
}

TEST(BoxFile, KilledWriterLeavesNoFile) {
  const TempFolder folder;
  const std::string path = folder / "a.h5";
  const pid_t child = ::fork();
  if (child == 0) {
    BoxFileWriter writer(path);
    write_part<float>(writer, "weights", {1000, 1000}, whole({1000, 1000}));
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  EXPECT_FALSE(file_exists(path));
  EXPECT_EQ(error_of([&] { BoxFileReader(path + ".tmp"); }).kind(), ErrorKind::data);
}

// The old file stays when the disk fills while its successor is written; the limit meets the
// values, the checksums, the attributes and the end.
TEST(BoxFile, FullDiskKeepsTheOldFile) {
  const TempFolder folder;
  const std::string path = folder / "a.h5";
  const auto save = [&](std::int64_t step) {
    BoxFileWriter writer(path);
    const Shape global = {500, 500};
    write_part<double>(writer, "moments", global, {{0, 0}, {250, 500}});
    write_part<double>(writer, "moments", global, {{250, 0}, {500, 500}});
    writer.set_integer("step", step);
    writer.finish();
  };
  save(1);
  const std::uint64_t size = std::filesystem::file_size(path);
  for (const std::uint64_t limit :
       {std::uint64_t{0}, std::uint64_t{5000}, size / 2, size - 3000, size - 1}) {
    const Error error = error_of([&] {
      const FullDisk full(limit);
      save(2);
    });
    EXPECT_EQ(error.kind(), ErrorKind::disk) << error.what();
    EXPECT_SAYS(error, path);
    EXPECT_SAYS(error, "File too large");
    EXPECT_EQ(list_folder(folder.path()), std::vector<std::string>{"a.h5"}) << "limit " << limit;
    EXPECT_EQ(BoxFileReader(path).get_integer("step"), 1);
  }
  save(3);
  EXPECT_EQ(BoxFileReader(path).get_integer("step"), 3);
}

}  // namespace
}  // namespace ortho
