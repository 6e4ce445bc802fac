#include "trainer/traffic.h"

#include <algorithm>

#include "core/error.h"

namespace ortho {
namespace {

AxisSent& entry(std::vector<AxisSent>& all, const std::string& axis) {
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const AxisSent& other) { return other.axis == axis; });
  if (found != all.end()) return *found;
  return all.emplace_back(AxisSent{axis, {}, {}});
}

void add(Sent& sum, const Sent& more) {
  sum.bytes += more.bytes;
  sum.messages += more.messages;
  sum.seconds += more.seconds;
}

void add(LevelTraffic& sum, const LevelTraffic& more) {
  for (Traffic LevelTraffic::*level : {&LevelTraffic::node, &LevelTraffic::network}) {
    (sum.*level).messages += (more.*level).messages;
    (sum.*level).bytes += (more.*level).bytes;
  }
}

Traffic difference(const Traffic& later, const Traffic& earlier) {
  return {later.messages - earlier.messages, later.bytes - earlier.bytes};
}

Sent planned(const Move<float>& move, Way way) {
  const Plan& plan = move.plan();
  return {move.runs() * plan.sent_bytes(way), move.runs() * plan.sent_messages(way), 0};
}

Sent counted(const ExchangeCount& count) {
  return {count.bytes, count.messages, count.packing_sec + count.waiting_sec + count.unpacking_sec};
}

Sent difference(const Sent& later, const Sent& earlier) {
  return {later.bytes - earlier.bytes, later.messages - earlier.messages,
          later.seconds - earlier.seconds};
}

// The seconds of a step, each at its place.
std::vector<double*> all_seconds(StepTraffic& traffic) {
  std::vector<double*> all = {&traffic.gradients.seconds};
  for (AxisSent& axis : traffic.exchange) {
    all.push_back(&axis.forward.seconds);
    all.push_back(&axis.backward.seconds);
  }
  return all;
}

}  // namespace

std::vector<AxisSent> planned_exchange(const Moves<float>& moves) {
  std::vector<AxisSent> all;
  for (const auto& move : moves.all()) {
    AxisSent& axis = entry(all, move->label());
    add(axis.forward, planned(*move, Way::forward));
    add(axis.backward, planned(*move, Way::backward));
  }
  return all;
}

SentByLevel planned_levels(const Moves<float>& moves, std::span<const int> nodes) {
  SentByLevel levels;
  for (const auto& move : moves.all()) {
    const Plan& plan = move->plan();
    for (const Way way : {Way::forward, Way::backward}) {
      for (const Message& message : plan.from(way).messages) {
        if (message.rank == plan.rank) continue;
        const bool near = nodes.empty() || nodes[static_cast<size_t>(message.rank)] ==
                                               nodes[static_cast<size_t>(plan.rank)];
        Sent& sent = near ? levels.node : levels.network;
        sent.messages += move->runs() * (message.elements / message.piece);
        sent.bytes += move->runs() * message.elements * plan.element_bytes;
      }
    }
  }
  return levels;
}

std::vector<AxisSent> counted_exchange(const Moves<float>& moves) {
  std::vector<AxisSent> all;
  for (const auto& move : moves.all()) {
    AxisSent& axis = entry(all, move->label());
    add(axis.forward, counted(move->count(Way::forward)));
    add(axis.backward, counted(move->count(Way::backward)));
  }
  return all;
}

LevelTraffic counted_levels(const Moves<float>& moves) {
  LevelTraffic sum;
  for (const auto& move : moves.all())
    for (const Way way : {Way::forward, Way::backward}) add(sum, move->count(way).levels);
  return sum;
}

StepTraffic difference(const StepTraffic& later, const StepTraffic& earlier) {
  const std::vector<AxisSent>&now = later.exchange, &before = earlier.exchange;
  ASSERT(now.size() == before.size(), now.size(), " axes counted, then ", before.size());
  StepTraffic all;
  for (size_t i = 0; i < now.size(); ++i)
    all.exchange.push_back({now[i].axis, difference(now[i].forward, before[i].forward),
                            difference(now[i].backward, before[i].backward)});
  all.levels = {difference(later.levels.node, earlier.levels.node),
                difference(later.levels.network, earlier.levels.network)};
  all.gradients = difference(later.gradients, earlier.gradients);
  return all;
}

Sent total(const std::vector<AxisSent>& exchange) {
  Sent sum;
  for (const AxisSent& axis : exchange) {
    add(sum, axis.forward);
    add(sum, axis.backward);
  }
  return sum;
}

// One sum, in which each rank fills a row of its own: adding zeros changes no number.
void take_slowest(Channel& channel, StepTraffic& traffic) {
  const auto ranks = static_cast<size_t>(channel.ranks());
  if (ranks == 1) return;
  const std::vector<double*> mine = all_seconds(traffic);
  std::vector<double> rows(ranks * mine.size());
  for (size_t i = 0; i < mine.size(); ++i)
    rows[static_cast<size_t>(channel.rank()) * mine.size() + i] = *mine[i];
  channel.sum(std::span<double>(rows));
  for (size_t i = 0; i < mine.size(); ++i)
    for (size_t rank = 0; rank < ranks; ++rank)
      *mine[i] = std::max(*mine[i], rows[rank * mine.size() + i]);
}

}  // namespace ortho
