#include "core/error.h"
#include "launch/commands.h"

namespace ortho {

int run_inspect(const InspectOptions&) {
  fail(ErrorKind::internal, "orthotope inspect is not built yet");
}

}  // namespace ortho
