// Describe a run: checkpoints and run folders in words, as `inspect` prints them.
#pragma once

#include <string>
#include <vector>

namespace ortho {

// Arrays of the box files that together hold them, a line each: type, shape, and of a weight the
// steps that its regions were trained for. Moments and regions have no lines of their own.
std::string describe_arrays(const std::vector<std::string>& box_files);

std::string describe_checkpoint(const std::string& checkpoint);

// Its stages, where it stands, and its newest checkpoint.
std::string describe_run(const std::string& folder);

}  // namespace ortho
