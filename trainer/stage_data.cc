#include "trainer/stage_data.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/error.h"
#include "core/file.h"
#include "dataio/crc32c.h"
#include "dataio/manifest.h"

namespace ortho {

LoaderOptions loader_options(const Stage& stage, Objective objective, std::uint64_t seed,
                             int replica, int replicas) {
  const StageConfig& config = stage.config;
  LoaderOptions options;
  options.window.objective = objective;
  options.window.prefix = config.model.identity;
  options.window.tokens = context(config.model) - config.model.identity;
  options.window.padding = config.data.padding;
  options.window.score_end = config.loss.ends && config.model.modality_head;
  if (config.one_shot.output == OneShotConfig::Output::text) options.window.output = Modality::text;
  if (config.one_shot.output == OneShotConfig::Output::pixel)
    options.window.output = Modality::pixel;
  if (config.one_shot.output == OneShotConfig::Output::audio)
    options.window.output = Modality::audio;
  options.window.slots = config.one_shot.slots;
  options.windows = stage.windows;
  options.replica = replica;
  options.replicas = replicas;
  options.order = {seed, config.data.streams, config.data.window_blocks};
  options.audio_bits = static_cast<int>(config.data.audio_bits);
  return options;
}

LoaderOptions loader_options(const Stage& stage, Objective objective, std::uint64_t seed,
                             const Sharding& sharding) {
  LoaderOptions options =
      loader_options(stage, objective, seed, sharding.replica(), sharding.replicas());
  HeldRows held = sharding.rows(sharding.home());
  if (held.all() || objective == Objective::diffusion) return options;
  held.batch.back() = held.box.hi.back() = 1;  // of each window
  options.held = held;
  return options;
}

Vocabulary run_vocabulary(const RunConfig& config) {
  std::vector<std::uint32_t> all;
  std::vector<std::string> seen;
  for (const StageConfig& stage : config.stages) {
    REQUIRE(!stage.data.train.empty(), "stage ", stage.name,
            ": data.train names no data set. Pack one with `orthotope pack`.");
    for (const std::string& path : stage.data.train) {
      if (std::find(seen.begin(), seen.end(), path) != seen.end()) continue;
      seen.push_back(path);
      const auto symbols = symbols_in_use({path});
      all.insert(all.end(), symbols.begin(), symbols.end());
    }
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  Vocabulary vocabulary(all);
  std::int64_t words = 0;
  for (const StageConfig& stage : config.stages) words = std::max(words, stage.model.words);
  if (words > 0) vocabulary.words.extend(frequent_words(seen, words));
  return vocabulary;
}

std::string data_identity(const Stage& stage, std::uint64_t seed,
                          const std::vector<std::int64_t>& samples) {
  const DataConfig& data = stage.config.data;
  const ObjectiveConfig& mix = stage.config.objective;
  const std::vector<Objective> objectives = objectives_of(mix);
  ASSERT(objectives.size() == samples.size() && !samples.empty(), samples.size(), " counts of ",
         objectives.size(), " objectives");
  std::string counts = text(samples.front());
  if (samples.size() > 1) {
    counts.clear();
    for (size_t i = 0; i < samples.size(); ++i)
      counts += text(i == 0 ? "" : " + ", samples[i], ' ', objective_name(objectives[i]), " (",
                     weight_of(mix, objectives[i]), ')');
  }
  return text("data ", list_text(data.train), ", ", counts, " samples of ",
              context(stage.config.model) - stage.config.model.identity, " tokens, ", stage.windows,
              " windows a step, seed ", seed, ", streams ", data.streams, ", window_blocks ",
              data.window_blocks);
}

std::string data_content(const RunConfig& config) {
  std::set<std::string> paths;
  for (const StageConfig& stage : config.stages)
    paths.insert(stage.data.train.begin(), stage.data.train.end());
  std::string line;
  for (const std::string& path : paths) {
    line += text(line.empty() ? "" : ", ", path, ' ');
    if (file_exists(manifest_path(path))) {
      const std::string manifest = read_file(manifest_path(path));
      line += crc32c_text(crc32c(manifest.data(), manifest.size()));
    } else {
      std::error_code code;
      line += text(std::filesystem::file_size(path, code), " bytes");
      REQUIRE(!code, "cannot read ", path, ": ", code.message());
    }
  }
  return line;
}

bool same_stream(const Stage& a, const Stage& b, Objective objective) {
  const bool both =
      weight_of(a.config.objective, objective) > 0 && weight_of(b.config.objective, objective) > 0;
  const bool same_items =
      objective != Objective::one_shot || a.config.one_shot == b.config.one_shot;
  return both && same_items && a.config.data == b.config.data && a.windows == b.windows &&
         context(a.config.model) == context(b.config.model) &&
         a.config.model.identity == b.config.model.identity;
}

}  // namespace ortho
