#include "trainer/run_status.h"

#include <array>
#include <cmath>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "trainer/metrics.h"

namespace ortho {
namespace {

constexpr std::array<const char*, 5> kNames = {"running", "complete", "next_stage", "stopped",
                                               "failed"};

std::string status_path(const std::string& out) { return out + "/status.json"; }

const std::string& member(const ConfigNode& node, const char* key) {
  const ConfigNode* value = node.find(key);
  if (value == nullptr) fail(ErrorKind::data, text("no ", key));
  return value->value;
}

Ending ending_of(const std::string& name) {
  for (size_t i = 0; i < kNames.size(); ++i)
    if (name == kNames[i]) return static_cast<Ending>(i);
  fail(ErrorKind::data, "no such ending: " + name);
}

}  // namespace

const char* ending_name(Ending ending) { return kNames[static_cast<size_t>(ending)]; }

void write_status(const std::string& out, const RunStatus& status) {
  const JsonObject object = JsonObject()
                                .add("attempt", status.attempt)
                                .add("ending", std::string(ending_name(status.ending)))
                                .add("reason", status.reason)
                                .add("code", status.code)
                                .add("step", status.step)
                                .add("stage", status.stage)
                                .add("ranks", status.ranks)
                                .add("useful_sec", status.useful_sec)
                                .add("spent_sec", status.spent_sec);
  write_file_durably(status_path(out), object.text() + '\n');
}

std::optional<RunStatus> read_status(const std::string& out) {
  const std::string path = status_path(out);
  if (!file_exists(path)) return std::nullopt;
  try {
    const ConfigNode node = parse_json(read_file(path), path);
    RunStatus status;
    status.attempt = std::stoll(member(node, "attempt"));
    status.ending = ending_of(member(node, "ending"));
    status.reason = member(node, "reason");
    status.code = std::stoll(member(node, "code"));
    status.step = std::stoll(member(node, "step"));
    status.stage = std::stoll(member(node, "stage"));
    status.ranks = std::stoll(member(node, "ranks"));
    status.useful_sec = std::stod(member(node, "useful_sec"));
    status.spent_sec = std::stod(member(node, "spent_sec"));
    return status;
  } catch (const std::exception&) {
    return std::nullopt;  // of no use; the next start writes a new one
  }
}

RunStatus next_status(const std::string& out, std::int64_t attempt, double spent_sec) {
  const std::optional<RunStatus> last = read_status(out);
  RunStatus status;
  status.attempt = attempt > 0 ? attempt : last ? last->attempt + 1 : 1;
  status.spent_sec = spent_sec >= 0 ? spent_sec : last ? last->spent_sec : 0;
  return status;
}

std::string goodput_text(double useful_sec, double spent_sec) {
  const double share = spent_sec > 0 ? useful_sec / spent_sec : 0;
  return text("useful share of time ", std::round(share * 1000) / 10,
              " %: ", duration_text(useful_sec), " of ", duration_text(spent_sec),
              " went into steps that count");
}

}  // namespace ortho
