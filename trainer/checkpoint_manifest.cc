#include "trainer/checkpoint_manifest.h"

#include <filesystem>
#include <sstream>

#include "core/error.h"
#include "core/file.h"
#include "dataio/manifest.h"

namespace ortho {
namespace {

std::string checkpoint_manifest_text(const CheckpointManifest& manifest) {
  std::string lines = text("format: ", kCheckpointFormat, "\nversion: ", kCheckpointVersion,
                           "\nstep: ", manifest.step, "\nstage: ", manifest.stage,
                           "\nmesh: ", manifest.mesh, "\nfiles:\n");
  for (const CheckpointFile& file : manifest.files)
    lines += text("  ", file.name, ": ", file.bytes, '\n');
  return lines;
}

// The rest of the line behind `key`; empty, and nothing is read, when another key stands there.
std::string value_of(std::istringstream& lines, const std::string& key) {
  const auto begin = lines.tellg();
  std::string line;
  if (std::getline(lines, line) && line.starts_with(key)) return line.substr(key.size());
  lines.clear();
  lines.seekg(begin);
  return "";
}

std::int64_t number_of(const std::string& digits) {
  std::int64_t number = -1;
  std::istringstream(digits) >> number;
  return number;
}

// Says what is wrong with a listed file; empty: nothing.
std::string trouble_with(const std::string& checkpoint, const CheckpointFile& file) {
  const std::string path = checkpoint + "/" + file.name;
  if (!file_exists(path)) return text(checkpoint, " has a MANIFEST, but no ", file.name);
  std::error_code code;
  const auto bytes = static_cast<std::int64_t>(std::filesystem::file_size(path, code));
  if (code) return text(path, " has no size: ", code.message());
  if (bytes == file.bytes) return "";
  return text(path, bytes < file.bytes ? " is truncated: it" : "", " has ", bytes,
              " bytes, the MANIFEST says ", file.bytes);
}

}  // namespace

void write_checkpoint_manifest(const std::string& checkpoint, const CheckpointManifest& manifest) {
  for (const CheckpointFile& file : manifest.files) {
    const std::string trouble = trouble_with(checkpoint, file);
    if (!trouble.empty())
      fail(ErrorKind::disk, text("rank 0 does not see what another rank has written: ", trouble,
                                 ". `out` must lie on a disk that all hosts share."));
  }
  write_file_durably(manifest_path(checkpoint), checkpoint_manifest_text(manifest));
}

CheckpointManifest read_checkpoint_manifest(const std::string& checkpoint) {
  const std::string path = manifest_path(checkpoint);
  if (!file_exists(path)) fail(ErrorKind::data, text(checkpoint, " has no MANIFEST"));
  const std::string content = read_file(path);
  std::istringstream lines(content);
  if (value_of(lines, "format: ") != kCheckpointFormat)
    fail(ErrorKind::data, text(checkpoint, " is no checkpoint of Orthotope"));
  const std::string version = value_of(lines, "version: ");
  if (version != std::to_string(kCheckpointVersion))
    fail(ErrorKind::data, text(checkpoint, " has checkpoint version ", version,
                               ", this program reads version ", kCheckpointVersion));
  CheckpointManifest manifest;
  manifest.step = number_of(value_of(lines, "step: "));
  manifest.stage = number_of(value_of(lines, "stage: "));
  manifest.mesh = value_of(lines, "mesh: ");
  value_of(lines, "files:");
  for (std::string line; std::getline(lines, line);) {
    const size_t colon = line.rfind(": ");
    if (colon == std::string::npos || colon < 2) break;
    manifest.files.push_back({line.substr(2, colon - 2), number_of(line.substr(colon + 2))});
  }
  if (manifest.files.empty() || checkpoint_manifest_text(manifest) != content)
    fail(ErrorKind::data, text(path, " is damaged: it is not as it was written"));
  for (const CheckpointFile& file : manifest.files) {
    const std::string trouble = trouble_with(checkpoint, file);
    if (!trouble.empty()) fail(ErrorKind::data, trouble);
  }
  return manifest;
}

}  // namespace ortho
