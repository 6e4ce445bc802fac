// Memory: what this process holds, as the system counts it.
#pragma once

#include <cstdint>

namespace ortho {

std::int64_t resident_bytes();       // now; 0 where the system does not say
std::int64_t peak_resident_bytes();  // the most since the process began
std::int64_t resident_file_bytes();  // of those, pages of files now: the program and its libraries

}  // namespace ortho
