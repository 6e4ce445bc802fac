#include "launch/supervise.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "comm/host.h"
#include "comm/watchdog.h"
#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "launch/mpirun.h"
#include "launch/program_path.h"
#include "launch/run_signals.h"
#include "launch/slurm.h"
#include "trainer/checkpoint.h"
#include "trainer/metrics.h"
#include "trainer/stage_data.h"
#include "trainer/stop_flag.h"

namespace ortho {
namespace {

constexpr double kLookSec = 0.05;
constexpr double kHostPatienceSec = 15;  // for the questions before a start
constexpr double kProbePatienceSec = 3;  // for a host that fell silent
constexpr double kTermPatienceSec = 5;   // for mpirun, before it is killed
constexpr double kSweepPatienceSec = 5;  // for ranks that outlive mpirun
constexpr double kWaitForHostsSec = 10;  // between two questions

double now_sec() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string new_token() {
  return text("start-", ::getpid(), '-', static_cast<long>(now_sec() * 1e3));
}

std::string absolute(const std::string& path) { return std::filesystem::absolute(path).string(); }

std::string names_of(const std::vector<Host>& hosts) {
  std::string names;
  for (const Host& host : hosts) names += (names.empty() ? "" : ", ") + host.name;
  return names;
}

int ranks_in_environment() {
  const char* tasks = std::getenv("SLURM_NTASKS");
  return tasks == nullptr ? 1 : std::max(1, std::atoi(tasks));
}

}  // namespace

Supervisor::Supervisor(RunConfig config, RunOptions options)
    : config_(std::move(config)),
      options_(std::move(options)),
      out_(absolute(config_.out)),
      token_(new_token()),
      shell_(options_.remote_shell),
      listener_(token_) {
  make_folder(out_);
  text_symbols_ = run_vocabulary(config_).size();
  if (!options_.hosts.empty()) all_ = parse_hosts(read_file(options_.hosts), options_.hosts);
  network_ = options_.network;
  if (!network_.empty()) {
    address_ = address_in(network_);
    REQUIRE(!address_.empty(), "--network ", network_, ": this host has no address in it");
  } else if (!all_.empty()) {
    address_ = address_towards(all_.front().name);
    network_ = network_of(address_);
    REQUIRE(!network_.empty(), "host ", all_.front().name,
            " is not known to this one, or no network leads there; see --network");
  } else {
    address_ = slurm_job().empty() ? "127.0.0.1" : address_towards(host_name());
  }
  if (const auto status = read_status(out_)) {
    attempt_ = status->attempt;
    spent_before_sec_ = status->spent_sec;
  }
}

double Supervisor::spent_sec() const { return spent_before_sec_ + now_sec() - began_at_; }

std::int64_t Supervisor::saved_step() const {
  const auto paths = list_checkpoints(out_ + "/checkpoints");
  return paths.empty() ? -1 : read_checkpoint_info(paths.front()).step;
}

void Supervisor::find_hosts() {
  if (all_.empty()) return;
  write_file_durably(out_ + '/' + token_, "");
  hosts_.clear();
  for (const HostAnswer& answer : shell_.check(all_, out_, token_, kHostPatienceSec)) {
    if (answer.refusal.empty()) {
      hosts_.push_back(answer.host);
      names_[answer.name] = answer.host.name;
    } else {
      warn(text("host ", answer.host.name, ' ', answer.refusal));
    }
  }
  std::error_code ignored;
  std::filesystem::remove(out_ + '/' + token_, ignored);
}

int Supervisor::wanted_ranks() const {
  const StageConfig& stage = config_.stages.at(stage_);
  if (stage.ranks > 0) return static_cast<int>(stage.ranks);
  if (options_.ranks > 0) return static_cast<int>(options_.ranks);
  return all_.empty() ? ranks_in_environment() : slots_of(all_);
}

// As many hosts as the config wants before it starts; false: asked to stop, or there are too few.
bool Supervisor::wait_for_hosts() {
  using Loss = FaultsConfig::OnHostLoss;
  while (true) {
    find_hosts();
    const int wanted = wanted_ranks();
    const int slots = all_.empty() ? wanted : slots_of(hosts_);
    ranks_ = wanted;
    fewer_ = false;
    if (slots >= wanted) return true;
    REQUIRE(slots_of(all_) >= wanted, options_.hosts, " has ", slots_of(all_),
            " slots, the stage asks for ", wanted, " ranks");
    const std::string few = text(slots, " slots answer, ", wanted, " are wanted");
    if (config_.faults.on_host_loss == Loss::stop) {
      say(few + "; faults.on_host_loss: stop");
      return false;
    }
    if (config_.faults.on_host_loss == Loss::fewer && slots > 0) {
      ranks_ = ranks_to_start(config_, text_symbols_, stage_, wanted, slots);
      fewer_ = true;
      if (ranks_ > 0) return say(few + text(": going on with ", ranks_)), true;
    }
    say(few + ": waiting for hosts");
    if (!rest(kWaitForHostsSec)) return false;
  }
}

std::vector<std::string> Supervisor::words(int ranks) {
  MpirunFacts facts;
  facts.program = program_beside("orthotope");
  facts.config = absolute(options_.config);
  facts.settings = options_.settings;
  facts.ranks = ranks;
  facts.threads = config_.threads;
  facts.local = all_.empty() && slurm_job().empty();
  if (!all_.empty()) {
    facts.hostfile = out_ + "/hosts";
    facts.remote_shell = options_.remote_shell;
    write_file_durably(facts.hostfile, hosts_text(hosts_));
  }
  facts.network = network_;
  facts.yields = facts.local;  // who shares the cores is not known
  facts.root = ::geteuid() == 0;
  for (const std::string& more : options_.mpirun)
    for (std::string& word : split_words(more)) facts.more.push_back(std::move(word));
  facts.report = text(address_, ':', listener_.port());
  facts.token = token_;
  facts.attempt = attempt_;
  facts.spent_sec = spent_sec();
  facts.any_ranks = fewer_;
  return mpirun_words(facts);
}

bool Supervisor::rest(double sec) {
  const double until = now_sec() + sec;
  while (now_sec() < until) {
    if (stop_signals() > 0) return false;
    std::this_thread::sleep_for(std::chrono::duration<double>(kLookSec));
  }
  return stop_signals() == 0;
}

bool Supervisor::start() {
  if (!wait_for_hosts() || stop_signals() > 0) return false;
  ++attempt_;
  ended_by_us_ = asked_ = false;
  listener_.take();  // what the last start still had to say
  lookout_.emplace(ranks_, config_.faults.beat, config_.faults.deadline,
                   config_.faults.slow_deadline);
  say(text("start ", attempt_, ": stage ", config_.stages.at(stage_).name, ", ", ranks_,
           ranks_ == 1 ? " rank" : " ranks", all_.empty() ? "" : " on " + names_of(hosts_)));
  job_.emplace(words(ranks_));
  started_at_ = now_sec();
  return true;
}

void Supervisor::end(bool host_lost, const std::string& why) {
  ended_by_us_ = true;
  say(text("ending start ", attempt_, ": ", why));
  // The order to end cannot reach a dead host, and mpirun would wait for it.
  if (host_lost)
    job_->kill_all();
  else
    job_->end(kTermPatienceSec);
}

void Supervisor::look_at_hosts(double now) {
  for (const std::string& host : lookout_->silent_hosts(now)) {
    const auto name = names_.find(host);  // not there: it cannot be asked
    if (name == names_.end() || shell_.answers(name->second, kProbePatienceSec)) {
      lookout_->answered(host, now);
      continue;
    }
    end(true, text("host ", host, " is lost: no word of its ranks for ", config_.faults.beat,
                   " s, and it does not answer"));
    return;
  }
}

// Follows the job to its end; mpirun's exit code.
int Supervisor::watch() {
  int signals = stop_signals();
  bool told = false;  // the ranks, to stop
  while (!job_->wait_for(kLookSec)) {
    std::fputs(job_->take_output().c_str(), stderr);
    const double now = now_sec() - started_at_;
    for (const Beat& beat : listener_.take()) lookout_->take(beat, now);
    if (stop_signals() > signals) {
      signals = stop_signals();
      if (asked_) end(false, "asked again");
      asked_ = true;
    }
    // Earlier than their first beat ranks may not know what to do with the signal, and die of it.
    if (asked_ && !told && lookout_->all_spoke()) {
      told = true;
      say("asked to stop: the ranks finish their step, save and leave");
      job_->send(SIGUSR1);
    }
    if (failed_at_ > 0 && lookout_->trains()) {
      say(text("start ", attempt_, ": trains again, ", std::round(now_sec() - failed_at_),
               " s after the last start ended"));
      failed_at_ = 0;
    }
    if (ended_by_us_) continue;
    if (const std::string line = lookout_->notice(now); !line.empty()) warn(line);
    if (const std::string hang = lookout_->hang(now); !hang.empty())
      end(false, hang);
    else
      look_at_hosts(now);
  }
  const int code = job_->wait();
  std::fputs(job_->take_output().c_str(), stderr);
  job_.reset();
  if (all_.empty())
    sweep_here(token_, kSweepPatienceSec);
  else if (code != 0)
    shell_.sweep(hosts_, token_, 2 * kSweepPatienceSec + kProbePatienceSec);
  return code;
}

int Supervisor::finish(int code) {
  if (const auto status = read_status(out_)) say(goodput_text(status->useful_sec, spent_sec()));
  if (code != kExitSavedAndLeft || !options_.requeue || slurm_job().empty()) return code;
  say("queueing the job again");
  Process requeue({"scontrol", "requeue", slurm_job()});
  const std::optional<int> queued = requeue.wait_for(kHostPatienceSec);
  if (queued != 0) warn("scontrol requeue: " + requeue.take_output());
  return code;
}

int Supervisor::go() {
  began_at_ = now_sec();
  std::int64_t failures = 0;
  while (true) {
    if (const auto paths = list_checkpoints(out_ + "/checkpoints"); !paths.empty())
      stage_ = std::max(stage_, static_cast<size_t>(read_checkpoint_info(paths.front()).stage));
    stage_ = std::min(stage_, config_.stages.size() - 1);
    const std::int64_t before = saved_step();
    if (!start()) return finish(stop_signals() > 0 ? kExitSavedAndLeft : 1);
    EndFacts facts;
    facts.code = watch();
    facts.status = read_status(out_);
    if (facts.status && facts.status->attempt != attempt_) facts.status.reset();
    facts.ended_by_us = ended_by_us_;
    facts.asked = asked_;
    const Verdict verdict = judge_end(facts);
    if (!verdict.line.empty()) say(text("start ", attempt_, ": ", verdict.line));
    if (verdict.next == Verdict::Next::finish) return finish(verdict.code);
    if (verdict.next == Verdict::Next::stage) {
      stage_ = static_cast<size_t>(facts.status->stage);
      continue;
    }
    failed_at_ = now_sec();
    failures = saved_step() > before ? 1 : failures + 1;
    if (failures > config_.faults.restarts) {
      say(text("no newer checkpoint after ", failures, " starts: giving up (faults.restarts)"));
      return finish(verdict.code);
    }
    const double sec = back_off_sec(config_.faults, failures);
    say(text("starting again in ", sec, " s, from step ", std::max<std::int64_t>(0, saved_step())));
    if (!rest(sec)) return finish(kExitSavedAndLeft);
  }
}

}  // namespace ortho
