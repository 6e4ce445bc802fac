// Program: which build of Orthotope this process runs, so that ranks of different builds notice.
#pragma once

#include <string>

namespace ortho {

// "orthotope 0.1.0, build 5d7c01e9": the checksum of the running executable, read once. Error(data)
// when it cannot be read.
const std::string& program_text();

}  // namespace ortho
