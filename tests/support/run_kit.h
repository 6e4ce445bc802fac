// Whole small runs for tests: corpora of text, images and sound,
// a run that grows three times, and what it left.
//
// Two runs are the same when nothing differs but the seconds they took.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "comm/local.h"
#include "core/file.h"
#include "core/json.h"
#include "dataio/media/wav.h"
#include "dataio/pack.h"
#include "launch/yaml.h"
#include "tests/support/temp_folder.h"
#include "trainer/checkpoint.h"
#include "trainer/loop.h"
#include "trainer/resume.h"

namespace ortho {

inline PackItem item_of(std::vector<PackPart> parts, int number) {
  return {std::move(parts), number % 5 == 0 ? Split::valid : Split::train, text("item ", number)};
}

// Sentences of different lengths, so that records end inside windows.
inline std::string sentence(int number) {
  const char* words[] = {"one", "two", "three", "four", "five", "six"};
  std::string line = "count";
  for (int i = 0; i <= number % 6; ++i) line += text(' ', words[i]);
  return line;
}

inline void pack_texts(const std::string& folder, int sentences = 40,
                       const std::string& ending = ".") {
  PackRule options;
  options.output = folder;
  std::vector<PackItem> items;
  for (int i = 0; i < sentences; ++i)
    items.push_back(item_of({{PackPart::Kind::text, sentence(i) + ending}}, i));
  pack({}, items, options);
}

// Records of an image of 3 x 2 pixels, a sound of 9 samples and a word; raw files lie in `raw`.
inline void pack_media(const std::string& folder, const std::string& raw) {
  PackRule options;
  options.output = folder;
  make_folder(raw);
  std::vector<PackItem> items;
  for (int i = 0; i < 20; ++i) {
    std::string image = "P6 3 2 255\n";
    for (int value = 0; value < 18; ++value) image += static_cast<char>((value * 14 + i) % 256);
    Sound sound{8000, {}};
    for (int s = 0; s < 9; ++s)
      sound.samples.push_back(static_cast<std::int16_t>(500 * s + 40 * i));
    const auto wav = encode_wav(sound);
    const std::string name = text(raw, "/", i);
    write_file_durably(name + ".ppm", image);
    write_file_durably(name + ".wav", {wav.begin(), wav.end()});
    items.push_back(item_of({{PackPart::Kind::file, name + ".ppm"},
                             {PackPart::Kind::file, name + ".wav"},
                             {PackPart::Kind::text, "a ramp"}},
                            i));
  }
  pack({}, items, options);
}

// A folder with both corpora and a run file; runs of it go to OUT = folder / name.
class RunKit {
 public:
  RunKit() {
    pack_texts(texts());
    pack_media(media(), folder_ / "raw");
  }
  std::string texts() const { return folder_ / "texts"; }
  std::string media() const { return folder_ / "media"; }
  std::string operator/(const std::string& name) const { return folder_ / name; }

  // T = 1, then token axes, then longer ones, then a block and two
  // modalities more; 6 steps each. `more` is put at the top level.
  std::string yaml(const std::string& out, const std::string& more = "") const {
    return text(
        "out: ", folder_ / out, "\nseed: 3\ndata: {train: [", texts(),
        "]}\nbatch: {windows: 4}\nmodel: {channels: 16, hidden: 8, blocks: 1, dropout: 0.1}\n",
        "stages:\n  - {name: single, until: {steps: 6}}\n",
        "  - {name: axes, tokens: [2, 2], until: {steps: 6}}\n",
        "  - {name: longer, tokens: [4, 2], until: {steps: 6}}\n",
        "  - {name: media, blocks: 2, modalities: [text, pixel, audio], places: {row: 4},\n",
        "     data: {train: [", texts(), ", ", media(), "]}, until: {steps: 6}}\n",
        "optimizer: {lr: 1e-2, warmup: 3, rewarm: 2}\n", "evaluate: {every: 4}\n",
        more.find("checkpoint:") == std::string::npos ? "checkpoint: {every: 4, keep: 20}\n" : "",
        more, "\n");
  }
  RunConfig config(const std::string& out, const std::string& more = "") const {
    return parse_config(parse_yaml(yaml(out, more), "run.yaml"));
  }
  std::string write_yaml(const std::string& out, const std::string& more = "") const {
    const std::string path = folder_ / (out + ".yaml");
    write_file_durably(path, yaml(out, more));
    return path;
  }

