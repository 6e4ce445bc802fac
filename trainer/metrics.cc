#include "trainer/metrics.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <string_view>

#include "core/error.h"
#include "core/file.h"

namespace ortho {
namespace {

template <class... Numbers>
std::string format(const char* pattern, Numbers... numbers) {
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), pattern, numbers...);
  return buffer.data();
}

JsonObject terms_object(const std::vector<std::pair<std::string, double>>& terms) {
  JsonObject object;
  for (const auto& [name, value] : terms) object.add(name, value);
  return object;
}

JsonObject sent_object(const Sent& traffic) {
  return JsonObject()
      .add("bytes", traffic.bytes)
      .add("messages", traffic.messages)
      .add("seconds", traffic.seconds);
}

JsonObject level_object(const Traffic& traffic) {
  return JsonObject().add("bytes", traffic.bytes).add("messages", traffic.messages);
}

void add_traffic(JsonObject& line, const StepTraffic& traffic) {
  JsonObject exchange;
  for (const AxisSent& axis : traffic.exchange)
    exchange.add(axis.axis, JsonObject()
                                .add("forward", sent_object(axis.forward))
                                .add("backward", sent_object(axis.backward)));
  if (!traffic.exchange.empty())
    line.add("exchange", exchange)
        .add("levels", JsonObject()
                           .add("node", level_object(traffic.levels.node))
                           .add("network", level_object(traffic.levels.network)));
  if (traffic.gradients.messages > 0) line.add("gradients", sent_object(traffic.gradients));
}

// Whether a line was written before the checkpoint of `step`.
bool lies_before(std::int64_t step, const ConfigNode& node, std::int64_t at) {
  const ConfigNode* event = node.find("event");
  const bool repeated =  // behind a checkpoint of the same step
      event != nullptr && (event->value == "growth" || event->value == "bad_step");
  return at < step || (at == step && !repeated);
}

// The `step` of a line.
std::int64_t step_of(const ConfigNode& node, const std::string& path, int number) {
  const ConfigNode* step = node.find("step");
  std::int64_t value = -1;
  if (step != nullptr && !step->quoted) {
    const char* end = step->value.data() + step->value.size();
    if (std::from_chars(step->value.data(), end, value).ptr != end) value = -1;
  }
  if (value < 0)
    fail(ErrorKind::data, text(path, ':', number, ": a line of metrics without a step"));
  return value;
}

}  // namespace

JsonObject json_line(const StepMetrics& m) {
  JsonObject line;
  line.add("event", "step")
      .add("step", m.step)
      .add("stage", m.stage)
      .add("objective", m.objective)
      .add("loss", m.loss)
      .add("terms", terms_object(m.terms))
      .add("lr", m.rate)
      .add("grad_norm", m.grad_norm)
      .add("tokens", m.tokens)
      .add("tokens_per_sec", m.tokens_per_sec)
      .add("seconds", m.seconds)
      .add("flops", m.flops);
  add_traffic(line, m.traffic);
  return line;
}

JsonObject json_line(const EvaluationMetrics& m) {
  return JsonObject()
      .add("event", "evaluate")
      .add("step", m.step)
      .add("stage", m.stage)
      .add("objective", m.objective)
      .add("split", m.split)
      .add("loss", m.loss)
      .add("terms", terms_object(m.terms))
      .add("windows", m.windows)
      .add("seconds", m.seconds);
}

void MetricsFile::write(const JsonObject& line) { append_line(path_, line.text()); }

void MetricsFile::rewind(std::int64_t step) {
  if (!file_exists(path_)) return;
  std::string kept;
  const std::string content =
      for_each_line([&](std::string_view line, const ConfigNode& node, std::int64_t at) {
        if (lies_before(step, node, at)) kept += line;
      });
  if (kept != content) write_file_durably(path_, kept);
}

void MetricsFile::check() const {
  for_each_line([](std::string_view, const ConfigNode&, std::int64_t) {});
}

// With each line its `step`; returns the whole content.
std::string MetricsFile::for_each_line(
    const std::function<void(std::string_view, const ConfigNode&, std::int64_t)>& see) const {
  std::string content = read_file(path_);
  int number = 1;
  for (size_t begin = 0; begin < content.size(); ++number) {
    const size_t end = content.find('\n', begin);
    if (end == std::string::npos) break;  // cut short
    const std::string_view line = std::string_view(content).substr(begin, end + 1 - begin);
    const ConfigNode node = parse_json(line, path_, number);
    see(line, node, step_of(node, path_, number));
    begin = end + 1;
  }
  return content;
}

std::string duration_text(double seconds) {
  if (!std::isfinite(seconds) || seconds > 1e9) return "?";
  const auto total = static_cast<long>(std::lround(seconds));
  if (total < 60) return format("%lds", total);
  if (total < 3600) return format("%ldm%02lds", total / 60, total % 60);
  return format("%ldh%02ldm", total / 3600, total / 60 % 60);
}

std::string sec_text(double seconds) {
  return seconds < 1 ? format("%.3g ms", seconds * 1e3) : format("%.3g s", seconds);
}

std::string rate_text(double per_sec) {
  if (per_sec < 999.5) return format("%.0f", per_sec);
  if (per_sec < 999.95e3) return format("%.1fk", per_sec / 1e3);
  return format("%.2fM", per_sec / 1e6);
}

std::string progress_line(const Progress& p) {
  const double left = (p.flops_total - p.flops_done) * p.seconds_since_start / p.flops_since_start;
  return text(p.stage, ' ', p.stage_number, '/', p.stages, " | step ", p.step, '/', p.steps, " | ",
              format("%.0f", 100 * p.flops_done / p.flops_total), " % | loss ",
              format("%.3f", p.loss), " | lr ", format("%.1e", p.rate), " | ",
              rate_text(p.tokens_per_sec), " tokens/s | ", duration_text(left), " left");
}

}  // namespace ortho
