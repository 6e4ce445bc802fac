// The options of verify and rehearse.
#include "core/error.h"
#include "launch/options_listing.h"

namespace ortho {

Command parse_verify(const Words& arguments) {
  VerifyOptions o;
  Listing listing("verify");
  listing.argument("paths", po::value(&o.paths)->required(), -1);
  if (store(listing, arguments))
    return ShowText{help_text(
        listing, "PATH…",
        "Reads all of a run, checkpoint, data set, shard or box file, and checks every checksum. A "
        "line\nfor each; leaves with 65 when any is damaged. Needs no MPI.")};
  return o;
}

Command parse_rehearse(const Words& arguments) {
  constexpr std::int64_t kMostRanks = 8;  // of one machine, in under two minutes
  RehearseOptions o;
  Listing listing("rehearse");
  listing.argument("config", po::value(&o.config)->required(), 1);
  listing.option("ranks", po::value(&o.ranks)->default_value(2), "ranks to rehearse on");
  listing.option("folder", po::value(&o.folder)->value_name("DIR"),
                 "work here and keep all; else in a temporary folder");
  list_settings(listing, o.settings);
  if (store(listing, arguments))
    return ShowText{help_text(
        listing, "RUN.yaml [options]",
        "Runs all stages in small: every growth, a rank killed, a run asked to leave, another "
        "number of\nranks, a full disk, a damaged checkpoint. Says line by line what held and what "
        "would break;\nleaves with 1 if anything would.")};
  check_count("--ranks", o.ranks, 1);
  REQUIRE(o.ranks <= kMostRanks, "--ranks ", o.ranks, ": at most ", kMostRanks);
  return o;
}

}  // namespace ortho
