// A training step with the activations cut along the tokens: ranks that read each other's memory
// against ranks that send messages, interleaved in one run (docs/performance.md).
//
//   mpirun -np 2 build/release/bench/mesh_step [steps]
// Prints least and median ms of a step, and of the moves in it, on the slowest rank.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "bench/random_text.h"
#include "comm/mpi.h"
#include "model/model.h"
#include "trainer/step.h"
#include "trainer/traffic.h"

namespace ortho {
namespace {

double now_sec() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Of the slowest rank.
double slowest(Channel& channel, double sec) {
  return static_cast<double>(channel.max(static_cast<std::int64_t>(sec * 1e9))) * 1e-9;
}

ModelSpec dense_model(const Shape& tokens, std::int64_t channels) {
  ModelSpec spec;
  spec.tokens = tokens;
  spec.channels = spec.hidden = channels;
  spec.blocks = 1;
  spec.map = MapKind::dense;
  spec.weights = Weights::separate;
  spec.wiring = Wiring::grid;
  spec.combine = Combine::parallel;
  spec.gate = spec.channel_axis = false;
  spec.text_symbols = kBenchSymbols;
  return spec;
}

ModelSpec joint_model() {
  ModelSpec spec;
  spec.tokens = {4, 4, 4, 4};
  spec.text_symbols = kBenchSymbols;
  return spec;
}

// One model and what trains it, over one of the channels.
class Trained {
 public:
  Trained(Channel& channel, const ModelSpec& spec, std::int64_t windows)
      : channel_(channel),
        sharding_(spec, windows, {1, {channel.ranks()}, 1}, channel.rank()),
        params_(param_specs(spec), param_layouts(spec, sharding_), channel.rank()),
        model_(spec, sharding_, params_, *backend_, arena_, &channel),
        state_(fresh_state(config_, params_)),
        optimizer_(config_, params_, state_),
        replicas_(channel, params_) {
    params_.initialise(1);
  }
  void step(const Batch& batch) {
    StepRule rule;
    rule.rate = 1e-4;
    channel_.barrier();
    const double before = total(counted_exchange(model_.moves())).seconds, began = now_sec();
    train_step({channel_, *backend_, model_, params_, replicas_, optimizer_}, batch, rule);
    step_sec_.push_back(slowest(channel_, now_sec() - began));
    move_sec_.push_back(
        slowest(channel_, total(counted_exchange(model_.moves())).seconds - before));
  }
  void print(const char* name, const char* way) {
    if (channel_.rank() != 0) return;
    std::printf("%-24s %-10s", name, way);
    for (std::vector<double>* times : {&step_sec_, &move_sec_}) {
      std::sort(times->begin(), times->end());
      std::printf(" %9.2f %9.2f", 1e3 * times->front(), 1e3 * (*times)[times->size() / 2]);
    }
    std::printf("\n");
  }

 private:
  const OptimizerConfig config_;
  const std::unique_ptr<Backend<float>> backend_ = make_cpu_backend<float>(1);
  Channel& channel_;
  Sharding sharding_;
  Params<float> params_;
  Arena<float> arena_;
  Model<float> model_;
  OptimizerState<float> state_;
  Optimizer<float> optimizer_;
  Replicas<float> replicas_;
  std::vector<double> step_sec_, move_sec_;
};

void run(int steps) {
  const auto memory = make_world_channel();
  const auto messages = make_world_channel(kPieceBytes, {.shared_bytes = 0});
  if (memory->rank() == 0)
    std::printf("%d ranks, s_1 cut, ms       step: least    median   moves: least  median\n",
                memory->ranks());
  const auto compare = [&](const char* name, const ModelSpec& spec, std::int64_t windows) {
    Trained by_memory(*memory, spec, windows), by_messages(*messages, spec, windows);
    const Batch batch = random_text(spec, windows);
    for (int i = 0; i < steps; ++i)
      for (Trained* one : {&by_memory, &by_messages}) one->step(batch);
    by_memory.print(name, "memory");
    by_messages.print(name, "messages");
  };
  compare("dense [16]^4, C 8, B 4", dense_model({16, 16, 16, 16}, 8), 4);
  compare("dense [8]^4, C 16, B 4", dense_model({8, 8, 8, 8}, 16), 4);
  compare("joint [4]^4, C 128, B 16", joint_model(), 16);
}

}  // namespace
}  // namespace ortho

int main(int argc, char** argv) {
  const ortho::MpiSession session;
  ortho::run(argc > 1 ? std::atoi(argv[1]) : 20);
  return 0;
}
