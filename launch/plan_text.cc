// The plan as text: a block a stage, then the run. See launch/plan.h.
#include <array>
#include <cmath>
#include <cstdio>

#include "core/error.h"
#include "launch/plan.h"
#include "model/line_map.h"
#include "trainer/metrics.h"
#include "trainer/run_meshes.h"

namespace ortho {
namespace {

std::string format(const char* pattern, double value) {
  std::array<char, 64> out{};
  std::snprintf(out.data(), out.size(), pattern, value);
  return out.data();
}

std::string counted(std::int64_t number, const char* noun) {
  return text(grouped(number), ' ', noun, number == 1 ? "" : "s");
}

// "  weights           878,464"
std::string row(const std::string& name, const std::string& value) {
  constexpr size_t kColumn = 15;
  return "  " + name + std::string(kColumn - std::min(name.size(), kColumn - 1), ' ') + value +
         '\n';
}

std::string byte_row(const std::string& name, std::int64_t bytes, const std::string& note = "") {
  constexpr size_t kColumn = 12, kDigits = 18;
  const std::string digits = grouped(bytes);
  return "    " + name + std::string(kColumn - std::min(name.size(), kColumn), ' ') +
         std::string(kDigits - std::min(digits.size(), kDigits), ' ') + digits +
         (note.empty() ? "" : "  " + note) + '\n';
}

// Tokens are characters where there is nothing but text.
const char* token_noun(const RunPlan& plan) {
  for (const Stage& stage : plan.stages)
    if (stage.config.model.modalities != std::vector{Modality::text}) return "token";
  return "character";
}

// "joint", or kinds and axes where they differ: "attention axis.1, joint axis.0".
std::string map_text(const ModelSpec& spec) {
  if (!has_line_maps(spec)) return "dense";
  std::string all;
  for (const LineMap& map : line_maps(spec)) {
    const char* kind = map.kind == MapKind::attention ? "attention" : "joint";
    if (spec.maps.empty() && spec.sets.empty()) return kind;
    all += text(all.empty() ? "" : ", ", kind, ' ', line_map_name(spec, map));
  }
  return all;
}

std::string model_rows(const Stage& stage, const StageCost& cost) {
  const ModelSpec& spec = stage.config.model;
  std::string out;
  out += row("window", text(shape_text(spec.tokens), " = ", counted(cost.context, "token"), "; ",
                            counted(stage.windows, "window"), " a step, ",
                            grouped(cost.rank.windows), " a rank"));
  out += row("model", text(map_text(spec), " map, ", counted(spec.blocks, "block"), ", C ",
                           spec.channels, ", E ", spec.hidden, ", ", spec.refeeds,
                           spec.refeeds == 1 ? " pass" : " passes"));
  out += row("weights", grouped(cost.weights));
  out += row("multiply-adds",
             text(grouped(std::llround(cost.macs.nominal)), " nominal, ",
                  grouped(std::llround(cost.macs.executed)), " executed (forward, a token)"));
  return out;
}

std::string growth_rows(const StageCost& cost) {
  if (!cost.growth) return "";
  std::string out;
  for (const std::string& line : cost.growth->lines) out += row("grows", line);
  out += row("promise", promise_text(cost.growth->promise));
  if (!cost.growth->promise.reason.empty()) out += row("", cost.growth->promise.reason);
  return out;
}

std::string memory_rows(const StageCost& cost, std::int64_t cache_bytes) {
  const RankBytes& bytes = cost.rank.bytes;
  std::string out = row("bytes a rank", "");
  out += byte_row("weights", bytes.weights);
  out += byte_row("gradients", bytes.gradients);
  out += byte_row("moments", bytes.moments);
  out += byte_row("activations", bytes.activations);
  out += byte_row("batches", bytes.batches);
  if (bytes.sums > 0) out += byte_row("sums", bytes.sums, "while gradients are added up");
  if (bytes.copy > 0) out += byte_row("copy", bytes.copy, "that checkpoints are written from");
  out += byte_row("total", bytes.total());
  out += byte_row("data cache", cache_bytes, "at most, beside the total");
  if (cost.growing_bytes > 0)
    out += byte_row("growing", cost.growing_bytes,
                    "about, before the stage; nothing of the above but weights");
  return out;
}

std::string sent_text(std::int64_t messages, std::int64_t bytes) {
  return text(counted(messages, "message"), ", ", counted(bytes, "byte"));
}

std::string mesh_rows(const MeshChoice& choice, int ranks) {
  constexpr size_t kShown = 3;
  const std::string chosen = cuts_text(choice.best().cuts);
  if (ranks == 1) return row("mesh", chosen);
  if (choice.named) return row("mesh", chosen + ", as the run file says");
  std::string out =
      row("mesh", text(chosen, ", estimated ", sec_text(choice.best().cost.sec()), " a step, ",
                       choice.meshes.size() == 1 ? std::string("the only one that works")
                                                 : text("the least of ", choice.meshes.size())));
  for (size_t i = 1; i < std::min(kShown, choice.meshes.size()); ++i) {
    const RankedMesh& mesh = choice.meshes[i];
    out += row(i == 1 ? "runners-up" : "",
               text(cuts_text(mesh.cuts), ", ", sec_text(mesh.cost.sec()), ", ",
                    counted(mesh.cost.bytes.total(), "byte"), " a rank: ", mesh.reason));
  }
  if (!choice.refused.empty())
    out += row("", text(counted(static_cast<std::int64_t>(choice.refused.size()), "other"),
                        " refused, such as ", cuts_text(choice.refused.front().cuts), ": ",
                        choice.refused.front().reason));
  if (choice.left_out > 0) out += row("", text(choice.left_out, " more were not looked at"));
  return out;
}

std::string message_rows(const StageCost& cost, int ranks) {
  if (ranks == 1) return row("messages", "none, there is one rank");
  const Sent& gradients = cost.rank.gradients;
  std::string out = row(
      "a step sends", sent_text(gradients.messages, gradients.bytes) + " a rank for the gradients");
  out += row("", sent_text(cost.small_sums.messages, cost.small_sums.bytes) +
                     " a rank for counts and losses");
  for (const AxisSent& axis : cost.rank.exchange)
    out += row("", text(sent_text(axis.forward.messages, axis.forward.bytes), " forward and ",
                        sent_text(axis.backward.messages, axis.backward.bytes),
                        " backward by rank 0 for ", axis.axis));
  return out;
}

std::string time_rows(const Stage& stage, const StageCost& cost, const Rate& rate, int ranks,
                      const Machine& machine) {
  const double sec = step_sec(cost, ranks, rate, machine);
  std::string out;
  out += row("FLOPs", text(format("%.4g", cost.flops_per_step), " a step, ",
                           format("%.4g", cost.flops), " in all"));
  out += row("rate", text(format("%.1f", rate.flops_per_sec / 1e9), " GFLOP/s a rank",
                          rate.update_sec > 0 ? text(", and ", sec_text(rate.update_sec),
                                                     " a step for the optimizer")
                                              : ""));
  out += row(
      "time",
      text("about ", sec_text(sec), " a step, ",
           ranks == 1 ? "" : text(sec_text(message_sec(cost, ranks, machine)), " of it messages, "),
           duration_text(sec * static_cast<double>(stage.steps)), " in all"));
  return out;
}

std::string save_row(const StageCost& cost, const PlanFacts& facts, const Machine& machine) {
  const std::int64_t bytes = checkpoint_bytes(cost, facts.optimizer);
  return row("a checkpoint",
             text(counted(bytes, "byte"),
                  machine.disk > 0
                      ? text(", written in ", sec_text(static_cast<double>(bytes) / machine.disk))
                      : ""));
}

// ", 4 nodes, 12.3 node-hours, 37 to pay"
std::string nodes_text(const Machine& machine, int ranks, double seconds) {
  if (machine.ranks_per_node == 0 && machine.price == 0) return "";
  const std::int64_t nodes = node_count(machine, ranks);
  const double hours = static_cast<double>(nodes) * seconds / 3600;
  std::string out =
      text(" on ", counted(nodes, "node"), ", ", format("%.3g", hours), " node-hours");
  if (machine.price > 0) out += text(", ", format("%.4g", hours * machine.price), " to pay");
  return out;
}

std::string data_row(const Stage& stage, std::int64_t samples, std::int64_t skipped) {
  const double epochs = static_cast<double>(stage.steps) * static_cast<double>(stage.windows) /
                        static_cast<double>(samples);
  std::string line = text(counted(samples, "window"), ", read ", format("%.3g", epochs), " times");
  if (skipped > 0) line += text("; ", counted(skipped, "record"), " do not fit and are left out");
  return row("data", line);
}

std::string assumption_rows(const PlanFacts& facts) {
  return row("symbols", text(grouped(facts.data.symbols), ", ", facts.data.symbols_from)) +
         row("rate", facts.rate.from) +
         row("not counted",
             "time of evaluation and checkpoints; memory of libraries and of the "
             "data's directory; a plateau may end a stage sooner");
}

}  // namespace

std::string grouped(std::int64_t number) {
  std::string digits = std::to_string(number);
  const std::ptrdiff_t first = number < 0 ? 1 : 0;
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > first; at -= 3)
    digits.insert(static_cast<size_t>(at), 1, ',');
  return digits;
}

