// The options of plan and probe.
#include <cmath>

#include "core/error.h"
#include "launch/options_listing.h"

namespace ortho {
namespace {

constexpr std::int64_t kMostRanks = 1 << 20;  // as mesh.batch
constexpr double kMostGflops = 1e9;           // an exaflop a rank

// "80GB", "24 GiB", "850MB", "1000": bytes.
std::int64_t bytes_word(const char* option, const std::string& word) {
  size_t read = 0;
  double number = 0;
  try {
    number = std::stod(word, &read);
  } catch (const std::exception&) {
    read = 0;
  }
  const size_t unit_at = word.find_first_not_of(' ', read);
  const std::string unit = unit_at == std::string::npos ? "" : word.substr(unit_at);
  const std::pair<const char*, double> units[] = {
      {"", 1},      {"B", 1},        {"KB", 1e3},     {"MB", 1e6},     {"GB", 1e9},
      {"TB", 1e12}, {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}};
  for (const auto& [name, scale] : units)
    if (read > 0 && unit == name && number * scale >= 1 && number * scale < 0x1p62)
      return std::llround(number * scale);
  fail(ErrorKind::usage, text(option, ' ', word, ": write bytes as 80GB, 24GiB or 850MB"));
}

}  // namespace

Command parse_plan(const Words& arguments) {
  PlanOptions o;
  std::string fail_over;
  Listing listing("plan");
  listing.argument("config", po::value(&o.config)->required(), 1);
  listing.option("ranks", po::value(&o.ranks)->default_value(1), "ranks to plan for");
  listing.option("symbols", po::value(&o.symbols)->default_value(0, "256")->value_name("N"),
                 "distinct code points of the text, where the data sets are not packed yet");
  listing.option("machine", po::value(&o.machine)->value_name("FILE"),
                 "the cluster, in place of the run file's `machine`; see orthotope probe");
  listing.option("probe", po::bool_switch(&o.probe),
                 "start that many ranks here, at most 30 s, and reckon with what they reach");
  listing.option("gflops", po::value(&o.gflops)->default_value(0, "measured")->value_name("X"),
                 "training GFLOP/s of one rank");
  listing.option("fail-over", po::value(&fail_over)->value_name("BYTES"),
                 "leave with 64 when a rank of any stage needs more: 80GB, 24GiB");
  list_settings(listing, o.settings);
  if (store(listing, arguments))
    return ShowText{
        help_text(listing, "RUN.yaml [options]",
                  "Prints weights, memory, messages, FLOPs, time and growth of each stage, without "
                  "training.\nRefuses what train would refuse. Needs no MPI, but for --probe.")};
  check_count("--ranks", o.ranks, 1);
  REQUIRE(o.ranks <= kMostRanks, "--ranks ", o.ranks, ": at most ", kMostRanks);
  check_count("--symbols", o.symbols, 0);
  REQUIRE(o.gflops >= 0 && o.gflops <= kMostGflops, "--gflops ", o.gflops, ": above 0, up to ",
          kMostGflops);
  REQUIRE((o.gflops > 0 ? 1 : 0) + (o.probe ? 1 : 0) + (o.machine.empty() ? 0 : 1) <= 1,
          "--gflops, --probe and --machine each say how fast a rank is: give one of them");
  if (!fail_over.empty()) o.fail_over = bytes_word("--fail-over", fail_over);
  return o;
}

Command parse_probe(const Words& arguments) {
  ProbeOptions o;
  Listing listing("probe");
  listing.argument("config", po::value(&o.config), 1);
  listing.option("symbols", po::value(&o.symbols)->default_value(0, "256")->value_name("N"),
                 "distinct code points of the text, where the data sets are not packed yet");
  listing.option("threads", po::value(&o.threads)->default_value(0, "as the run says, or 1"),
                 "threads a rank");
  listing.option("seconds", po::value(&o.seconds)->default_value(20), "about, for all of it");
  listing.option("folder", po::value(&o.folder)->default_value("."),
                 "on the disk that checkpoints go to");
  listing.option("out", po::value(&o.out)->value_name("FILE"), "file to write instead of printing");
  list_settings(listing, o.settings);
  if (store(listing, arguments))
    return ShowText{help_text(
        listing, "[RUN.yaml] [options]",
        "Measures large products, memory, messages and the disk, and the stages of a run, on all\n"
        "ranks of the job at once: mpirun -np N orthotope probe. What it writes `plan --machine`\n"
        "reads; without its stages it may stand in a run file as `machine`.")};
  check_count("--symbols", o.symbols, 0);
  check_count("--threads", o.threads, 0);
  REQUIRE(o.seconds >= 1 && o.seconds <= 3600, "--seconds ", o.seconds, ": from 1 to 3600");
  return o;
}

}  // namespace ortho
