// MANIFEST of a checkpoint: the files it is made of. Written last, it makes the folder a checkpoint.
//
// Plain text that any YAML parser reads; here only what write_checkpoint_manifest writes is read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ortho {

constexpr std::int64_t kCheckpointVersion = 2;
constexpr const char* kCheckpointFormat = "orthotope-checkpoint";

struct CheckpointFile {
  std::string name;  // in the checkpoint's own folder
  std::int64_t bytes = 0;
};

struct CheckpointManifest {
  std::int64_t step = 0, stage = 0;
  std::string mesh;                   // of the ranks that wrote it, for people
  std::vector<CheckpointFile> files;  // by rank; the first also holds what no rank owns
};

// Durable; replaces. Error(disk) when a file is not there in its size: the ranks' disks differ.
void write_checkpoint_manifest(const std::string& checkpoint, const CheckpointManifest& manifest);

// Error(data) naming the file when the MANIFEST or any file it lists is not as it was written.
CheckpointManifest read_checkpoint_manifest(const std::string& checkpoint);

}  // namespace ortho
