// The fields of a run file that say when a run has failed, and what follows. See trainer/config.h.
#include "trainer/config.h"

namespace ortho {
namespace {

constexpr Choice<FaultsConfig::OnHostLoss> kLosses[] = {{"fewer", FaultsConfig::OnHostLoss::fewer},
                                                        {"wait", FaultsConfig::OnHostLoss::wait},
                                                        {"stop", FaultsConfig::OnHostLoss::stop}};

}  // namespace

Fields fields(FaultsConfig& c) {
  constexpr Limits sec{1, 1e6};
  return Fields()
      .real("deadline", c.deadline, sec, "s", "of a step without progress: then it hangs")
      .real("slow_deadline", c.slow_deadline, sec, "s",
            "of a start, a growth, a save or an evaluation without progress")
      .real("beat", c.beat, sec, "s", "without a word of a rank, before run asks its host")
      .integer("restarts", c.restarts, {0, 1e6}, "starts",
               "by run, in a row without a newer checkpoint")
      .real("back_off", c.back_off, {0, 60}, "s",
            "before the first of them; doubled each time, at most 60")
      .choice("on_host_loss", c.on_host_loss, kLosses,
              "fewer ranks go on, run waits for the host, or it ends");
}

}  // namespace ortho
