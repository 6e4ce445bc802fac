// The bytes and messages that metrics.jsonl counts are those that `plan` predicts, on every mesh
// that the model runs on.
#include "tests/support/errors.h"
#include "tests/support/run_kit.h"
#include "trainer/mesh_choice.h"
#include "trainer/stage_data.h"

namespace ortho {
namespace {

constexpr int kRanks = 4;

std::int64_t number(const ConfigNode& node, const char* key) {
  const ConfigNode* value = node.find(key);
  return value == nullptr ? -1 : std::stoll(value->value);
}

// What one line of metrics says about a way of an axis.
Sent sent_of(const ConfigNode& axis, const char* way) {
  const ConfigNode* node = axis.find(way);
  if (node == nullptr) return {-1, -1, 0};
  EXPECT_GE(std::stod(node->find("seconds")->value), 0);
  return {number(*node, "bytes"), number(*node, "messages"), 0};
}

void expect_exchange(const ConfigNode& line, const std::vector<AxisSent>& planned) {
  const ConfigNode* exchange = line.find("exchange");
  ASSERT_EQ(exchange != nullptr, !planned.empty());
  if (planned.empty()) return;
  EXPECT_EQ(exchange->entries.size(), planned.size());
  for (const AxisSent& axis : planned) {
    const ConfigNode* counted = exchange->find(axis.axis);
    ASSERT_NE(counted, nullptr) << axis.axis;
    EXPECT_EQ(sent_of(*counted, "forward"), axis.forward) << axis.axis;
    EXPECT_EQ(sent_of(*counted, "backward"), axis.backward) << axis.axis;
  }
}

MeshConfig config_of(const Cuts& cuts) {
  MeshConfig mesh;
  mesh.batch = cuts.batch;
  mesh.tokens.assign(cuts.tokens.begin(), cuts.tokens.end());
  mesh.channels = cuts.channels;
  return mesh;
}

// Each step, evaluations between them: these are not counted.
void expect_run_as_planned(const RunConfig& config, const std::vector<AxisSent>& planned) {
  run_local_ranks(kRanks, [&](Channel& world) { EXPECT_TRUE(TrainingRun(config, world).go()); });
  const std::string path = config.out + "/metrics.jsonl", content = read_file(path);
  int steps = 0;
  for (size_t begin = 0, end = 0; (end = content.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    const ConfigNode line = parse_json(content.substr(begin, end - begin), path);
    if (line.find("event")->value != "step") continue;
    expect_exchange(line, planned);
    ++steps;
  }
  EXPECT_EQ(steps, 3);
}

TEST(RunTraffic, EveryMeshSendsWhatItsPlanSays) {
  const RunKit kit;
  RunConfig config = kit.config("run");
  config.evaluate.every = 2;
  config.stages = {config.stages[2]};  // tokens: [4, 2]
  config.stages[0].until.steps = 3;
  int meshes = 0;
  for (const Cuts& cuts : all_cuts(config.stages[0].model, kRanks)) {
    config.out = kit / text("run", ++meshes);
    config.stages[0].mesh = config_of(cuts);
    const RunPlan plan = plan_run(config, run_vocabulary(config).size());
    SCOPED_TRACE(cuts_text(cuts));
    expect_run_as_planned(config, choose_mesh(plan.stages[0], config, kRanks).best().cost.exchange);
  }
  EXPECT_GE(meshes, 8);  // channels alone and with every other axis among them
}

}  // namespace
}  // namespace ortho
