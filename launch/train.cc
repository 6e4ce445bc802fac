#include "core/error.h"
#include "launch/commands.h"

namespace ortho {

int run_train(const TrainOptions&) {
  fail(ErrorKind::internal, "orthotope train is not built yet");
}

}  // namespace ortho
