#include <cstdio>

#include "core/error.h"
#include "core/file.h"
#include "dataio/box_file.h"
#include "dataio/hdf5.h"
#include "launch/commands.h"
#include "launch/describe_data.h"
#include "launch/describe_run.h"
#include "launch/path_kind.h"
#include "trainer/checkpoint.h"

namespace ortho {
namespace {

constexpr const char* kVerified = "  verified: every checksum is right\n";

std::string inspect_shard(const InspectOptions& options) {
  const ShardReader shard(options.path);
  if (options.verify) shard.verify();
  return text("shard ", options.path, '\n', describe_shard(shard),
              first_records(shard, options.records), options.verify ? kVerified : "");
}

std::string inspect_data_set(const InspectOptions& options) {
  const Manifest manifest = read_manifest(options.path);
  std::string out = text("data set ", options.path, '\n', describe_manifest(manifest));
  for (const ManifestShard& entry : manifest.shards) {
    out += text("    ", entry.name, ": ", counted(entry.records, "record"), ", ",
                bytes_text(entry.bytes), '\n');
    if (!options.verify) continue;
    check_shard_file(options.path, entry);
    ShardReader(options.path + "/" + entry.name).verify();
  }
  if (!manifest.shards.empty())
    out += first_records(ShardReader(options.path + "/" + manifest.shards.front().name),
                         options.records);
  return out + (options.verify ? kVerified : "");
}

std::string inspect_box_file(const InspectOptions& options) {
  if (options.verify) BoxFileReader(options.path).verify();
  return text("box file ", options.path, '\n', describe_arrays({options.path}),
              options.verify ? kVerified : "");
}

std::string inspect_checkpoint(const InspectOptions& options) {
  if (options.verify) BoxFileReader(checkpoint_files(options.path)).verify();
  if (options.config) return read_checkpoint_info(options.path).config;
  return describe_checkpoint(options.path) + (options.verify ? kVerified : "");
}

std::string inspect_run(const InspectOptions& options) {
  if (options.config) return read_file(options.path + "/run.yaml");
  if (options.verify)
    for (const std::string& checkpoint : list_checkpoints(options.path + "/checkpoints"))
      BoxFileReader(checkpoint_files(checkpoint)).verify();
  return describe_run(options.path) + (options.verify ? kVerified : "");
}

std::string inspect(const InspectOptions& options) {
  switch (kind_of_path(options.path)) {
    case PathKind::shard:
      return inspect_shard(options);
    case PathKind::box_file:
      return inspect_box_file(options);
    case PathKind::data_set:
      return inspect_data_set(options);
    case PathKind::checkpoint:
      return inspect_checkpoint(options);
    case PathKind::run:
      return inspect_run(options);
  }
  ASSERT(false, "no such kind");
}

}  // namespace

int run_inspect(const InspectOptions& options) {
  std::fputs(inspect(options).c_str(), stdout);
  return 0;
}

}  // namespace ortho
