// StageWork: the model, the data and the optimizer of the stage that runs. Of trainer/loop.* alone.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "comm/agree.h"
#include "core/error.h"
#include "trainer/loop.h"
#include "trainer/streams.h"

namespace ortho {

inline double now_sec() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

inline TermWeights term_weights(const LossConfig& loss) {
  return {{loss.modality, loss.text, loss.pixel, loss.audio, loss.place, loss.item}};
}

struct TrainingRun::StageWork {
  // What one rank alone can fail at.
  StageWork(TrainingRun& run, const Stage& planned)
      : stage(planned),
        sharding(run.sharding_of(planned)),
        held_out(planned.config.data.train, planned.config.data.held_out),
        data(planned, static_cast<std::uint64_t>(run.config_.seed), sharding, *run.state_),
        optimizer(run.config_.optimizer, run.state_->params, run.state_->optimizer) {
    if (stage.fixed_order) tree.emplace(run.state_->params.size(), kLeaves / sharding.replicas());
  }

  StepParts parts(TrainingRun& run) {
    return {run.channel_, *run.backend_,          *model, run.state_->params, *replicas,
            optimizer,    tree ? &*tree : nullptr};
  }

  SumOrder order() const { return stage.fixed_order ? SumOrder::tree : SumOrder::ranks; }

  // The model, whose ranks compare their exchanges. Collective.
  void build(TrainingRun& run) {
    require_same(run.channel_, text("the data of stage ", stage.config.name), data.identity());
    replicas.emplace(run.channel_, run.state_->params, order());
    model.emplace(stage.config.model, sharding, run.state_->params, *run.backend_, arena,
                  &run.channel_);
  }

  const Stage stage;  // a copy: the plan is made anew when the stage ends
  Sharding sharding;
  Dataset held_out;
  Streams data;
  Optimizer<float> optimizer;
  Arena<float> arena;
  std::optional<TreeSum<float>> tree;
  std::optional<Replicas<float>> replicas;
  std::optional<Model<float>> model;
};

}  // namespace ortho
