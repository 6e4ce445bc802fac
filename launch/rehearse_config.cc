#include "launch/rehearse_config.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "core/error.h"
#include "core/file.h"
#include "dataio/media/wav.h"
#include "dataio/pack.h"
#include "trainer/stage.h"

namespace ortho {
namespace {

constexpr std::int64_t kSteps = 8, kLastSteps = 40;  // of a stage, and of the last: room for faults
constexpr std::int64_t kWindows = 8;                 // of a step, and of an evaluation
constexpr std::int64_t kLeastChannels = 16;
constexpr int kRecords = 60;

// 1 stays; the distinct sizes above become 2, 4, 8, …, or 2, 3, 4, … one by one.
std::map<std::int64_t, std::int64_t> smaller_sizes(const std::set<std::int64_t>& sizes,
                                                   bool doubling) {
  std::map<std::int64_t, std::int64_t> smaller;
  std::int64_t next = 2;
  for (const std::int64_t size : sizes) {
    smaller[size] = size <= 1 ? size : std::min(size, next);
    if (size > 1) next = doubling ? 2 * next : next + 1;
  }
  return smaller;
}

// Largest power of two that all of them can be divided by and stay at least `least`.
std::int64_t common_divisor(const std::vector<std::int64_t>& sizes, std::int64_t least) {
  std::int64_t divisor = 1;
  const auto allows = [&](std::int64_t by) {
    return std::all_of(sizes.begin(), sizes.end(),
                       [&](std::int64_t size) { return size % by == 0 && size / by >= least; });
  };
  while (allows(2 * divisor)) divisor *= 2;
  return divisor;
}

void shrink_models(RunConfig& config) {
  std::set<std::int64_t> axes, blocks;
  std::vector<std::int64_t> channels, hidden;
  std::int64_t least = kLeastChannels;
  bool one_shot = false;
  for (const StageConfig& stage : config.stages) {
    const ModelSpec& model = stage.model;
    axes.insert(model.tokens.begin(), model.tokens.end());
    blocks.insert(model.blocks);
    channels.push_back(model.channels);
    hidden.push_back(model.hidden);
    least = std::max(least, 2 * model.heads);
    one_shot |= stage.objective.one_shot > 0;
  }
  const auto axis = smaller_sizes(axes, true), block = smaller_sizes(blocks, false);
  const std::int64_t by_channels = common_divisor(channels, least);
  const std::int64_t by_hidden = common_divisor(hidden, least);
  for (StageConfig& stage : config.stages) {
    ModelSpec& model = stage.model;
    if (!one_shot)  // whose records must fit their windows
      for (std::int64_t& size : model.tokens) size = axis.at(size);
    model.blocks = block.at(model.blocks);
    model.channels /= by_channels;
    model.hidden /= by_hidden;
  }
}

void shrink_work(RunConfig& config) {
  for (StageConfig& stage : config.stages) {
    stage.until = {};
    stage.until.steps = &stage == &config.stages.back() ? kLastSteps : kSteps;
    stage.mesh = {};
  }
  config.mesh = {};
  config.ranks = {};
  config.threads = 1;
  config.optimizer.warmup = std::min<std::int64_t>(config.optimizer.warmup, 4);
  config.optimizer.rewarm = std::min<std::int64_t>(config.optimizer.rewarm, 2);
  config.regrow.every = std::min<std::int64_t>(config.regrow.every, 3);
  config.evaluate = {5, kWindows};
  config.checkpoint.every = 2;
  config.checkpoint.keep = 100;
  config.bad_step.most = std::min<std::int64_t>(config.bad_step.most, 2);
}

// Long windows are dear: fewer of them, and fewer steps.
void shrink_batches(RunConfig& config) {
  constexpr std::int64_t kLong = 1024;  // tokens
  for (StageConfig& stage : config.stages) {
    const bool is_long = context(stage.model) > kLong;
    stage.batch = {is_long && !config.deterministic ? 2 : kWindows, 0};
    if (is_long) stage.until.steps = std::min(stage.until.steps, 2 * kSteps);
  }
}

std::string sizes_text(const RunConfig& config) {
  std::string sizes;
  for (const StageConfig& stage : config.stages)
    sizes += text(sizes.empty() ? "" : ", ", stage.name, ' ', list_text(stage.model.tokens), " x ",
                  stage.model.channels);
  return sizes;
}

// A record with a part of each modality.
std::vector<PackPart> made_up_record(int number, const std::vector<Modality>& modalities,
                                     const std::string& folder) {
  std::vector<PackPart> parts;
  for (const Modality modality : modalities) {
    const std::string name = text(folder, "/", number);
    if (modality == Modality::pixel) {
      std::string image = "P6 4 4 255\n";
      for (int value = 0; value < 48; ++value)
        image += static_cast<char>((5 * value + number) % 256);
      write_file_durably(name + ".ppm", image);
      parts.push_back({PackPart::Kind::file, name + ".ppm"});
    } else if (modality == Modality::audio) {
      Sound sound{8000, {}};
      for (int i = 0; i < 24; ++i)
        sound.samples.push_back(static_cast<std::int16_t>(400 * i + 30 * number));
      const auto wav = encode_wav(sound);
      write_file_durably(name + ".wav", {wav.begin(), wav.end()});
      parts.push_back({PackPart::Kind::file, name + ".wav"});
    } else if (modality == Modality::text) {
      parts.push_back({PackPart::Kind::text, text("rehearsal ", number, ": abc", number % 7)});
    }
  }
  return parts;
}

}  // namespace

SmallRun shrink_run(const RunConfig& config, std::int64_t symbols) {
  SmallRun small{config, ""};
  shrink_work(small.config);
  const RunConfig with_sizes = small.config;
  if (config.start.empty()) shrink_models(small.config);  // else its arrays must fit
  try {
    check_growths(plan_run(small.config, symbols));
  } catch (const Error&) {
    small.config = with_sizes;
  }
  shrink_batches(small.config);
  small.said = sizes_text(small.config);
  return small;
}

std::string make_missing_data(RunConfig& config, const std::string& folder) {
  std::map<std::string, std::string> made;
  for (StageConfig& stage : config.stages)
    for (std::string& path : stage.data.train) {
      if (file_exists(path)) continue;
      const auto [at, is_new] = made.emplace(path, text(folder, "/data-", made.size()));
      path = at->second;
      if (!is_new) continue;
      const std::string raw = path + "-raw";
      make_folder(raw);
      PackRule rule;
      rule.output = path;
      std::vector<PackItem> items;
      for (int i = 0; i < kRecords; ++i)
        items.push_back({made_up_record(i, stage.model.modalities, raw),
                         i % 5 == 0 ? Split::valid : Split::train, text("made up ", i)});
      pack({}, items, rule);
    }
  std::string said;
  for (const auto& [path, with] : made) said += (said.empty() ? "" : ", ") + path;
  return said;
}

}  // namespace ortho
