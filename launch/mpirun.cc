#include "launch/mpirun.h"

#include "core/error.h"

namespace ortho {

std::vector<std::string> mpirun_words(const MpirunFacts& facts) {
  std::vector<std::string> words = {"mpirun", "-n", text(facts.ranks)};
  const auto add = [&](const std::vector<std::string>& more) {
    words.insert(words.end(), more.begin(), more.end());
  };
  if (!facts.hostfile.empty())
    add({"--hostfile", facts.hostfile, "--mca", "plm", "rsh", "--mca", "plm_rsh_agent",
         facts.remote_shell});
  if (facts.local) add({"--oversubscribe"});
  // An address that every host has, such as a container bridge's, makes jobs hang.
  if (!facts.network.empty())
    add({"--mca", "btl_tcp_if_include", facts.network, "--mca", "oob_tcp_if_include",
         facts.network});
  // So mpirun notices a host that went silent after 43 s, where no supervisor does sooner; the
  // defaults take 8 minutes.
  add({"--mca", "oob_tcp_keepalive_time", "10", "--mca", "oob_tcp_keepalive_intvl", "5", "--mca",
       "oob_tcp_keepalive_probes", "6"});
  if (facts.yields) add({"--mca", "mpi_yield_when_idle", "1"});
  if (facts.root) add({"--allow-run-as-root"});
  // Over ssh no variable travels by itself.
  add({"--bind-to", "none", "-x", text("OMP_NUM_THREADS=", facts.threads)});
  add(facts.more);
  add({facts.program, "train", facts.config});
  for (const std::string& setting : facts.settings) add({"--set", setting});
  add({"--report", facts.report, "--token", facts.token, "--attempt", text(facts.attempt),
       "--spent", text(facts.spent_sec)});
  if (facts.any_ranks) add({"--any-ranks"});
  return words;
}

}  // namespace ortho
