// Verify: everything behind a path is read, and every checksum compared. One line a thing.
#include <algorithm>
#include <cstdio>
#include <functional>

#include "core/error.h"
#include "core/file.h"
#include "dataio/box_file.h"
#include "dataio/manifest.h"
#include "dataio/shard.h"
#include "launch/commands.h"
#include "launch/path_kind.h"
#include "launch/run_file.h"
#include "trainer/checkpoint.h"
#include "trainer/metrics.h"

namespace ortho {
namespace {

constexpr int kDamaged = 65;  // as Error(data)

class Verification {
 public:
  void verify(const std::string& path) {
    switch (kind_of_path(path)) {
      case PathKind::shard:
        return check("shard", path, [&] { ShardReader(path).verify(); });
      case PathKind::box_file:
        return check("box file", path, [&] { BoxFileReader(path).verify(); });
      case PathKind::data_set:
        return verify_data_set(path);
      case PathKind::checkpoint:
        return verify_checkpoint(path);
      case PathKind::run:
        return verify_run(path);
    }
  }

  std::int64_t damaged() const { return damaged_; }

 private:
  // Goes on behind what is damaged: the rest may still be whole.
  void check(const char* what, const std::string& path, const std::function<void()>& act) {
    try {
      act();
      std::printf("ok       %s %s\n", what, path.c_str());
    } catch (const Error& error) {
      ++damaged_;
      std::printf("DAMAGED  %s %s: %s\n", what, path.c_str(), error.what());
    }
    std::fflush(stdout);
  }

  void verify_data_set(const std::string& path) {
    Manifest manifest;
    check("manifest", manifest_path(path), [&] { manifest = read_manifest(path); });
    for (const ManifestShard& shard : manifest.shards)
      check("shard", path + "/" + shard.name, [&] {
        check_shard_file(path, shard);
        ShardReader(path + "/" + shard.name).verify();
      });
  }

  void verify_checkpoint(const std::string& path) {
    check("checkpoint", path, [&] {
      BoxFileReader(checkpoint_files(path)).verify();
      read_checkpoint_info(path);
    });
  }

  void verify_run(const std::string& path) {
    check("run file", path + "/run.yaml", [&] { read_run_file(path + "/run.yaml", {}); });
    if (file_exists(path + "/metrics.jsonl"))
      check("metrics", path + "/metrics.jsonl",
            [&] { MetricsFile(path + "/metrics.jsonl").check(); });
    const std::string folder = path + "/checkpoints";
    for (const std::string& checkpoint : list_checkpoints(folder)) verify_checkpoint(checkpoint);
    for (const std::string& checkpoint : list_unfinished(folder))
      std::printf("         %s was not finished: it is never loaded\n", checkpoint.c_str());
  }

  std::int64_t damaged_ = 0;
};

}  // namespace

int run_verify(const VerifyOptions& options) {
  Verification verification;
  for (const std::string& path : options.paths) verification.verify(path);
  if (verification.damaged() == 0) return 0;
  std::printf("%lld damaged. A run goes on from its newest checkpoint that is whole.\n",
              static_cast<long long>(verification.damaged()));
  return kDamaged;
}

}  // namespace ortho
