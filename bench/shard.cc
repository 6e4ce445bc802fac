// Reading a shard against the system's own limit, in one run: shard [MiB [folder [rounds]]].
//
// Every row fills the same window of 4 MiB from the same file, blocks of 1 MiB, page cache warm:
// pread in file order; HDF5 blocks in a shuffled order; the same verified by CRC32C. CPU time of
// this thread, rows in turn, the best of the rounds, and its share of pread. Last the time to open,
// which reads and checks the directory.
#include "dataio/shard.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <functional>
#include <numeric>

#include "core/error.h"
#include "core/random.h"
#include "dataio/crc32c.h"

namespace {

using namespace ortho;

constexpr std::uint64_t kBlock = std::uint64_t{1} << 20;
constexpr std::uint64_t kWindow = 4;     // blocks
constexpr std::uint32_t kRecord = 3072;  // bytes

double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct Row {
  const char* name;
  std::function<void()> act;
  double best = 1e9;  // seconds
};

void time_rows(std::vector<Row>& rows, int rounds) {
  for (int round = 0; round < rounds; ++round)
    for (Row& row : rows) {
      const double start = cpu_seconds();
      row.act();
      row.best = std::min(row.best, cpu_seconds() - start);
    }
}

void write_shard(const std::string& path, std::uint64_t bytes) {
  const Random random(1, "bench shard");
  Record record{
      {{PartKind::image, DType::u8, {1, 32, 32, 3}, {0, 1}, std::vector<std::uint8_t>(kRecord)}},
      "made up",
      Split::train};
  ShardWriter writer(path, DatasetId{}, 0);
  for (std::uint64_t i = 0; writer.bytes() < bytes; ++i) {
    for (std::uint32_t at = 0; at < kRecord; at += 64)
      record.parts[0].bytes[at] = static_cast<std::uint8_t>(random.bits(i + at));
    writer.add(record);
  }
  writer.finish();
}

void read_plain(const std::string& path, std::uint64_t blocks, std::vector<std::uint8_t>& window) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE(file >= 0, "cannot open ", path, ": ", system_error());
  for (std::uint64_t i = 0; i < blocks; ++i) {
    const ssize_t count =
        ::pread(file, window.data() + i % kWindow * kBlock, kBlock, static_cast<off_t>(i * kBlock));
    REQUIRE(count == static_cast<ssize_t>(kBlock), "short read of ", path);
  }
  ::close(file);
}

std::vector<std::uint64_t> shuffled(std::uint64_t count) {
  std::vector<std::uint64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  const Random random(2, "bench order");
  for (std::uint64_t i = count; i > 1; --i) std::swap(order[i - 1], order[random.below(i, i)]);
  return order;
}

void run(std::uint64_t mib, const std::string& path, int rounds) {
  write_shard(path, mib * kBlock);
  const ShardReader reader(path);
  const auto order = shuffled(reader.units().size());
  std::vector<std::uint8_t> window(kWindow * kBlock);
  const auto slot = [&](std::size_t i) { return window.data() + i % kWindow * kBlock; };
  std::vector<Row> rows;
  rows.push_back(
      {"pread of 1 MiB, in file order", [&] { read_plain(path, reader.blocks(), window); }});
  rows.push_back({"blocks through HDF5, shuffled", [&] {
                    for (std::size_t i = 0; i < order.size(); ++i)
                      reader.read_blocks_unverified(order[i], 1, slot(i));
                  }});
  rows.push_back({"the same, verified by CRC32C", [&] {
                    for (std::size_t i = 0; i < order.size(); ++i)
                      reader.read_unit(order[i], slot(i));
                  }});
  rows.push_back({"CRC32C alone, over the window", [&] {
                    std::uint32_t sum = 0;
                    for (std::size_t i = 0; i < order.size(); ++i)
                      sum ^= crc32c(slot(i), kBlock, sum);
                    REQUIRE(sum != 1, "unlikely");  // so that the sums are needed
                  }});
  rows.push_back({"open and check the directory", [&] { ShardReader again(path); }});
  time_rows(rows, rounds);
  std::printf("%llu MiB in %llu records of 3 kB\n",
              static_cast<unsigned long long>(reader.blocks()),
              static_cast<unsigned long long>(reader.records()));
  for (std::size_t i = 0; i + 1 < rows.size(); ++i)
    std::printf("%-32s %8.0f MB/s  %5.1f %%\n", rows[i].name,
                static_cast<double>(reader.blocks() * kBlock) / rows[i].best / 1e6,
                100 * rows[0].best / rows[i].best);
  std::printf("%-32s %8.1f ms\n", rows.back().name, 1e3 * rows.back().best);
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t mib = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 256;
  const std::string folder = argc > 2 ? argv[2] : std::filesystem::temp_directory_path().string();
  const std::string path = folder + "/orthotope-bench-shard.h5";
  try {
    run(mib, path, argc > 3 ? std::atoi(argv[3]) : 9);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return error.exit_code();
  }
  std::filesystem::remove(path);
  return 0;
}
