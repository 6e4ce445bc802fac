#include "comm/watchdog.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "core/error.h"
#include "core/file.h"
#include "core/log.h"

namespace ortho {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLook{250};
constexpr int kLooksPerBeat = 4;
constexpr int kFirstSteps = 2;      // build what later ones find ready
constexpr double kPatient = 5;      // times the longest quiet so far
constexpr double kWithoutHelp = 2;  // times the deadline, when no supervisor ends the job
constexpr double kLongestLook = 1;  // seconds between two looks that count

std::string sec_text(double sec) { return text(std::round(sec * 10) / 10, " s"); }

std::string job_number() {
  const char* number = std::getenv("PMIX_NAMESPACE");
  return number == nullptr ? "" : number;
}

}  // namespace

void Patience::look(const Activity& activity, double passed_sec) {
  if (activity.changes == last_.changes && activity.phase == last_.phase) {
    quiet_sec_ += std::min(passed_sec, kLongestLook);
  } else {
    if (last_.phase == "step" && last_.begun > kFirstSteps)
      longest_sec_ = std::max(longest_sec_, quiet_sec_);
    quiet_sec_ = 0;
  }
  last_ = activity;
}

double Patience::allowed_sec() const {
  if (last_.phase != "step" || last_.begun <= kFirstSteps) return rule_.slow_deadline_sec;
  return std::max(rule_.deadline_sec, kPatient * longest_sec_);
}

double Patience::named_sec() const {
  return std::min(std::max(rule_.name_after_sec, kPatient * longest_sec_), allowed_sec());
}

Watchdog::Watchdog(const Journal& journal, int rank, int ranks, std::string host, WatchRule rule,
                   std::function<void()> end)
    : journal_(journal),
      rank_(rank),
      ranks_(ranks),
      host_(std::move(host)),
      rule_(std::move(rule)),
      end_(std::move(end)),
      patience_(rule_) {
  if (!rule_.report.empty()) sender_ = std::make_unique<BeatSender>(rule_.report, rule_.token);
  thread_ = std::thread([this] { watch(); });
}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

std::string Watchdog::where(const Activity& now) const {
  const std::string place = text(" of step ", now.step + 1, ", phase ", now.phase);
  if (now.operation.empty()) return text("computing or reading", place);
  return text("waiting in operation ", now.number, ", ", now.operation, " (", now.bytes, " bytes)",
              place);
}

void Watchdog::dump(const std::string& why) const {
  if (rule_.dump.empty()) return;
  try {
    make_folder(std::filesystem::path(rule_.dump).parent_path());
    write_file_durably(rule_.dump, text("rank ", rank_, " of ", ranks_, " on ", host_, ": ", why,
                                        '\n', journal_.text()));
  } catch (const Error& error) {
    warn(error.what());  // a full disk must not hide the hang
  }
}

void Watchdog::judge(const Activity& now, bool reported) {
  const double quiet = patience_.quiet_sec();
  if (quiet < patience_.named_sec()) {
    if (named_) warn(text("on ", host_, ": goes on, after a pause"));
    named_ = dumped_ = false;
    return;
  }
  const std::string line =
      text("on ", host_, ": no progress for ", sec_text(quiet), ", ", where(now));
  if (!named_) {
    named_ = true;
    if (reported) return;  // the supervisor hears it from all ranks and says it once
    warn(line);
  }
  if (quiet < patience_.allowed_sec()) return;
  if (!dumped_) dump(line);
  dumped_ = true;
  // Alone there is nobody to wait for: it computes.
  if (reported || ranks_ == 1 || quiet < kWithoutHelp * patience_.allowed_sec()) return;
  warn(text(line, ". Ending the job with ", kExitHung, "; its last operations: ", rule_.dump));
  ::alarm(5);  // should the ending hang as well
  end_();
}

void Watchdog::watch() {
  auto last = Clock::now();
  bool reported = sender_ != nullptr;
  for (int looks = 0;; ++looks) {
    {
      std::unique_lock lock(mutex_);
      if (changed_.wait_for(lock, kLook, [this] { return over_; })) return;
    }
    const Activity now = journal_.now();
    const auto time = Clock::now();
    patience_.look(now, std::chrono::duration<double>(time - last).count());
    last = time;
    if (sender_ != nullptr && looks % kLooksPerBeat == 0)
      reported = sender_->send({rank_, host_, ::getpid(), job_number(), now, patience_.quiet_sec(),
                                patience_.named_sec(), patience_.allowed_sec()});
    judge(now, reported);
  }
}

}  // namespace ortho
