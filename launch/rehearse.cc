// Rehearse: a run in small, with the faults that a long one meets, each told in one line.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/process.h"
#include "dataio/box_file.h"
#include "launch/commands.h"
#include "launch/program_path.h"
#include "launch/rehearse_config.h"
#include "launch/run_file.h"
#include "trainer/checkpoint.h"
#include "trainer/metrics.h"
#include "trainer/stage.h"
#include "trainer/stage_data.h"
#include "trainer/stop_flag.h"

namespace ortho {
namespace {

namespace fs = std::filesystem;

constexpr double kPatienceSec = 60;  // for one start of the small run; then it hangs
constexpr int kDiskFull = 74;

double now_sec() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// What went wrong, in words; thrown by a scene and told in its line.
struct Broken {
  std::string why;
};

void expect(bool good, const std::string& why) {
  if (!good) throw Broken{why};
}

// Lines of metrics that a run has written so far.
std::int64_t lines_of(const std::string& run) {
  const std::string path = run + "/metrics.jsonl";
  if (!file_exists(path)) return 0;
  const std::string lines = read_file(path);
  return std::count(lines.begin(), lines.end(), '\n');
}

std::string last_lines(const std::string& log) {
  constexpr size_t kMost = 600;  // characters
  std::string words = file_exists(log) ? read_file(log) : "";
  while (!words.empty() && words.back() == '\n') words.pop_back();
  return words.size() > kMost ? "…" + words.substr(words.size() - kMost) : words;
}

// The first array of weights or moments that the newest checkpoints of two runs do not share.
std::string difference(const std::string& a, const std::string& b) {
  const auto open = [](const std::string& run) {
    return BoxFileReader(checkpoint_files(list_checkpoints(run + "/checkpoints").front()));
  };
  const BoxFileReader in_a = open(a), in_b = open(b);
  for (const std::string& name : in_a.names()) {
    if (in_a.type(name) != BoxType::f32) continue;
    if (!in_b.has(name) || in_a.shape(name) != in_b.shape(name)) return name;
    const auto count = static_cast<size_t>(elements(in_a.shape(name)));
    std::vector<float> values_a(count), values_b(count);
    in_a.read(name, whole(in_a.shape(name)), values_a.data());
    in_b.read(name, whole(in_b.shape(name)), values_b.data());
    if (std::memcmp(values_a.data(), values_b.data(), count * sizeof(float)) != 0) return name;
  }
  return "";
}

class Rehearsal {
 public:
  Rehearsal(const RehearseOptions& options, const std::string& folder)
      : ranks_(options.ranks), folder_(folder), program_(program_beside("orthotope")) {
    if (ranks_ > 1 && find_program("mpirun").empty()) {
      std::puts("note   there is no mpirun: rehearsing on one rank");
      ranks_ = 1;
    }
  }

  // False when anything would break.
  bool go(const RunConfig& config);

 private:
  std::string run_of(const std::string& name) const { return folder_ + "/" + name; }
  std::string log_of(const std::string& name) const { return folder_ + "/" + name + ".log"; }
  Process start(const std::string& name, std::int64_t ranks, std::int64_t max_file_bytes = 0) const;
  int wait(Process& process, const std::string& name) const;
  void finish(const std::string& name, std::int64_t ranks) const;
  void leave_in_the_middle(const std::string& name, const std::function<void(Process&)>& how,
                           int code) const;
  void scene(const std::string& what, const std::function<std::string()>& act);

  std::string straight();
  std::string killed();
  std::string asked_to_leave();
  std::string other_ranks();
  std::string full_disk();
  std::string damaged();
  double last_loss(const std::string& name) const;

