#include "launch/judge.h"

#include <algorithm>
#include <cmath>

#include "comm/watchdog.h"
#include "core/error.h"
#include "trainer/mesh_choice.h"
#include "trainer/stop_flag.h"

namespace ortho {
namespace {

constexpr double kLongestBackOffSec = 60;

using Next = Verdict::Next;

int code_of(ErrorKind kind) { return Error(kind, "").exit_code(); }

// Starting again would meet the same.
bool is_final(int code) {
  return code == code_of(ErrorKind::usage) || code == code_of(ErrorKind::data) ||
         code == code_of(ErrorKind::disk);
}

Verdict judge_status(const EndFacts& facts) {
  const RunStatus& status = *facts.status;
  const auto code = static_cast<int>(status.code);
  if (status.ending == Ending::complete) return {Next::finish, 0, "the run is complete"};
  // Ranks of a job that was ended, or whose mpirun was killed, may have had the time to save.
  const bool meant = facts.asked || (!facts.ended_by_us && facts.code == kExitSavedAndLeft);
  if (status.ending == Ending::stopped && !meant)
    return {Next::again, kExitHung, text("saved at step ", status.step, ", though nobody asked")};
  if (status.ending == Ending::stopped || (status.ending == Ending::next_stage && facts.asked))
    return {Next::finish, kExitSavedAndLeft, text("saved at step ", status.step, " and left")};
  if (status.ending == Ending::next_stage)
    return {Next::stage, 0, text("stage ", status.stage + 1, " asks for ", status.ranks, " ranks")};
  return {is_final(code) ? Next::finish : Next::again, code, status.reason};
}

}  // namespace

Verdict judge_end(const EndFacts& facts) {
  if (facts.status && facts.status->ending != Ending::running) return judge_status(facts);
  if (!facts.ended_by_us && is_final(facts.code))
    return {Next::finish, facts.code, text("mpirun left with ", facts.code, ", see its words")};
  const int code = facts.ended_by_us ? kExitHung : facts.code == 0 ? 1 : facts.code;
  const std::string line = facts.ended_by_us
                               ? std::string("ended")
                               : text("mpirun left with ", facts.code, ", the run is not complete");
  return {facts.asked ? Next::finish : Next::again, code, line};
}

double back_off_sec(const FaultsConfig& faults, std::int64_t failures) {
  const auto doublings = static_cast<double>(std::min<std::int64_t>(failures - 1, 10));
  return std::min(faults.back_off * std::exp2(doublings), kLongestBackOffSec);
}

int ranks_to_start(const RunConfig& config, std::int64_t text_symbols, size_t stage, int wanted,
                   int slots) {
  if (slots >= wanted) return wanted;
  Stage smaller = plan_run(config, text_symbols).stages.at(stage);
  smaller.config.mesh = {};
  for (int ranks = slots; ranks >= 1; --ranks) {
    try {
      choose_mesh(smaller, config, ranks);
      return ranks;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::usage) throw;
    }
  }
  return 0;
}

}  // namespace ortho