 private:
  TempFolder folder_;
};

inline constexpr std::int64_t kRunSteps = 24;  // of the kit's run

// Runs until the end, or until asked to stop; true: complete.
inline bool run(const RunConfig& config) {
  const auto channel = make_single_channel();
  return TrainingRun(config, *channel).go();
}

inline std::string checkpoints_of(const RunConfig& config) { return config.out + "/checkpoints"; }

// Gives `to` what `from` had when it was killed after its checkpoint of `step`.
inline void copy_run(const RunConfig& from, const RunConfig& to, std::int64_t step) {
  std::filesystem::copy(from.out, to.out, std::filesystem::copy_options::recursive);
  for (const std::string& path : list_checkpoints(checkpoints_of(to)))
    if (read_checkpoint_info(path).step > step) std::filesystem::remove_all(path);
}

// What the newest good checkpoint holds; null without any.
inline std::unique_ptr<RunState> newest_state(const RunConfig& config) {
  const auto channel = make_single_channel();
  const StageSharding whole = [](const Stage& stage) {
    return Sharding(stage.config.model, stage.windows);
  };
  return resume_run(*channel, checkpoints_of(config), config, Vocabulary(), whole);
}

// Lines of metrics.jsonl as "EVENT STEP STAGE LOSS GRADIENT WHAT", without whatever measures time,
// as all of the lines about ranks and the useful share of time does.
inline std::vector<std::string> metric_lines(const RunConfig& config) {
  const std::string path = config.out + "/metrics.jsonl", content = read_file(path);
  std::vector<std::string> lines;
  for (size_t begin = 0, end = 0; (end = content.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    const ConfigNode node = parse_json(content.substr(begin, end - begin), path);
    const std::string& event = node.find("event")->value;
    if (event == "ranks" || event == "goodput") continue;
    std::string line;
    for (const char* key : {"event", "step", "stage", "loss", "grad_norm", "what"})
      if (const ConfigNode* value = node.find(key)) line += value->value + " ";
    lines.push_back(line);
  }
  return lines;
}

// The losses of all lines of an event: "step" or "evaluate".
inline std::vector<double> metric_losses(const RunConfig& config, const std::string& event) {
  const std::string path = config.out + "/metrics.jsonl", content = read_file(path);
  std::vector<double> losses;
  for (size_t begin = 0, end = 0; (end = content.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    const ConfigNode node = parse_json(content.substr(begin, end - begin), path);
    if (node.find("event")->value == event) losses.push_back(std::stod(node.find("loss")->value));
  }
  return losses;
}

inline std::vector<double> step_losses(const RunConfig& config) {
  return metric_losses(config, "step");
}

inline bool same_bits(const Buffer<float>& a, const Buffer<float>& b) {
  return a.size() == b.size() &&
         (a.size() == 0 ||
          std::memcmp(a.data(), b.data(), static_cast<size_t>(a.size()) * sizeof(float)) == 0);
}

inline void expect_same_state(RunState& a, RunState& b) {
  EXPECT_EQ(a.spec, b.spec);
  EXPECT_EQ(a.stage, b.stage);
  ASSERT_EQ(a.params.size(), b.params.size());
  EXPECT_EQ(std::memcmp(a.params.values().data(), b.params.values().data(),
                        static_cast<size_t>(a.params.size()) * sizeof(float)),
            0)
      << "weights differ";
  EXPECT_TRUE(same_bits(a.optimizer.first, b.optimizer.first)) << "first moments differ";
  EXPECT_TRUE(same_bits(a.optimizer.second, b.optimizer.second)) << "second moments differ";
  EXPECT_EQ(a.optimizer.regions, b.optimizer.regions);
  EXPECT_EQ(a.vocabulary.code_points(), b.vocabulary.code_points());
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.ended, b.ended);
  EXPECT_EQ(a.cursors, b.cursors);
  EXPECT_EQ(a.identity, b.identity);
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_EQ(a.losses, b.losses);
  EXPECT_EQ(a.growths, b.growths);
}

// Both runs are complete, and end with the same bits and the same lines of metrics.
inline void expect_same_run(const RunConfig& a, const RunConfig& b) {
  const auto state_a = newest_state(a), state_b = newest_state(b);
  ASSERT_TRUE(state_a && state_b);
  EXPECT_EQ(state_a->ended.size(), a.stages.size());
  expect_same_state(*state_a, *state_b);
  EXPECT_EQ(metric_lines(a), metric_lines(b));
}

}  // namespace ortho
