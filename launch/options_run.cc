// The options of the commands that train: train itself, run, and what run calls on other hosts.
#include <sstream>

#include "core/error.h"
#include "launch/options_listing.h"
#include "trainer/config.h"

namespace ortho {

Command parse_train(const Words& arguments) {
  TrainOptions o;
  Listing listing("train");
  listing.argument("config", po::value(&o.config)->required(), 1);
  list_settings(listing, o.settings);
  listing.option("any-ranks", po::bool_switch(&o.any_ranks),
                 "train stages that ask for another number of ranks, too");
  listing.option("report", po::value(&o.report)->value_name("ADDRESS:PORT"),
                 "given by run: where each rank tells what it does");
  listing.option("token", po::value(&o.token), "given by run: of this run");
  listing.option("attempt", po::value(&o.attempt)->default_value(0, "counted"),
                 "given by run: number of this start");
  listing.option("spent", po::value(&o.spent_sec)->default_value(-1, "counted"),
                 "given by run: seconds since the first start");
  if (store(listing, arguments))
    return ShowText{
        help_text(
            listing, "RUN.yaml [options]",
            "Trains all stages of a run, under mpirun on all its ranks. Goes on from "
            "the newest checkpoint\nof the run folder when there is one. Ends with 0 before a "
            "stage that asks for other ranks.") +
        "\nFields of RUN.yaml:\n" + config_help()};
  return o;
}

Command parse_run(const Words& arguments) {
  RunOptions o;
  bool slurm = false, print = false;
  Listing listing("run");
  listing.argument("config", po::value(&o.config)->required(), 1);
  list_settings(listing, o.settings);
  listing.option("ranks,n", po::value(&o.ranks)->default_value(0, "all slots"),
                 "ranks of stages that ask for no number");
  listing.option("hosts", po::value(&o.hosts)->value_name("FILE"),
                 "a host a line: NAME slots=N; this machine if not given");
  listing.option("remote-shell", po::value(&o.remote_shell)->default_value("ssh"),
                 "command that runs another on a host; its words are split at spaces");
  listing.option("network", po::value(&o.network)->value_name("A.B.C.D/N"),
                 "that all hosts share; found if not given");
  listing.option("mpirun", po::value(&o.mpirun)->composing()->value_name("WORD"),
                 "one more word for mpirun, as often as needed");
  listing.option("slurm", po::bool_switch(&slurm), "submit a job of Slurm that runs this");
  listing.option("print", po::bool_switch(&print), "with --slurm: print the job, submit nothing");
  listing.option("partition", po::value(&o.partition), "of the job");
  listing.option("time", po::value(&o.time)->value_name("H:MM:SS"), "of the job");
  listing.option("nodes", po::value(&o.nodes)->default_value(0, "as Slurm likes"), "of the job");
  listing.option("notice", po::value(&o.notice)->default_value(0, "60"),
                 "seconds before its end that a job is told: a step and a save must fit");
  listing.option("requeue", po::bool_switch(&o.requeue),
                 "inside a job: queue it again when it saved and left");
  if (store(listing, arguments))
    return ShowText{help_text(
        listing, "RUN.yaml [options]",
        "Starts mpirun with the ranks each stage asks for, watches it, and starts it again from "
        "the newest\ncheckpoint when ranks, hosts or links fail. SIGUSR1 or a first SIGTERM or "
        "Ctrl-C saves and leaves.")};
  check_count("--ranks", o.ranks, 0);
  check_count("--nodes", o.nodes, 0);
  check_count("--notice", o.notice, 0);
  REQUIRE(slurm || !print, "--print goes with --slurm");
  REQUIRE(!slurm || o.hosts.empty(), "--slurm finds its hosts itself: leave out --hosts");
  o.slurm = print ? RunOptions::Submit::print
                  : (slurm ? RunOptions::Submit::yes : RunOptions::Submit::no);
  return o;
}

Command parse_host_check(const Words& arguments) {
  HostCheckOptions o;
  Listing listing("host-check");
  listing.argument("folder", po::value(&o.folder)->required(), 1);
  listing.argument("file", po::value(&o.token)->required(), 1);
  if (store(listing, arguments))
    return ShowText{help_text(listing, "FOLDER TOKEN", "Says what this host has for a run.")};
  return o;
}

Command parse_sweep(const Words& arguments) {
  SweepOptions o;
  Listing listing("sweep");
  listing.argument("token", po::value(&o.token)->required(), 1);
  if (store(listing, arguments))
    return ShowText{help_text(listing, "TOKEN", "Ends the ranks of a start that failed.")};
  return o;
}

}  // namespace ortho
