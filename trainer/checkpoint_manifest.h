// MANIFEST of a checkpoint: the files it is made of. Written last, it makes the folder a checkpoint.
//
// Plain text that any YAML parser reads; here only what write_checkpoint_manifest writes is read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ortho {

constexpr std::int64_t kCheckpointVersion = 3;
constexpr std::int64_t kOldestCheckpointVersion = 2;  // that is still read: without held_out
constexpr const char* kCheckpointFormat = "orthotope-checkpoint";

struct CheckpointFile {
  std::string name;  // in the checkpoint's own folder
  std::int64_t bytes = 0;
};

struct CheckpointManifest {
  std::int64_t step = 0, stage = 0;
  std::string mesh;                   // of the ranks that wrote it, for people
  std::optional<double> held_out;     // loss of an evaluation at that step
  std::vector<CheckpointFile> files;  // by rank; the first also holds what no rank owns
  std::int64_t version = kCheckpointVersion;
};

// Error(data) naming the checkpoint and the versions that are read.
void check_checkpoint_version(const std::string& checkpoint, std::int64_t version);

// Durable; replaces. Error(disk) when a file is not there in its size: the ranks' disks differ.
void write_checkpoint_manifest(const std::string& checkpoint, const CheckpointManifest& manifest);

// Error(data) naming the file when the MANIFEST or any file it lists is not as it was written.
CheckpointManifest read_checkpoint_manifest(const std::string& checkpoint);

}  // namespace ortho
