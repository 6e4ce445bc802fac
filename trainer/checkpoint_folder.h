// Checkpoint folder: the names under OUT/checkpoints, and which of them stay.
//
// A folder without a MANIFEST is unfinished. What stays is a pure function of what the MANIFESTs
// say; a checkpoint is taken away MANIFEST first, so that half of one is never taken for whole.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "trainer/checkpoint_manifest.h"
#include "trainer/config.h"

namespace ortho {

std::string checkpoint_name(std::int64_t step);  // "step-0000001234"

// Checkpoint folders under `folder` that have a MANIFEST, newest first.
std::vector<std::string> list_checkpoints(const std::string& folder);
std::vector<std::string> list_unfinished(const std::string& folder);  // those without one

// The finished checkpoint that one of this name follows; empty when it is the first.
std::string parent_of(const std::string& folder, const std::string& name);

// Files of rank R are called rank-R.h5, or rank-R.1.h5 … when the same step is saved again: the old
// files stay whole until the MANIFEST lists the new ones instead.
std::string rank_file_name(int rank, int attempt);

// Makes the folder without what an unfinished save left in it; returns an attempt whose names are
// free.
int begin_checkpoint(const std::string& path);

// Takes away what a save that failed has left: its files, or the folder if it holds no checkpoint.
void drop_attempt(const std::string& path);

// Error(disk) in words when the disk has less room than `bytes`.
void require_room(const std::string& path, std::int64_t bytes);

// What retention looks at.
struct KnownCheckpoint {
  std::int64_t step = 0, stage = 0;
  std::optional<double> held_out;  // loss of an evaluation at that step
};

// Which of `all`, newest first, stay: the newest keep, each whose step keep_every divides, and with
// keep_best the one of least held-out loss of every stage.
std::vector<bool> which_stay(const std::vector<KnownCheckpoint>& all,
                             const CheckpointConfig& config);

// Removes checkpoints that do not stay, later ones than `newest`, which could not be loaded, else
// the run would have gone on from them, unfinished ones, and in `newest` what it does not list.
void tidy_checkpoints(const std::string& folder, const std::string& newest,
                      const CheckpointConfig& config);

}  // namespace ortho
