#include "core/error.h"
#include "launch/commands.h"

namespace ortho {

int run_evaluate(const EvaluateOptions&) {
  fail(ErrorKind::internal, "orthotope evaluate is not built yet");
}

}  // namespace ortho
