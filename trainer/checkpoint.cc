#include "trainer/checkpoint.h"

#include "trainer/checkpoint_writer.h"

namespace ortho {

void save_checkpoint(Channel& channel, const std::string& folder, RunState& state,
                     const RunConfig& config, std::int64_t keep) {
  CheckpointConfig rule;
  rule.keep = keep;
  CheckpointWriter(channel, folder, rule).save(state, config);
}

}  // namespace ortho
