#include "core/error.h"
#include "launch/commands.h"

namespace ortho {

int run_plan(const PlanOptions&) { fail(ErrorKind::internal, "orthotope plan is not built yet"); }

}  // namespace ortho
