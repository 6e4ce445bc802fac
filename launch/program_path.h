// Where this program lies, and what lies beside it.
#pragma once

#include <string>

namespace ortho {

// The path of the program `name` in the folder of the one that runs.
std::string program_beside(const std::string& name);

}  // namespace ortho
