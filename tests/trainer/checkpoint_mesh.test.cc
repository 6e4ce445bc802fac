// Checkpoints of sharded runs: written by the ranks of one mesh, read by those of another.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "comm/local.h"
#include "core/file.h"
#include "tests/support/collectives.h"
#include "tests/support/errors.h"
#include "tests/support/grow_rows.h"
#include "tests/support/sharded_state.h"
#include "tests/support/temp_folder.h"
#include "trainer/checkpoint.h"

namespace ortho {
namespace {

// Separate maps of every line, so that a weight has many dimensions; nothing divides.
ModelSpec uneven() {
  ModelSpec spec;
  spec.map = MapKind::dense;
  spec.weights = Weights::separate;
  spec.wiring = Wiring::grid;
  spec.tokens = {3, 5};
  spec.channels = 7;
  spec.hidden = 4;
  spec.blocks = 1;
  spec.text_symbols = 11;
  return spec;
}

const std::vector<Mesh> kMeshes = {Mesh({}), Mesh({{"a", 2}}), Mesh({{"a", 3}}),
                                   Mesh({{"a", 2}, {"b", 3}})};

class CheckpointMesh : public testing::Test {
 protected:
  std::string save(const ModelSpec& spec, const Mesh& mesh, std::int64_t step = 4) {
    run_local_ranks(mesh.ranks(), [&](Channel& world) {
      RunState state = state_on(spec, mesh, 1, world.rank());
      fill_state(state);
      state.step = step;
      state.growths = {"grown once"};
      save_checkpoint(world, folder_.path(), state, RunConfig{}, 9);
      EXPECT_EQ(state.saved, list_checkpoints(folder_.path()).front());
    });
    return list_checkpoints(folder_.path()).front();
  }
  static RunState on_one_rank(const ModelSpec& spec) {
    RunState state = state_on(spec, Mesh({}), 1, 0);
    fill_state(state);
    return state;
  }
  std::vector<std::string> files(const std::string& checkpoint) const {
    return list_folder(checkpoint);
  }

