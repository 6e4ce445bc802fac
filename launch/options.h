// Options: the command line as plain structs. The only home of Boost.Program_options.
//
// Each struct is what one command needs; its run function is declared in launch/commands.h.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "dataio/pack.h"
#include "model/apply.h"
#include "tensor/token.h"
#include "trainer/unmask.h"
#include "trainer/writing.h"

namespace ortho {

struct PackOptions {
  std::vector<std::string> inputs;  // files, folders, and lists ending in .jsonl
  std::string labels;               // IDX file with a label for each image of the one input, or ""
  std::string decoder;              // path of orthotope-decode; "": beside this program
  double trim_percent = 1;          // silence, in percent of full scale
  std::string speeds;               // "0.9,1,1.1", or "": as it is
  PackRule rule;
};

struct TrainOptions {
  std::string config;                 // RUN.yaml
  std::vector<std::string> settings;  // "optimizer.lr=0.002"
  bool any_ranks = false;             // also stages that ask for another number of ranks
  // Given by `orthotope run`:
  std::string report, token;  // ADDRESS:PORT that ranks report to, and what they say there
  std::int64_t attempt = 0;   // number of this start; 0: one more than the last
  double spent_sec = -1;      // since the run's first start; below 0: as the last one noted
};

// Where the ranks of a run are started, and by whom; see launch/hosts.h and launch/mpirun.h.
struct RunOptions {
  enum class Submit { no, yes, print };

  std::string config;
  std::vector<std::string> settings;
  std::int64_t ranks = 0;              // for stages that ask for no number; 0: as many as slots
  std::string hosts;                   // file: a host a line, "NAME slots=N"; "": this machine
  std::string remote_shell = "ssh";    // words, split at spaces
  std::string network;                 // "10.0.0.0/24" that all hosts share; "": found
  std::vector<std::string> mpirun;     // more words for mpirun
  Submit slurm = Submit::no;           // as a job of Slurm
  std::string partition, time;         // of the job
  std::int64_t nodes = 0, notice = 0;  // of the job; notice: seconds, 0: 60
  bool requeue = false;                // inside a job: queue it again when it saved and left
};

// What `run` asks of a host before it starts ranks there.
struct HostCheckOptions {
  std::string folder, token;  // a file TOKEN must lie in the run folder
};

// Ends what is left of a start on one host.
struct SweepOptions {
  std::string token;  // on the command lines of its ranks
};

// How often a trained stack is fed its own output while it answers.
struct Passes {
  std::int64_t refeeds = 0;  // 0: as in training
  double settle = 0;  // stop when a pass changes the stream by less than this share; 0: never
};

struct EvaluateOptions {
  // Read items of one modality, predict an item of the other, count exact matches, and those with
  // another record's item: what a guess that ignores the input reaches.
  struct Score {
    Modality from, to;
    bool operator==(const Score&) const = default;
  };

  std::string path;               // run folder or checkpoint
  std::vector<std::string> data;  // packed data sets; none: the run's own
  std::string split;              // train, valid or test; "": the run's held_out
  std::vector<Score> scores;      // none: the loss alone
  std::string judge;              // run that names what the answers show; "": none
  std::int64_t limit = 0;         // records or windows to score; 0 = all
  Passes passes;
  double active_nodes = 1;  // share of each token's hidden units that stay
};

struct GenerateOptions {
  std::string path;                    // run folder or checkpoint
  Modality modality = Modality::text;  // of what is made
  std::vector<std::string> prompts;    // words; several are answered side by side
  bool together = false;               // in one window, which they share
  std::string prompt_file;             // a text, image or audio file, or ""
  std::int64_t tokens = 0;             // to make; 0 = until the end, or a window
  WhenFull when_full = WhenFull::slide;
  bool places_by_heads = false;
  double temperature = 1.0;  // 0 = always the likeliest
  std::int64_t top_k = 0;    // 0 = all
  double top_p = 1.0;
  double active_nodes = 1;  // share of each token's hidden units that stay
  std::int64_t seed = 1;
  std::string objective;    // how; "": as the stage was trained
  std::int64_t rounds = 0;  // of unmasking; 0 = a token a round
  UnmaskRule::Order order = UnmaskRule::Order::confident;
  std::string out;                                 // file; "": text to standard output
  std::int64_t image_height = 0, image_width = 0;  // 0 = as in the training data
  std::int64_t frames = 0;                         // of a film; 0 = as in the training data
  Passes passes;
};

struct PlanOptions {
  std::string config;  // RUN.yaml
  std::int64_t ranks = 1;
  std::vector<std::string> settings;
  std::int64_t symbols = 0;    // rows of the text table when the data are not there; 0 = assume
  double gflops = 0;           // of one rank, in training FLOPs; 0 = measure
  std::string machine;         // file that describes the cluster, or ""
  bool probe = false;          // measure as many ranks as are planned for, here
  std::int64_t fail_over = 0;  // bytes of a rank; 0: no limit
};

// Run by all ranks of a job.
struct ProbeOptions {
  std::string config;  // RUN.yaml whose stages are measured too, or ""
  std::vector<std::string> settings;
  std::int64_t symbols = 0;  // as in PlanOptions
  std::int64_t threads = 0;  // per rank; 0: as the run says, else 1
  double seconds = 20;
  std::string folder = ".";  // on the disk that is measured
  std::string out;           // file; "": standard output
};

struct InspectOptions {
  std::string path;          // shard, data set, box file, checkpoint or run folder
  std::int64_t records = 3;  // of a shard or data set: so many are shown
  bool config = false;       // of a checkpoint or run: print it
  bool verify = false;       // read everything and check every checksum
};

struct VerifyOptions {
  std::vector<std::string> paths;  // runs, checkpoints, data sets, shards, box files
};

struct RehearseOptions {
  std::string config;  // RUN.yaml
  std::int64_t ranks = 2;
  std::string folder;  // where it works; "": a temporary one, removed if all is well
  std::vector<std::string> settings;
};

struct ExportOptions {
  std::string path;  // run folder or checkpoint
  std::string to;    // folder
  bool safetensors = false;
};

struct ApplyOptions {
  ApplyRule rule;
  std::string weights;        // folder with axis_i.npy
  std::string input, output;  // .npy
};

// --help or --version was asked for: print this and leave with 0.
struct ShowText {
  std::string text;
};

using Command =
    std::variant<ShowText, PackOptions, TrainOptions, RunOptions, EvaluateOptions, GenerateOptions,
                 PlanOptions, ProbeOptions, InspectOptions, VerifyOptions, RehearseOptions,
                 ExportOptions, ApplyOptions, HostCheckOptions, SweepOptions>;

// `arguments` without the program's name. Error(usage) says what is wrong and which --help to read.
Command parse_command(const std::vector<std::string>& arguments);

}  // namespace ortho
