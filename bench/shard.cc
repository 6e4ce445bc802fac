// Reading a shard against the file system's own limit, in one run: shard [MiB [folder [rounds]]].
//
// Every row fills the same window of 4 MiB from the same file, blocks of 1 MiB, page cache warm:
// pread in file order; HDF5 blocks in a shuffled order; the same verified by CRC32C. Best of the
// rounds, and its share of pread. Last the time to open, which reads and checks the directory.
#include "dataio/shard.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
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

double best_seconds(int rounds, const std::function<void()>& act) {
  double best = 1e9;
  for (int round = 0; round < rounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    act();
    best = std::min(
        best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
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
  const double bytes = static_cast<double>(reader.blocks() * kBlock);
  double limit = 0;
  const auto row = [&](const char* name, const std::function<void()>& act) {
    const double rate = bytes / best_seconds(rounds, act) / 1e6;
    if (limit == 0) limit = rate;
    std::printf("%-44s %8.0f MB/s  %5.1f %%\n", name, rate, 100 * rate / limit);
  };
  std::printf("%llu MiB in %llu records of 3 kB\n",
              static_cast<unsigned long long>(reader.blocks()),
              static_cast<unsigned long long>(reader.records()));
  row("pread of 1 MiB, in file order", [&] { read_plain(path, reader.blocks(), window); });
  row("blocks through HDF5, shuffled", [&] {
    for (std::size_t i = 0; i < order.size(); ++i)
      reader.read_blocks_unverified(order[i], 1, window.data() + i % kWindow * kBlock);
  });
  row("the same, verified by CRC32C", [&] {
    for (std::size_t i = 0; i < order.size(); ++i)
      reader.read_unit(order[i], window.data() + i % kWindow * kBlock);
  });
  row("CRC32C alone, over the window", [&] {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < order.size(); ++i)
      sum ^= crc32c(window.data() + i % kWindow * kBlock, kBlock);
    REQUIRE(sum != 1, "unlikely");  // so that the sums are needed
  });
  std::printf("open and check the directory: %.1f ms\n",
              1e3 * best_seconds(rounds, [&] { ShardReader again(path); }));
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