  TempFolder folder_;
};

TEST_F(CheckpointMesh, AnyMeshReadsWhatAnyOtherWrote) {
  const RunState all = on_one_rank(uneven());
  for (const Mesh& from : kMeshes) {
    const std::string path = save(uneven(), from);
    EXPECT_EQ(checkpoint_files(path).size(), static_cast<size_t>(from.ranks()));
    for (const Mesh& to : kMeshes) {
      SCOPED_TRACE(mesh_text(from) + " to " + mesh_text(to));
      run_local_ranks(to.ranks(), [&](Channel& world) {
        RunState state = state_on(uneven(), to, 2, world.rank());  // and other layouts
        load_weights(path, plan_growth(uneven(), uneven()), 0, state);
        expect_part_of(all, state);
      });
    }
    const RunState whole_state = load_checkpoint(path, uneven(), OptimizerConfig{});
    expect_part_of(all, whole_state);
    EXPECT_EQ(whole_state.step, 4);
    EXPECT_EQ(whole_state.growths, (std::vector<std::string>{"grown once"}));
    EXPECT_EQ(whole_state.saved, path);
  }
}

// What one rank grows in memory, cut afterwards.
RunState grown_whole(const RunState& before, const GrowPlan& plan, std::uint64_t seed) {
  RunState after(plan.to);
  after.optimizer = fresh_state(OptimizerConfig{}, after.params);
  apply_growth(plan, before.params, after.params, seed);
  for (const auto moment : {&OptimizerState<float>::first, &OptimizerState<float>::second}) {
    Params<float> old_moments(param_specs(plan.from)), moments(param_specs(plan.to));
    GrowPlan as_moments = plan;
    for (ParamGrowth& growth : as_moments.params) {
      growth.scale = 1;
      for (BoxFill& fill : growth.fills) fill.start = Start::zero;
    }
    std::copy_n((before.optimizer.*moment).data(), old_moments.size(), old_moments.values().data());
    apply_growth(as_moments, old_moments, moments, seed);
    std::copy_n(moments.values().data(), moments.size(), (after.optimizer.*moment).data());
  }
  after.optimizer.regions = grow_steps(plan, before.optimizer.regions);
  return after;
}

TEST_F(CheckpointMesh, GrownOrShrunkWhileLoadingIsGrownThenCut) {
  const Mesh from({{"a", 2}}), to({{"a", 3}, {"b", 2}});
  int grown = 0;
  for (const MapKind map : {MapKind::dense, MapKind::joint})
    for (std::uint64_t seed = 0; seed < 24; ++seed) {
      const bool back = seed % 2 == 1;  // shrunk: what the row would have added is taken away
      const ModelSpec small = random_spec(map, seed);
      const Row& row = kRows[seed % kRows.size()];
      const ModelSpec large = changed(small, row.change), spec = back ? large : small;
      GrowPlan plan;
      try {
        plan = plan_growth(spec, back ? small : large);
      } catch (const Error&) {
        continue;  // this row does not grow that model
      }
      SCOPED_TRACE(text(row.name, ", seed ", seed));
      const std::string path = save(spec, from);
      const RunState expected = grown_whole(on_one_rank(spec), plan, 5);
      run_local_ranks(to.ranks(), [&](Channel& world) {
        RunState state = state_on(plan.to, to, 3, world.rank());
        load_weights(path, plan, 5, state);
        expect_part_of(expected, state);
      });
      ++grown;
    }
  EXPECT_GT(grown, 24);
}

TEST_F(CheckpointMesh, SavedAgainByOtherRanksLeavesNoStaleFiles) {
  const RunState all = on_one_rank(uneven());
  save(uneven(), kMeshes[3]);
  for (const Mesh& mesh : {kMeshes[1], kMeshes[2], kMeshes[0]}) {
    const std::string path = save(uneven(), mesh);
    EXPECT_EQ(files(path).size(), static_cast<size_t>(mesh.ranks()) + 1) << list_text(files(path));
    expect_part_of(all, load_checkpoint(path, uneven(), OptimizerConfig{}));
  }
  EXPECT_EQ(list_checkpoints(folder_.path()).size(), 1u);
}

// A save that was cut short: its files are not taken for those of the next one.
TEST_F(CheckpointMesh, WhatAnUnfinishedSaveLeftIsRemoved) {
  const std::string path = save(uneven(), kMeshes[3]);
  std::filesystem::remove(path + "/MANIFEST");
  EXPECT_TRUE(list_checkpoints(folder_.path()).empty());
  save(uneven(), kMeshes[1]);
  EXPECT_EQ(files(path), (std::vector<std::string>{"MANIFEST", "rank-0.h5", "rank-1.h5"}));
}

TEST_F(CheckpointMesh, OneRanksFailureIsEveryonesAndTheOldOneStays) {
  const std::string path = save(uneven(), kMeshes[0]);
  make_folder(path + "/rank-1.1.h5.tmp");  // where rank 1 wants to write
  const Mesh& mesh = kMeshes[2];
  run_local_ranks(mesh.ranks(), [&](Channel& world) {
    RunState state = state_on(uneven(), mesh, 1, world.rank());
    fill_state(state);
    state.step = 4;
    const std::string message = message_of(
        [&] { save_checkpoint(world, folder_.path(), state, RunConfig{}, 9); }, ErrorKind::disk);
    expect_in("rank-1.1.h5", message);
    for (const std::string& other : world.gather(message)) EXPECT_EQ(other, message);
    EXPECT_EQ(state.saved, "");
  });
  expect_part_of(on_one_rank(uneven()), load_checkpoint(path, uneven(), OptimizerConfig{}));
}

class CheckpointDamage : public CheckpointMesh {
 protected:
  std::string refusal(ErrorKind kind = ErrorKind::data) const {
    return message_of([&] { load_checkpoint(path_, uneven(), OptimizerConfig{}); }, kind);
  }
  const std::string path_ = save(uneven(), Mesh({{"a", 3}})), file_ = path_ + "/rank-1.h5";
};

TEST_F(CheckpointDamage, AMissingRank) {
  std::filesystem::remove(file_);
  expect_in("has a MANIFEST, but no rank-1.h5", refusal());
}

TEST_F(CheckpointDamage, AShortRank) {
  std::filesystem::resize_file(file_, std::filesystem::file_size(file_) - 1);
  expect_in(file_ + " is truncated", refusal());
}

// Right in itself, but what rank 1 wrote is then there no more, and what rank 2 wrote twice.
TEST_F(CheckpointDamage, AnotherRanksFileInItsPlace) {
  std::filesystem::copy_file(path_ + "/rank-2.h5", file_,
                             std::filesystem::copy_options::overwrite_existing);
  std::string manifest = read_file(path_ + "/MANIFEST");
  const size_t at = manifest.find("rank-1.h5: ") + 11;
  manifest.replace(at, manifest.find('\n', at) - at,
                   std::to_string(std::filesystem::file_size(file_)));
  write_file_durably(path_ + "/MANIFEST", manifest);
  expect_in("weight/", refusal());
}

// A weight of which this rank owns at least three numbers in one piece.
const Param<float>& large_own(const RunState& state) {
  for (const Param<float>& param : state.params.all()) {
    const auto boxes = boxes_of(param.box, state.params.own(param));
    if (!boxes.empty() && elements(boxes.front()) >= 3) return param;
  }
  fail(ErrorKind::internal, "this rank owns next to nothing");
}

// Noticed in every kind of array, with file, array and both checksums.
TEST_F(CheckpointDamage, AFlippedBit) {
  RunState state = state_on(uneven(), Mesh({{"a", 3}}), 1, 1);
  fill_state(state);
  const Param<float>& param = large_own(state);
  const std::int64_t own = state.params.own(param).lo, moment = state.params.moment_of(param, own);
  const std::string good = read_file(file_);
  const auto expect_noticed_at = [&](const std::string& kind, const float* numbers) {
    const size_t at = good.find(std::string(reinterpret_cast<const char*>(numbers), 12));
    ASSERT_NE(at, std::string::npos) << kind;
    std::string bad = good;
    bad[at + 5] = static_cast<char>(bad[at + 5] ^ 4);
    write_file_durably(file_, bad);
    const std::string message = refusal();
    for (const std::string& part :
         {file_, "array " + kind + param.spec.name, text("have checksum "), text("expected ")})
      expect_in(part, message);
  };
  expect_noticed_at("weight/", param.value + own);
  expect_noticed_at("first/", state.optimizer.first.data() + moment);
  expect_noticed_at("second/", state.optimizer.second.data() + moment);
}

TEST_F(CheckpointDamage, AManifestThatIsNotAsItWasWritten) {
  const std::string manifest = path_ + "/MANIFEST", good = read_file(manifest);
  for (const char* line : {"rank-1.h5: 12x\n", "  \n", "more: 1\n"}) {
    write_file_durably(manifest, good + line);
    expect_in(manifest + " is damaged", refusal());
  }
  write_file_durably(manifest, "format: orthotope-checkpoint\nversion: 1\n");
  expect_in("has checkpoint version 1, this program reads versions 2 to 3", refusal());
}

TEST_F(CheckpointDamage, AnotherModelIsTheUsersMistake) {
  ModelSpec wider = uneven();
  wider.channels = 8;
  expect_in(
      "array weight/embed.text.symbol is [11, 7], the config's model needs [11, 8]",
      message_of([&] { load_checkpoint(path_, wider, OptimizerConfig{}); }, ErrorKind::usage));
}

}  // namespace
}  // namespace ortho
