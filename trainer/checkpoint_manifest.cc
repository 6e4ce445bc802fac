#include "trainer/checkpoint_manifest.h"

#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "core/error.h"
#include "core/file.h"
#include "dataio/manifest.h"

namespace ortho {
namespace {

// As short as it can be and still the same number when read.
std::string number_text(double number) {
  std::array<char, 40> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  return {digits.data(), end};
}

std::string checkpoint_manifest_text(const CheckpointManifest& manifest) {
  std::string lines =
      text("format: ", kCheckpointFormat, "\nversion: ", manifest.version,
           "\nstep: ", manifest.step, "\nstage: ", manifest.stage, "\nmesh: ", manifest.mesh, '\n');
  if (manifest.held_out) lines += "held_out: " + number_text(*manifest.held_out) + '\n';
  lines += "files:\n";
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

void check_checkpoint_version(const std::string& checkpoint, std::int64_t version) {
  if (version < kOldestCheckpointVersion || version > kCheckpointVersion)
    fail(ErrorKind::data,
         text(checkpoint, " has checkpoint version ", version, ", this program reads versions ",
              kOldestCheckpointVersion, " to ", kCheckpointVersion));
}

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
  CheckpointManifest manifest;
  manifest.version = number_of(value_of(lines, "version: "));
  check_checkpoint_version(checkpoint, manifest.version);
  manifest.step = number_of(value_of(lines, "step: "));
  manifest.stage = number_of(value_of(lines, "stage: "));
  manifest.mesh = value_of(lines, "mesh: ");
  const std::string held_out = value_of(lines, "held_out: ");
  if (!held_out.empty()) manifest.held_out = std::strtod(held_out.c_str(), nullptr);
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