std::string plan_text(const PlanFacts& facts, const RunCost& cost) {
  const char* noun = token_noun(cost.plan);
  std::string out =
      text(facts.config, " on ", counted(facts.ranks, "rank"), '\n') + assumption_rows(facts);
  double total_sec = 0;
  for (size_t i = 0; i < cost.stages.size(); ++i) {
    const Stage& stage = cost.plan.stages[i];
    const StageCost& now = cost.stages[i];
    out += text("\nstage ", i + 1, " of ", cost.stages.size(), ", ", stage.config.name, '\n');
    out += growth_rows(now) + model_rows(stage, now);
    if (facts.data.packed) out += data_row(stage, facts.data.samples[i], facts.data.skipped[i]);
    out += row("steps", text(grouped(stage.steps), ", ", counted(now.tokens, noun)));
    const int ranks = ranks_of_stage(stage.config, facts.ranks);
    out += mesh_rows(cost.meshes[i], ranks);
    out += memory_rows(now, facts.data.cache_bytes[i]);
    const Rate& rate = facts.rate.rates[i];
    out += message_rows(now, ranks) + time_rows(stage, now, rate, ranks, cost.machine);
    out += save_row(now, facts, cost.machine);
    total_sec += step_sec(now, ranks, rate, cost.machine) * static_cast<double>(stage.steps);
  }
  return out + text("\nrun: ", counted(static_cast<std::int64_t>(cost.stages.size()), "stage"),
                    ", ", counted(cost.plan.steps, "step"), ", ", counted(cost.tokens, noun), ", ",
                    format("%.4g", cost.plan.flops), " FLOPs, about ", duration_text(total_sec),
                    nodes_text(cost.machine, facts.ranks, total_sec), '\n');
}

}  // namespace ortho