  std::int64_t ranks_;
  std::string folder_, program_;
  RunConfig small_;
  std::int64_t lines_ = 0;  // of metrics, of the undisturbed run
  bool good_ = true;
};

void Rehearsal::scene(const std::string& what, const std::function<std::string()>& act) {
  const double began = now_sec();
  std::string said;
  bool held = true;
  try {
    said = act();
  } catch (const Broken& broken) {
    said = broken.why;
    held = false;
  } catch (const Error& error) {
    said = error.what();
    held = false;
  }
  good_ &= held;
  std::printf("%s %s: %s (%.1f s)\n", held ? "ok    " : "BREAKS", what.c_str(), said.c_str(),
              now_sec() - began);
  std::fflush(stdout);
}

Process Rehearsal::start(const std::string& name, std::int64_t ranks,
                         std::int64_t max_file_bytes) const {
  RunConfig config = small_;
  config.out = run_of(name);
  const std::string file = folder_ + "/" + name + ".yaml";
  write_file_durably(file, config_text(config));
  std::vector<std::string> words;
  if (ranks > 1)
    words = {"mpirun", "-np", std::to_string(ranks), "--bind-to", "none", "--oversubscribe"};
  words.insert(words.end(), {program_, "train", file});
  ProcessOptions options;
  options.log = log_of(name);
  options.max_file_bytes = max_file_bytes;
  options.environment = {{"OMP_NUM_THREADS", "1"}, {"OMPI_MCA_mpi_yield_when_idle", "1"}};
  if (::geteuid() == 0)  // who starts this as root means it
    options.environment.insert(
        options.environment.end(),
        {{"OMPI_ALLOW_RUN_AS_ROOT", "1"}, {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"}});
  return Process(words, options);
}

int Rehearsal::wait(Process& process, const std::string& name) const {
  const std::optional<int> code = process.wait_for(kPatienceSec);
  if (code) return *code;
  process.kill_all();
  throw Broken{text("no end after ", kPatienceSec, " s, it hangs: ", last_lines(log_of(name)))};
}

void Rehearsal::finish(const std::string& name, std::int64_t ranks) const {
  Process process = start(name, ranks);
  const int code = wait(process, name);
  expect(code == 0, text("exit code ", code, ": ", last_lines(log_of(name))));
}

// Starts it, does something to it when a third of its lines are written, and expects its code; 0:
// any but 0.
void Rehearsal::leave_in_the_middle(const std::string& name,
                                    const std::function<void(Process&)>& how, int code) const {
  Process process = start(name, ranks_);
  const double until = now_sec() + kPatienceSec;
  const bool there =
      process.wait_until([&] { return lines_of(run_of(name)) > lines_ / 3 || now_sec() > until; });
  expect(there, "it ended before its middle: " + last_lines(log_of(name)));
  how(process);
  const int left = wait(process, name);
  expect(code == 0 ? left != 0 : left == code,
         text("exit code ", left, code == 0 ? "" : text(", not ", code), ": ",
              last_lines(log_of(name))));
}

std::string Rehearsal::straight() {
  finish("straight", ranks_);
  lines_ = lines_of(run_of("straight"));
  const CheckpointInfo info =
      read_checkpoint_info(list_checkpoints(run_of("straight") + "/checkpoints").front());
  std::string said = text(small_.stages.size(), " stages, ", info.step, " steps on ", ranks_,
                          ranks_ == 1 ? " rank" : " ranks");
  for (const std::string& growth : info.growths) said += "\n         grew: " + growth;
  return said;
}

std::string Rehearsal::killed() {
  leave_in_the_middle(
      "killed",
      [&](Process& process) {
        std::vector<pid_t> ranks = descendants(process.id());
        ::kill(ranks.empty() ? process.id() : ranks.back(), SIGKILL);
      },
      0);
  finish("killed", ranks_);
  const std::string differs = difference(run_of("straight"), run_of("killed"));
  expect(differs.empty(), "went on to other weights: " + differs);
  return "went on from its newest checkpoint to the same bits";
}

std::string Rehearsal::asked_to_leave() {
  leave_in_the_middle(
      "asked", [](Process& process) { process.send(SIGUSR1); }, kExitSavedAndLeft);
  finish("asked", ranks_);
  const std::string differs = difference(run_of("straight"), run_of("asked"));
  expect(differs.empty(), "went on to other weights: " + differs);
  return text("saved, left with ", kExitSavedAndLeft, ", went on to the same bits");
}

std::string Rehearsal::other_ranks() {
  const std::int64_t others = ranks_ == 1 ? 2 : 1;
  leave_in_the_middle(
      "ranks", [](Process& process) { process.send(SIGUSR1); }, kExitSavedAndLeft);
  finish("ranks", others);
  // Sums in another order: what differs in the last bits grows over the steps that follow.
  constexpr double kTolerance = 0.02;
  const double a = last_loss("straight"), b = last_loss("ranks");
  expect(std::abs(a - b) <= kTolerance * std::abs(a),
         text("held-out loss ", b, " on ", others, ", ", a, " on ", ranks_));
  return text("begun on ", ranks_, ", ended on ", others, "; held-out loss ", b, ", was ", a);
}

std::string Rehearsal::full_disk() {
  const auto first = list_checkpoints(run_of("straight") + "/checkpoints").back();
  const auto bytes = static_cast<std::int64_t>(fs::file_size(checkpoint_files(first).front()));
  Process process = start("full", 1, bytes * 3 / 4);
  const int code = wait(process, "full");
  expect(code == kDiskFull,
         text("exit code ", code, ", not ", kDiskFull, ": ", last_lines(log_of("full"))));
  finish("full", 1);
  return text("ended with ", kDiskFull, " and words; with room it went on to the end");
}

std::string Rehearsal::damaged() {
  fs::copy(run_of("straight"), run_of("damaged"), fs::copy_options::recursive);
  const auto newest = list_checkpoints(run_of("damaged") + "/checkpoints").front();
  const std::string file = checkpoint_files(newest).front();
  std::string bytes = read_file(file);
  // Here and there, since a byte between the arrays is nobody's.
  for (size_t at = bytes.size() / 4; at < bytes.size(); at += bytes.size() / 8)
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
  write_file_durably(file, bytes);
  finish("damaged", ranks_);
  expect(read_file(log_of("damaged")).find("cannot be used") != std::string::npos,
         "the damage was not said");
  const std::string differs = difference(run_of("straight"), run_of("damaged"));
  expect(differs.empty(), "went on to other weights: " + differs);
  return "said so, went on from the one before to the same bits";
}

double Rehearsal::last_loss(const std::string& name) const {
  const std::string path = run_of(name) + "/metrics.jsonl", content = read_file(path);
  std::string loss = "nan";
  for (size_t begin = 0, end = 0; (end = content.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    const ConfigNode node = parse_json(content.substr(begin, end - begin), path);
    const ConfigNode *event = node.find("event"), *value = node.find("loss");
    if (event != nullptr && value != nullptr && event->value == "evaluate") loss = value->value;
  }
  return std::strtod(loss.c_str(), nullptr);
}

bool Rehearsal::go(const RunConfig& config) {
  scene("the run file", [&] {
    small_ = config;
    const std::string made = make_missing_data(small_, folder_);
    const auto symbols = run_vocabulary(small_).size();
    check_growths(plan_run(small_, symbols));
    SmallRun small = shrink_run(small_, symbols);
    small_ = std::move(small.config);
    return "in small: " + small.said +
           (made.empty() ? "" : "; made up, for it is not there: " + made);
  });
  if (!good_) return false;
  scene("all stages", [this] { return straight(); });
  if (!good_) return false;  // all else compares with it
  scene("a rank killed (kill -9)", [this] { return killed(); });
  scene("asked to leave (USR1)", [this] { return asked_to_leave(); });
  scene("other ranks", [this] { return other_ranks(); });
  scene("a full disk", [this] { return full_disk(); });
  scene("a damaged checkpoint", [this] { return damaged(); });
  return good_;
}

std::string temporary_folder() {
  std::string pattern = (fs::temp_directory_path() / "orthotope-rehearse-XXXXXX").string();
  REQUIRE(::mkdtemp(pattern.data()) != nullptr, "cannot make a folder: ", system_error());
  return pattern;
}

}  // namespace

int run_rehearse(const RehearseOptions& options) {
  const RunConfig config = read_run_file(options.config, options.settings);
  const std::string folder = options.folder.empty() ? temporary_folder() : options.folder;
  make_folder(folder);
  const double began = now_sec();
  const bool good = Rehearsal(options, folder).go(config);
  const bool kept = !good || !options.folder.empty();
  std::printf("%s after %.0f s%s%s\n", good ? "all held" : "something would break",
              now_sec() - began, kept ? "; see " : "", kept ? folder.c_str() : "");
  std::error_code ignored;
  if (!kept) fs::remove_all(folder, ignored);
  return good ? 0 : 1;
}

}  // namespace ortho
