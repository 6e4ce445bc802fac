#include "trainer/snapshot.h"

#include <cstring>
#include <filesystem>

#include "core/error.h"
#include "dataio/box_file.h"
#include "trainer/checkpoint_manifest.h"

namespace ortho {
namespace {

// Regions as rows of numbers: lo of every axis, hi of every axis, steps.
std::vector<std::int64_t> region_rows(const Regions& regions) {
  std::vector<std::int64_t> rows;
  for (const Region& region : regions) {
    rows.insert(rows.end(), region.box.lo.begin(), region.box.lo.end());
    rows.insert(rows.end(), region.box.hi.begin(), region.box.hi.end());
    rows.push_back(region.steps);
  }
  return rows;
}

// The words of the word table, a line break behind each.
std::vector<std::int64_t> word_letters(const RunState& state) {
  std::vector<std::int64_t> letters;
  for (const std::u32string& word : state.vocabulary.words.words()) {
    letters.insert(letters.end(), word.begin(), word.end());
    letters.push_back('\n');
  }
  return letters;
}

// Lays arrays one behind the other into the shadow, or leaves them where they are.
class Copier {
 public:
  explicit Copier(Buffer<float>* shadow) : shadow_(shadow) {}

  const float* keep(const float* first, std::int64_t count) {
    if (shadow_ == nullptr) return first;
    ASSERT(used_ + count <= shadow_->size(), "the shadow has ", shadow_->size(), " elements");
    float* copy = shadow_->data() + used_;
    std::memcpy(copy, first, static_cast<size_t>(count) * sizeof(float));
    used_ += count;
    return copy;
  }

 private:
  Buffer<float>* shadow_;
  std::int64_t used_ = 0;
};

}  // namespace

std::int64_t Snapshot::bytes() const {
  std::int64_t total = 0;
  for (const Piece& piece : pieces) total += elements(piece.box) * std::int64_t{sizeof(float)};
  return total;
}

std::int64_t shadow_elements(const RunState& state) {
  return state.params.own_size() + state.optimizer.first.size() + state.optimizer.second.size();
}

Snapshot take_snapshot(const RunState& state, Buffer<float>* shadow) {
  Snapshot snapshot;
  Copier copier(shadow);
  const OptimizerState<float>& optimizer = state.optimizer;
  for (const Param<float>& param : state.params.all()) {
    const Range own = state.params.own(param);
    if (own.size() == 0) continue;
    const std::vector<Box> boxes = boxes_of(param.box, own);
    const auto add = [&](const char* kind, const float* first) {
      first = copier.keep(first, own.size());
      for (const Box& box : boxes) {
        snapshot.pieces.push_back({kind + param.spec.name, param.spec.shape(), box, first});
        first += elements(box);
      }
    };
    const std::int64_t moment = state.params.moment_of(param, own.lo);
    add("weight/", param.value + own.lo);
    add("first/", optimizer.first.data() + moment);
    if (optimizer.second.size() > 0) add("second/", optimizer.second.data() + moment);
  }
  return snapshot;
}

void add_run(Snapshot& snapshot, const RunState& state, const std::string& config,
             const std::string& parent) {
  for (size_t i = 0; i < state.params.all().size(); ++i)
    snapshot.lists.emplace_back("steps/" + state.params.all()[i].spec.name,
                                region_rows(state.optimizer.regions[i]));
  const std::vector<std::uint32_t>& symbols = state.vocabulary.code_points();
  snapshot.lists.emplace_back("run/vocabulary",
                              std::vector<std::int64_t>(symbols.begin(), symbols.end()));
  if (state.vocabulary.words.size() > 0)
    snapshot.lists.emplace_back("run/words", word_letters(state));
  snapshot.lists.emplace_back("run/ended", state.ended);
  snapshot.curves.emplace_back("run/losses", state.losses);
  snapshot.texts = {{"format", kCheckpointFormat},
                    {"config", config},
                    {"model", model_text(state.spec)},
                    {"parent", parent},
                    {"data", state.identity}};
  snapshot.integers = {{"version", kCheckpointVersion},
                       {"step", state.step},
                       {"stage", state.stage},
                       {"tokens", state.tokens},
                       {"bad_steps", state.bad_steps},
                       {"growths", static_cast<std::int64_t>(state.growths.size())}};
  for (size_t i = 0; i < kObjectives; ++i) {
    const std::string objective = objective_name(static_cast<Objective>(i));
    const std::string cursor = "cursor." + objective;
    if (!state.history[i].losses.empty()) {
      snapshot.curves.emplace_back("run/recent_losses." + objective, state.history[i].losses);
      snapshot.curves.emplace_back("run/recent_norms." + objective, state.history[i].norms);
    }
    snapshot.integers.emplace_back(cursor + ".epoch", state.cursors[i].epoch);
    snapshot.integers.emplace_back(cursor + ".consumed", state.cursors[i].consumed);
  }
  for (size_t i = 0; i < state.growths.size(); ++i)
    snapshot.texts.emplace_back("growth." + std::to_string(i), state.growths[i]);
  snapshot.reals.emplace_back("seconds", state.seconds);
}

std::int64_t write_snapshot(const Snapshot& snapshot, const std::string& path) {
  BoxFileWriter file(path);
  for (const Snapshot::Piece& piece : snapshot.pieces)
    file.write(piece.array, piece.shape, piece.box, piece.first);
  const auto write_whole = [&](const auto& arrays) {
    for (const auto& [name, values] : arrays) {
      const Shape shape = {static_cast<std::int64_t>(values.size())};
      file.write(name, shape, whole(shape), values.data());
    }
  };
  write_whole(snapshot.lists);
  write_whole(snapshot.curves);
  for (const auto& [name, value] : snapshot.texts) file.set_text(name, value);
  for (const auto& [name, value] : snapshot.integers) file.set_integer(name, value);
  for (const auto& [name, value] : snapshot.reals) file.set_real(name, value);
  file.finish();
  return static_cast<std::int64_t>(std::filesystem::file_size(path));
}

}  // namespace ortho
