#include "launch/machine_file.h"

#include <array>
#include <cstdio>

#include "core/error.h"
#include "core/file.h"
#include "core/random.h"
#include "launch/yaml.h"

namespace ortho {
namespace {

Fields fields(StageRate& s) {
  return Fields()
      .word("stage", s.stage, "its name")
      .integer("ranks", s.ranks, kFromOne, "ranks", "that were at work")
      .word("model", s.model, "fingerprint of its model and batch")
      .real("flops", s.rate.flops_per_sec, {0, 1e30, Limits::Open::lo}, "FLOP/s", "of one rank")
      .real("update", s.rate.update_sec, {0, 1e9}, "s", "of the optimizer, a step");
}

Fields fields(MachineFile& file) {
  return ortho::fields(file.machine)
      .groups(
          "stages", [&file] { return file.stages.size(); },
          [&file](size_t i) { return fields(file.stages.at(i)); },
          [&file] { return fields(file.stages.emplace_back()); }, [&file] { file.stages.clear(); },
          "what a rank reached in the stages of the run it was probed with");
}

}  // namespace

std::string fingerprint(const Stage& stage) {
  const std::string all =
      text(model_text(stage.config.model), stage.config.model.text_symbols, ' ', stage.windows);
  std::array<char, 17> hex{};
  std::snprintf(hex.data(), hex.size(), "%016llx",
                static_cast<unsigned long long>(Random(0, all).bits(0)));
  return hex.data();
}

MachineFile read_machine_file(const std::string& path) {
  MachineFile file;
  read_fields(fields(file), parse_yaml(read_file(path), path));
  return file;
}

std::string machine_text(MachineFile file) { return print_fields(fields(file)); }

std::optional<Rate> rate_of(const MachineFile& file, const Stage& stage, int ranks) {
  for (const StageRate& measured : file.stages)
    if (measured.stage == stage.config.name && measured.ranks == ranks &&
        measured.model == fingerprint(stage))
      return measured.rate;
  return std::nullopt;
}

}  // namespace ortho
