// A training step of a cut model: ranks that read each other's memory against ranks that send
// messages, interleaved in one run (docs/performance.md).
//
//   mpirun -np 2 build/release/bench/mesh_step [steps [part of a model's name]]
// Prints ms on the slowest rank, least and median: a step, the moves in it, and of them the waiting
// of either way, which is what computing did not hide. Ranks of several machines have messages between them alone.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
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

ModelSpec dense_model(const Shape& tokens, std::int64_t channels, Combine combine) {
  ModelSpec spec;
  spec.tokens = tokens;
  spec.channels = spec.hidden = channels;
  spec.blocks = 1;
  spec.map = MapKind::dense;
  spec.weights = Weights::separate;
  spec.wiring = Wiring::grid;
  spec.combine = combine;
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
  Trained(Channel& channel, const ModelSpec& spec, std::int64_t windows, const Cuts& cuts)
      : channel_(channel),
        sharding_(spec, windows, cuts, channel.rank()),
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
    const double moved = total(counted_exchange(model_.moves())).seconds;
    const double there = waiting_sec(Way::forward), back = waiting_sec(Way::backward);
    const double began = now_sec();
    train_step({channel_, *backend_, model_, params_, replicas_, optimizer_}, batch, rule);
    step_sec_.push_back(slowest(channel_, now_sec() - began));
    move_sec_.push_back(slowest(channel_, total(counted_exchange(model_.moves())).seconds - moved));
    there_sec_.push_back(slowest(channel_, waiting_sec(Way::forward) - there));
    back_sec_.push_back(slowest(channel_, waiting_sec(Way::backward) - back));
  }
  void print(const char* name, const char* way) {
    if (channel_.rank() != 0) return;
    std::printf("%-26s %-10s", name, way);
    for (std::vector<double>* times : {&step_sec_, &move_sec_, &there_sec_, &back_sec_}) {
      std::sort(times->begin(), times->end());
      std::printf(" %9.2f %9.2f", 1e3 * times->front(), 1e3 * (*times)[times->size() / 2]);
    }
    std::printf("\n");
  }

 private:
  double waiting_sec(Way way) const {
    double sec = 0;
    for (const auto& move : model_.moves().all()) sec += move->count(way).waiting_sec;
    return sec;
  }

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
  std::vector<double> step_sec_, move_sec_, there_sec_, back_sec_;
};

void run(int steps, const char* part) {
  const auto memory = make_world_channel();
  const auto messages = make_world_channel(kPieceBytes, {.ranks_per_node = 1});
  const int ranks = memory->ranks();
  if (memory->rank() == 0)
    std::printf(
        "%d ranks, ms                          step: least median      moves: least median"
        "  waiting forward: least median   backward: least median\n",
        ranks);
  const auto compare = [&](const char* name, const ModelSpec& spec, std::int64_t windows,
                           const Cuts& cuts) {
    if (std::strstr(name, part) == nullptr) return;
    Trained by_memory(*memory, spec, windows, cuts), by_messages(*messages, spec, windows, cuts);
    const Batch batch = random_text(spec, windows);
    for (int i = 0; i < steps; ++i)
      for (Trained* one : {&by_memory, &by_messages}) one->step(batch);
    by_memory.print(name, "memory");
    by_messages.print(name, "messages");
  };
  const Cuts tokens = {1, {ranks}, 1}, channels = {1, {}, ranks};
  compare("sum [16]^4, C 8, B 4", dense_model({16, 16, 16, 16}, 8, Combine::parallel), 4, tokens);
  compare("sum [8]^4, C 16, B 4", dense_model({8, 8, 8, 8}, 16, Combine::parallel), 4, tokens);
  compare("chain [16]^4, C 8, B 4", dense_model({16, 16, 16, 16}, 8, Combine::sequential), 4,
          tokens);
  compare("chain [8]^4, C 16, B 4", dense_model({8, 8, 8, 8}, 16, Combine::sequential), 4, tokens);
  compare("joint [4]^4, C 128, B 16", joint_model(), 16, tokens);
  compare("joint, channels cut", joint_model(), 16, channels);
}

}  // namespace
}  // namespace ortho

int main(int argc, char** argv) {
  const ortho::MpiSession session;
  ortho::run(argc > 1 ? std::atoi(argv[1]) : 20, argc > 2 ? argv[2] : "");
  return 0;
}
