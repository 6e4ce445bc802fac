#include "core/error.h"
#include "launch/commands.h"

namespace ortho {

int run_generate(const GenerateOptions&) {
  fail(ErrorKind::internal, "orthotope generate is not built yet");
}

}  // namespace ortho
