// The name of this machine, as messages print it.
#pragma once

#include <string>

namespace ortho {

std::string host_name();

}  // namespace ortho
