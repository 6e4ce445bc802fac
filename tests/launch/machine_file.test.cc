#include "launch/machine_file.h"

#include <gtest/gtest.h>

#include "comm/local.h"
#include "core/file.h"
#include "launch/probe.h"
#include "tests/support/errors.h"
#include "tests/support/temp_folder.h"

namespace ortho {
namespace {

Stage stage_named(const std::string& name, std::int64_t channels) {
  Stage stage;
  stage.config.name = name;
  stage.config.model.channels = channels;
  stage.windows = 12;
  return stage;
}

TEST(MachineFile, IsReadBackAsItWasWritten) {
  const TempFolder folder;
  MachineFile file;
  file.machine.ranks_per_node = 8;
  file.machine.flops = 4.25e14;
  file.machine.price = 31.5;
  const Stage stage = stage_named("words", 64);
  file.stages.push_back({"words", 4, fingerprint(stage), {1.5e10, 0.25}});
  const std::string path = folder / "machine.yaml";
  write_file_durably(path, machine_text(file));
  const MachineFile read = read_machine_file(path);
  EXPECT_EQ(read.machine, file.machine);
  const auto rate = rate_of(read, stage, 4);
  ASSERT_TRUE(rate.has_value());
  EXPECT_DOUBLE_EQ(rate->flops_per_sec, 1.5e10);
  EXPECT_DOUBLE_EQ(rate->update_sec, 0.25);
  // What was not measured is not known: other ranks, another stage, another model.
  EXPECT_FALSE(rate_of(read, stage, 2).has_value());
  EXPECT_FALSE(rate_of(read, stage_named("lines", 64), 4).has_value());
  EXPECT_FALSE(rate_of(read, stage_named("words", 65), 4).has_value());
}

TEST(MachineFile, NamesWhatItCannotRead) {
  const TempFolder folder;
  const std::string path = folder / "machine.yaml";
  write_file_durably(path, "flops: 1e12\nranks_per_nodes: 8\nprice: cheap\n");
  const std::string message = message_of([&] { read_machine_file(path); }, ErrorKind::usage);
  expect_in("machine.yaml:2", message);
  expect_in("ranks_per_node", message);
  expect_in("machine.yaml:3", message);
}

// Two threads in place of two processes: numbers are there, and the same on both.
TEST(Probe, MeasuresAllThatRanksShare) {
  const TempFolder folder;
  std::vector<MachineFile> seen(2);
  run_local_ranks(2, [&](Channel& world) {
    ProbeRule rule;
    rule.seconds = 0.4;
    rule.folder = folder.path();
    seen[static_cast<size_t>(world.rank())] = probe(world, rule, nullptr, {});
  });
  EXPECT_EQ(seen[0].machine, seen[1].machine);
  const Machine& machine = seen[0].machine;
  EXPECT_GT(machine.flops, 1e8);
  EXPECT_LT(machine.flops, 1e14);
  EXPECT_GT(machine.bandwidth, 1e7);
  EXPECT_GT(machine.node_bandwidth, 1e6);
  EXPECT_GT(machine.node_latency, 0);
  EXPECT_GT(machine.disk, 1e5);
  EXPECT_EQ(machine.ranks_per_node, 0);  // all on one
  EXPECT_TRUE(list_folder(folder.path()).empty());
}

}  // namespace
}  // namespace ortho
