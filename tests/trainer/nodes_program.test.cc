// The program on a rehearsed cluster: mesh.ranks_per_node cuts this machine into nodes, in train,
// evaluate and generate.
#include <algorithm>

#include "tests/support/errors.h"
#include "tests/support/program.h"
#include "tests/support/run_kit.h"

namespace ortho {
namespace {

// A run of 4 ranks, s_1 cut, on nodes of so many.
class Nodes : public testing::Test {
 protected:
  RunConfig train(const std::string& name, int ranks_per_node) {
    const std::string more = text("mesh: {tokens: [4], ranks_per_node: ", ranks_per_node, "}");
    const std::string path = kit_.write_yaml(name, more);
    const Outcome done = run_mpi(text("-np 4 ", ORTHO_BINARY, " train ", path, kStage));
    EXPECT_EQ(done.code, 0) << done.output;
    return kit_.config(name, more);
  }
  // What one step sends by memory and by messages, in bytes.
  static std::pair<std::int64_t, std::int64_t> levels(const RunConfig& config) {
    const std::string path = config.out + "/metrics.jsonl", content = read_file(path);
    const ConfigNode line = parse_json(content.substr(0, content.find('\n')), path);
    const auto bytes = [&](const char* level) {
      return std::stoll(line.find("levels")->find(level)->find("bytes")->value);
    };
    return {bytes("node"), bytes("network")};
  }

  static constexpr const char* kStage =
      " --set 'stages=[{name: cut, tokens: [4, 2], until: {steps: 3}}]'";
  RunKit kit_;
};

// A rank sends rows to the three others, one of them on its node: no level has them all.
TEST_F(Nodes, OfTheConfigReachTheRun) {
  const RunConfig one = train("one", 0), two = train("two", 2), four = train("four", 1);
  EXPECT_EQ(levels(one).second, 0);
  EXPECT_GT(levels(two).first, 0);
  EXPECT_GT(levels(two).second, 0);
  EXPECT_EQ(levels(four).first, 0);
  EXPECT_EQ(levels(two).first + levels(two).second, levels(one).first);
  EXPECT_EQ(levels(four).second, levels(one).first);
  EXPECT_EQ(step_losses(two), step_losses(one));  // the same numbers, whatever the way
  EXPECT_EQ(step_losses(four), step_losses(one));
  for (const char* ask : {"-np 4 " ORTHO_BINARY " evaluate ",
                          "-np 1 " ORTHO_BINARY " generate --modality text --tokens 4 "}) {
    const Outcome answer = run_mpi(ask + two.out);
    EXPECT_EQ(answer.code, 0) << ask << answer.output;
  }
}

}  // namespace
}  // namespace ortho
