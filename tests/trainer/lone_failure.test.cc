// What one rank alone meets while the others wait for its messages ends the whole job, soon, with
// its words. The ranks of these jobs are this program's own DISABLED tests, under mpirun.
#include <chrono>

#include "comm/mpi.h"
#include "tests/support/errors.h"
#include "tests/support/model_kit.h"
#include "tests/support/program.h"
#include "tests/support/run_kit.h"

namespace ortho {
namespace {

// Waiting for ever would be noticed by mpirun's own clock; main waits two seconds before a rank
// speaks, a busy machine takes a few more.
constexpr double kSoonSec = 60;

Outcome run_soon(const std::string& what) {
  const auto began = std::chrono::steady_clock::now();
  const Outcome outcome = run_mpi("--timeout 120 " + what);
  EXPECT_LT(std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count(),
            kSoonSec)
      << outcome.output;
  EXPECT_NE(outcome.code, 0) << outcome.output;
  return outcome;
}

// Two steps on a mesh of token cuts; in the second the last rank's last token is `damaged`.
void train_with(const std::function<void(Batch&, size_t)>& damaged) {
  const MpiSession session;
  const auto world = make_world_channel();
  const int last = world->ranks() - 1;
  ModelSpec spec;
  spec.tokens = {4, 2};
  spec.channels = spec.hidden = 8;
  spec.blocks = 2;
  spec.text_symbols = 7;
  const Sharding sharding(spec, 2, {1, {2, world->ranks() / 2}, 1}, world->rank());
  ModelKit<float> kit(spec, sharding, world.get(), 6);
  Batch batch = random_batch(spec, 2, 5);
  kit.model.train(batch, {}, 16, {});
  if (world->rank() == last) damaged(batch, batch.input.size() - 1);
  kit.model.train(batch, {}, 16, {});
}

// Noticed before the first exchange of the forward pass …
TEST(OneRank, DISABLED_ReadsAnUnknownToken) {
  train_with([](Batch& batch, size_t at) {
    batch.input[at] = {};
    batch.input[at].modality = static_cast<std::int32_t>(Modality::text);
    batch.input[at].symbol[0] = 99;
  });
}

// … and after its last one: the others already send gradients back.
TEST(OneRank, DISABLED_MustPredictAnUnknownToken) {
  train_with([](Batch& batch, size_t at) {
    batch.target[at] = {1, static_cast<std::int32_t>(Modality::text), {99, 0, 0}};
  });
}

TEST(LoneFailure, InsideAStepEndsTheJob) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  for (const int ranks : {2, 4})
    for (const auto& [name, words] : {std::pair("ReadsAnUnknownToken", "asks row 99 of "),
                                      {"MustPredictAnUnknownToken", "must predict symbol 99"}}) {
      const Outcome job =
          run_soon(text("-np ", ranks, ' ', self, " --gtest_also_run_disabled_tests ",
                        "--gtest_filter=OneRank.DISABLED_", name));
      expect_in(words, job.output);
      expect_in(text("rank ", ranks - 1, " of ", ranks), job.output);
    }
}

// The program itself: the last rank has too little memory for the model of the second stage.
TEST(LoneFailure, OfMemoryEndsTheRun) {
  const RunKit kit;
  const std::string limited = "ulimit -v 450000; ";  // the program alone takes 300 MB
  if (run_program("--help", limited).code != 0) GTEST_SKIP() << "a sanitizer needs all addresses";
  const auto job = [&](std::int64_t hidden) {
    const std::string train = text(ORTHO_BINARY " train ", kit.write_yaml(text("run", hidden)),
                                   " --set mesh.batch=2 --set stages.1.mesh.tokens=[2]",
                                   " --set stages.1.hidden=", hidden);
    return text("-np 1 ", train, " : -np 1 sh -c '", limited, "exec ", train, "'");
  };
  const Outcome enough = run_mpi(job(9));
  EXPECT_EQ(enough.code, 0) << enough.output;
  const Outcome lacking = run_soon(job(1 << 18));
  expect_in("rank 1 of 2", lacking.output);
  expect_in("out of memory: ", lacking.output);
}

}  // namespace
}  // namespace ortho
