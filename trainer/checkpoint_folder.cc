#include "trainer/checkpoint_folder.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>

#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "dataio/manifest.h"

namespace ortho {
namespace {

constexpr const char* kPrefix = "step-";

// Names of the checkpoint folders, finished or not, newest first: names sort by step.
std::vector<std::string> checkpoint_names(const std::string& folder) {
  std::vector<std::string> names;
  if (!file_exists(folder)) return names;
  for (const std::string& name : list_folder(folder))
    if (name.starts_with(kPrefix)) names.insert(names.begin(), name);
  return names;
}

std::vector<std::string> list(const std::string& folder, bool finished) {
  std::vector<std::string> paths;
  for (const std::string& name : checkpoint_names(folder)) {
    const std::string path = folder + "/" + name;
    if (file_exists(manifest_path(path)) == finished) paths.push_back(path);
  }
  return paths;
}

void remove_path(const std::string& path) {
  std::error_code code;
  std::filesystem::remove_all(path, code);
  if (code) warn(text("cannot remove ", path, ": ", code.message()));
}

// Also of one that cannot be loaded: it is as old as its name says.
KnownCheckpoint known_checkpoint(const std::string& path) {
  try {
    const CheckpointManifest manifest = read_checkpoint_manifest(path);
    return {manifest.step, manifest.stage, manifest.held_out};
  } catch (const Error&) {
    return {-1, -1, {}};
  }
}

// What the MANIFEST does not list: files of an earlier save of this step, or of one that failed.
void remove_unlisted(const std::string& path) {
  const CheckpointManifest manifest = read_checkpoint_manifest(path);
  for (const std::string& name : list_folder(path)) {
    const bool listed = std::any_of(manifest.files.begin(), manifest.files.end(),
                                    [&](const CheckpointFile& file) { return file.name == name; });
    if (!listed && path + "/" + name != manifest_path(path)) remove_path(path + "/" + name);
  }
}

}  // namespace

std::string checkpoint_name(std::int64_t step) {
  char name[32];
  std::snprintf(name, sizeof name, "%s%010lld", kPrefix, static_cast<long long>(step));
  return name;
}

std::vector<std::string> list_checkpoints(const std::string& folder) { return list(folder, true); }

std::vector<std::string> list_unfinished(const std::string& folder) { return list(folder, false); }

std::string parent_of(const std::string& folder, const std::string& name) {
  for (const std::string& other : checkpoint_names(folder))
    if (other < name && file_exists(manifest_path(folder + "/" + other))) return other;
  return "";
}

std::string rank_file_name(int rank, int attempt) {
  return text("rank-", rank, attempt == 0 ? "" : text('.', attempt), ".h5");
}

int begin_checkpoint(const std::string& path) {
  if (!file_exists(manifest_path(path)) && file_exists(path)) remove_path(path);
  make_folder(path);
  int attempt = 0;
  while (file_exists(path + "/" + rank_file_name(0, attempt))) ++attempt;
  return attempt;
}

void drop_attempt(const std::string& path) {
  if (!file_exists(manifest_path(path))) {
    if (file_exists(path)) remove_path(path);
    return;
  }
  try {
    remove_unlisted(path);
  } catch (const Error& error) {  // the older checkpoint of this step is damaged
    warn(text("left as it is: ", error.what()));
  }
}

void require_room(const std::string& path, std::int64_t bytes) {
  struct statvfs disk {};
  if (::statvfs(path.c_str(), &disk) != 0) return;  // writing will tell
  const auto room = static_cast<double>(disk.f_bavail) * static_cast<double>(disk.f_frsize);
  if (room >= static_cast<double>(bytes)) return;
  fail(ErrorKind::disk, text("the disk of ", path, " has room for ", room / 1e6,
                             " MB, the checkpoint needs ", static_cast<double>(bytes) / 1e6,
                             " MB. Nothing that was saved is lost: make room, then go on."));
}

std::vector<bool> which_stay(const std::vector<KnownCheckpoint>& all,
                             const CheckpointConfig& config) {
  std::map<std::int64_t, size_t> best;  // of each stage
  for (size_t i = 0; i < all.size(); ++i) {
    if (!config.keep_best || !all[i].held_out) continue;
    const auto [at, first] = best.emplace(all[i].stage, i);
    if (!first && *all[i].held_out < *all[at->second].held_out) at->second = i;
  }
  std::vector<bool> stay(all.size());
  for (size_t i = 0; i < all.size(); ++i) {
    const auto at = best.find(all[i].stage);
    stay[i] = static_cast<std::int64_t>(i) < std::max<std::int64_t>(config.keep, 1) ||
              (config.keep_every > 0 && all[i].step % config.keep_every == 0) ||
              (at != best.end() && at->second == i);
  }
  return stay;
}

void tidy_checkpoints(const std::string& folder, const std::string& newest,
                      const CheckpointConfig& config) {
  remove_unlisted(folder + "/" + newest);
  std::vector<std::string> good, gone;
  std::vector<KnownCheckpoint> known;
  for (const std::string& name : checkpoint_names(folder)) {
    const std::string path = folder + "/" + name;
    if (name > newest || !file_exists(manifest_path(path))) {
      gone.push_back(path);
      continue;
    }
    good.push_back(path);
    known.push_back(known_checkpoint(path));
  }
  const std::vector<bool> stay = which_stay(known, config);
  for (size_t i = 0; i < good.size(); ++i)
    if (!stay[i]) gone.push_back(good[i]);
  for (const std::string& path : gone) {
    remove_path(manifest_path(path));
    remove_path(path);
  }
}

}  // namespace ortho
