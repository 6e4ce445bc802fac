// What a path holds: a shard, a box file, a data set, a checkpoint or a run.
#pragma once

#include <string>

namespace ortho {

enum class PathKind { shard, box_file, data_set, checkpoint, run };

// Error(usage) when there is nothing, or nothing of Orthotope's; Error(data) when the file is of
// another kind.
PathKind kind_of_path(const std::string& path);

}  // namespace ortho
