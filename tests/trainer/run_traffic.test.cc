// The bytes and messages that metrics.jsonl counts are those that `plan` predicts, on every mesh
// that the model runs on.
#include "tests/support/errors.h"
#include "tests/support/run_kit.h"
#include "trainer/mesh_choice.h"
#include "trainer/stage_data.h"
#include "trainer/traffic.h"

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

void expect_traffic(const ConfigNode& line, const MeshCost& planned) {
  const ConfigNode *exchange = line.find("exchange"), *levels = line.find("levels");
  ASSERT_EQ(exchange != nullptr, !planned.exchange.empty());
  ASSERT_EQ(levels != nullptr, !planned.exchange.empty());
  EXPECT_EQ(sent_of(line, "gradients"), planned.gradients);
  if (planned.exchange.empty()) return;
  EXPECT_EQ(exchange->entries.size(), planned.exchange.size());
  for (const AxisSent& axis : planned.exchange) {
    const ConfigNode* counted = exchange->find(axis.axis);
    ASSERT_NE(counted, nullptr) << axis.axis;
    EXPECT_EQ(sent_of(*counted, "forward"), axis.forward) << axis.axis;
    EXPECT_EQ(sent_of(*counted, "backward"), axis.backward) << axis.axis;
  }
  EXPECT_EQ(number(*levels->find("node"), "bytes") + number(*levels->find("network"), "bytes"),
            total(planned.exchange).bytes);
}

MeshConfig config_of(const Cuts& cuts) {
  MeshConfig mesh;
  mesh.batch = cuts.batch;
  mesh.tokens.assign(cuts.tokens.begin(), cuts.tokens.end());
  mesh.channels = cuts.channels;
  return mesh;
}

// The lines of the steps.
std::vector<ConfigNode> steps_of(const RunConfig& config) {
  const std::string path = config.out + "/metrics.jsonl", content = read_file(path);
  std::vector<ConfigNode> steps;
  for (size_t begin = 0, end = 0; (end = content.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    const ConfigNode line = parse_json(content.substr(begin, end - begin), path);
    if (line.find("event")->value == "step") steps.push_back(line);
  }
  return steps;
}

void train(const RunConfig& config, int ranks, const NodeSetting& nodes = {}) {
  run_local_ranks(
      ranks, [&](Channel& world) { EXPECT_TRUE(TrainingRun(config, world).go()); }, nodes);
}

// Each step, evaluations between them: these are not counted.
void expect_run_as_planned(const RunConfig& config, const MeshCost& planned) {
  train(config, kRanks);
  const std::vector<ConfigNode> steps = steps_of(config);
  EXPECT_EQ(steps.size(), 3u);
  for (const ConfigNode& step : steps) expect_traffic(step, planned);
}

// Every weight of separate dense maps on a token axis moves on no mesh, those of joint maps on all.
void make_dense(ModelSpec& model) {
  model.map = MapKind::dense;
  model.weights = Weights::separate;
  model.wiring = Wiring::grid;
  model.combine = Combine::parallel;
  model.channel_axis = false;
  model.gate = false;
  model.hidden = model.channels;
  model.dropout = 0;
}

TEST(RunTraffic, EveryMeshSendsWhatItsPlanSays) {
  const RunKit kit;
  RunConfig config = kit.config("run");
  config.evaluate.every = 2;
  config.stages = {config.stages[2]};  // tokens: [4, 2]
  config.stages[0].until.steps = 3;
  int meshes = 0, dense_meshes = 0;
  for (const bool dense : {false, true}) {
    if (dense) make_dense(config.stages[0].model);
    for (const Cuts& cuts : all_cuts(config.stages[0].model, kRanks)) {
      config.out = kit / text("run", ++meshes);
      config.stages[0].mesh = config_of(cuts);
      const RunPlan plan = plan_run(config, run_vocabulary(config).size());
      SCOPED_TRACE(cuts_text(cuts) + (dense ? ", dense" : ""));
      expect_run_as_planned(config, choose_mesh(plan.stages[0], config, kRanks).best().cost);
      dense_meshes += dense ? 1 : 0;
    }
  }
  EXPECT_GE(dense_meshes, 4);
  EXPECT_GE(meshes - dense_meshes, 4);
}

// A run of one dense block on tokens [8, 8] whose s_1 is cut, two steps.
RunConfig cut_lines(const RunKit& kit, int ranks) {
  RunConfig config = kit.config(text("ranks", ranks));
  config.stages = {config.stages[2]};
  StageConfig& stage = config.stages[0];
  make_dense(stage.model);
  stage.model.tokens = {8, 8};
  stage.model.blocks = 1;
  stage.until.steps = 2;
  stage.mesh = config_of({1, {ranks}, 1});
  return config;
}

// A map along a cut axis sends its input to the lines and its output home, and as much backward:
// 2 (p - 1) / p of the L elements of a rank each way, 4 (p - 1) / p in all.
TEST(RunTraffic, ACutDenseMapSendsTheBytesOfTheFormula) {
  const RunKit kit;
  for (const int ranks : {2, 4, 8}) {
    const RunConfig config = cut_lines(kit, ranks);
    train(config, ranks);
    const ModelSpec& model = config.stages[0].model;
    const std::int64_t local =
        context(model) * model.hidden * config.stages[0].batch.windows / ranks;
    const std::int64_t way = 2 * (ranks - 1) * local / ranks * 4;
    for (const ConfigNode& step : steps_of(config)) {
      const ConfigNode& exchange = *step.find("exchange");
      ASSERT_EQ(exchange.entries.size(), 1u) << ranks;
      EXPECT_EQ(sent_of(*exchange.find("s_1"), "forward").bytes, way) << ranks;
      EXPECT_EQ(sent_of(*exchange.find("s_1"), "backward").bytes, way) << ranks;
    }
  }
}

TEST(RunTraffic, LevelsAreThoseOfTheNodes) {
  const RunKit kit;
  RunConfig config = cut_lines(kit, 4);
  const std::string out = config.out;
  std::vector<double> losses;
  for (const int per_node : {0, 2, 1}) {
    config.out = text(out, "-", per_node);
    train(config, 4, {.ranks_per_node = per_node});
    for (const ConfigNode& step : steps_of(config)) {
      const ConfigNode& levels = *step.find("levels");
      const std::int64_t node = number(*levels.find("node"), "bytes");
      const std::int64_t network = number(*levels.find("network"), "bytes");
      // Each rank sends as much to each of the three others.
      const int near = per_node == 0 ? 3 : per_node - 1;
      EXPECT_GT(node + network, 0);
      EXPECT_EQ(node * (3 - near), network * near) << per_node;
      EXPECT_EQ(node > 0, near > 0);
    }
    if (losses.empty()) losses = step_losses(config);
    EXPECT_EQ(step_losses(config), losses);  // to the bit: memory or messages, the same numbers
  }
}

}  // namespace
}  // namespace ortho
