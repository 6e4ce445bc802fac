#include "launch/path_kind.h"

#include <filesystem>

#include "core/error.h"
#include "core/file.h"
#include "dataio/hdf5.h"
#include "dataio/manifest.h"

namespace ortho {
namespace {

PathKind kind_of_file(const std::string& path) {
  const Hdf5File file = Hdf5File::open(path);
  const std::string format = file.has_attribute("format") ? file.read_attribute_text("format") : "";
  if (format == "orthotope-shard") return PathKind::shard;
  if (format == "orthotope-boxes") return PathKind::box_file;
  fail(ErrorKind::data,
       text(path, " is neither a shard nor a box file: its format is \"", format, '"'));
}

}  // namespace

PathKind kind_of_path(const std::string& path) {
  REQUIRE(file_exists(path), path, " does not exist");
  if (!std::filesystem::is_directory(path)) return kind_of_file(path);
  if (file_exists(path + "/run.yaml")) return PathKind::run;
  REQUIRE(file_exists(manifest_path(path)), path,
          " holds neither a MANIFEST (of a data set or a checkpoint) nor a run.yaml (of a run)");
  const bool checkpoint =
      read_file(manifest_path(path)).starts_with("format: orthotope-checkpoint");
  return checkpoint ? PathKind::checkpoint : PathKind::data_set;
}

}  // namespace ortho
