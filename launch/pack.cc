#include "core/error.h"
#include "launch/commands.h"

namespace ortho {

int run_pack(const PackOptions&) { fail(ErrorKind::internal, "orthotope pack is not built yet"); }

}  // namespace ortho
