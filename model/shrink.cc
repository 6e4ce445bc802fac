#include "model/shrink.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <set>

#include "core/error.h"
#include "model/grow_rules.h"
#include "model/line_map.h"

namespace ortho {
namespace {

using Indices = std::vector<std::int64_t>;

Indices first(std::int64_t count) {
  Indices list(static_cast<size_t>(count));
  std::iota(list.begin(), list.end(), 0);
  return list;
}

// The hidden units of a block are its channels: nothing leads in or out between.
bool units_are_channels(const ModelSpec& spec) {
  return !spec.out || (!has_line_maps(spec) && !spec.in && !makes_units(spec));
}

enum class Counts { units, channels, other };

// What a dimension of a weight counts, of the two that can be narrowed.
Counts counts_of(const ModelSpec& spec, const Dim& dim) {
  const Counts units = units_are_channels(spec) ? Counts::channels : Counts::units;
  switch (dim.kind) {
    case DimKind::hidden:
      return units;
    case DimKind::channel:
      return Counts::channels;
    case DimKind::width:
      return spec.width == 0 ? Counts::channels : Counts::other;
    case DimKind::axis_in:
    case DimKind::axis_out:
    case DimKind::line: {
      if (dim.axis >= 0) return Counts::other;
      const bool made = dim.kind == DimKind::axis_out && makes_units(spec);
      return spec.in || made ? units : Counts::channels;
    }
    default:
      return Counts::other;
  }
}

// "block.0.axis.1" of "block.0.axis.1.w1", "block.0" of "block.0.axis.1.w" in a dense block,
// "block.0.branch.1" of "block.0.branch.1.in".
std::string sublayer_of(const ModelSpec& spec, const std::string& weight) {
  if (has_line_maps(spec)) return weight.substr(0, weight.rfind('.'));
  const std::string branch = ".branch.";
  const size_t at = weight.find(branch);
  const size_t number = at == std::string::npos ? std::string("block.").size() : at + branch.size();
  return weight.substr(0, weight.find('.', number));
}

// ---- scores ----

// Sum of squares of a weight for each index of its dimension d, read a row of dimension 0 at a
// time. With `u_only` of a gate's halves the first counts alone: u * act(v) is 0 where u is.
std::vector<double> squares_along(const ParamSpec& param, size_t d, const BoxSource<float>& weights,
                                  bool u_only = false) {
  const Shape shape = param.shape();
  std::vector<double> sums(static_cast<size_t>(shape[d]), 0.0);
  Box row = whole(shape);
  const std::int64_t count = elements(shape) / shape[0], step = strides(shape)[d];
  const auto values = std::make_unique_for_overwrite<float[]>(static_cast<size_t>(count));
  const bool gated = u_only && d > 0 && param.dims[d - 1].kind == DimKind::half;
  for (std::int64_t r = 0; r < shape[0]; ++r) {
    row.lo[0] = r;
    row.hi[0] = r + 1;
    weights(param.name, row, values.get());
    for (std::int64_t i = 0; i < count; ++i) {
      const auto value = static_cast<double>(values[static_cast<size_t>(i)]);
      const std::int64_t half = d == 1 ? r : i / (step * shape[d]) % 2;
      if (gated && half != 0) continue;
      const std::int64_t at = d == 0 ? r : i / step % shape[d];
      sums[static_cast<size_t>(at)] += value * value;
    }
  }
  return sums;
}

void add(const std::vector<double>& more, double scale, std::vector<double>& sums) {
  sums.resize(more.size(), 0.0);
  for (size_t i = 0; i < more.size(); ++i) sums[i] += scale * more[i];
}

// The last dimension that counts `what`; -1: none.
int last_dim(const ModelSpec& spec, const ParamSpec& param, Counts what) {
  for (size_t d = param.dims.size(); d-- > 0;)
    if (counts_of(spec, param.dims[d]) == what) return static_cast<int>(d);
  return -1;
}

// The best of [lo, hi) by score, ascending; of equal ones the first.
Indices best(const std::vector<double>& scores, std::int64_t lo, std::int64_t hi,
             std::int64_t count) {
  Indices list(static_cast<size_t>(hi - lo));
  std::iota(list.begin(), list.end(), lo);
  std::stable_sort(list.begin(), list.end(), [&](std::int64_t a, std::int64_t b) {
    return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)];
  });
  list.resize(static_cast<size_t>(count));
  std::sort(list.begin(), list.end());
  return list;
}

// Units stay of the kind they are; partners of sort2 stay together.
Indices best_units(const ModelSpec& from, const ModelSpec& common, std::vector<double> scores) {
  if (from.activation == Activation::sort2)
    for (std::int64_t i = 0, half = from.hidden / 2; i < half; ++i)
      scores[static_cast<size_t>(i)] = scores[static_cast<size_t>(half + i)] =
          scores[static_cast<size_t>(i)] + scores[static_cast<size_t>(half + i)];
  const std::vector<std::int64_t> kinds = unit_kinds(from), left = unit_kinds(common);
  Indices list;
  for (size_t kind = 0; kind + 1 < kinds.size(); ++kind)
    for (const std::int64_t unit :
         best(scores, kinds[kind], kinds[kind + 1], left[kind + 1] - left[kind]))
      list.push_back(unit);
  return list;
}

void choose_units(const ModelSpec& from, const ModelSpec& common, const BoxSource<float>& weights,
                  Kept& kept) {
  if (common.hidden == from.hidden || units_are_channels(from)) return;
  std::map<std::string, std::vector<double>> in, out;
  for (const ParamSpec& param : param_specs(from)) {
    const int d = last_dim(from, param, Counts::units);
    if (d < 0 || param.role == Role::bias || !param.name.starts_with("block.")) continue;
    auto& side = param.role == Role::out ? out : in;
    add(squares_along(param, static_cast<size_t>(d), weights), 1,
        side[sublayer_of(from, param.name)]);
  }
  for (auto& [sublayer, scores] : in) {
    const auto ways_out = out.find(sublayer);
    for (size_t i = 0; i < scores.size() && ways_out != out.end(); ++i)
      scores[i] *= ways_out->second[i];
    kept.units[sublayer] = best_units(from, common, scores);
  }
}

// What is written into each channel: a token brings a row of each table, and all units of a way out.
void choose_channels(const ModelSpec& from, const ModelSpec& common,
                     const BoxSource<float>& weights, Kept& kept) {
  if (common.channels == from.channels) return;
  std::vector<double> written(static_cast<size_t>(from.channels), 0.0);
  for (const ParamSpec& param : param_specs(from)) {
    const int last = static_cast<int>(param.dims.size()) - 1;
    const bool map_writes = param.role == Role::map && (!from.out || param.name == "pre");
    const bool writes = param.role == Role::table || param.role == Role::out || map_writes;
    if (!writes || counts_of(from, param.dims.back()) != Counts::channels) continue;
    const double rows = param.role == Role::table ? static_cast<double>(param.dims[0].size) : 1;
    add(squares_along(param, static_cast<size_t>(last), weights, true), 1 / rows, written);
  }
  kept.channels = best(written, 0, from.channels, common.channels);
  double stays = 0;
  for (const std::int64_t channel : kept.channels) stays += written[static_cast<size_t>(channel)];
  const double all = std::accumulate(written.begin(), written.end(), 0.0);
  kept.share = stays > 0 ? stays / all : 1;
}

// ---- checks and lines ----

std::string change_text(const char* field, std::int64_t from, std::int64_t to) {
  return text("model.", field, ' ', from, " -> ", to);
}

void check_shorter_axes(const ModelSpec& from, const ModelSpec& to, const ModelSpec& common) {
  if (!carries(from.wiring)) return;
  bool outside = false;
  for (int axis = static_cast<int>(common.tokens.size()) - 1; axis >= 0; --axis) {
    REQUIRE(!outside || axis_size(common, axis) == axis_size(from, axis), "model.tokens ",
            shape_text(from.tokens), " -> ", shape_text(to.tokens), ": shortening token axis ",
            axis, " from the inside from ", axis_size(from, axis), " to ", axis_size(common, axis),
            " changes the strides of the axes outside it, and with them which tokens their causal "
            "taps reach. Shorten or remove the outermost axis, and put new axes outside (to the "
            "left).");
    outside = outside || axis_size(common, axis) > 1;
  }
}

void check_narrower(const ModelSpec& from, const ModelSpec& to) {
  if (!units_are_channels(from) || to.channels >= from.channels) return;
  const std::string change = change_text("channels", from.channels, to.channels);
  REQUIRE(from.active == 1.0 && from.activation != Activation::sort2, change, " with active ",
          from.active,
          " or sort2: channels are the hidden units here, and those the activation works on would "
          "change. Keep ",
          from.channels, ", or use in: true and out: true from the start.");
  REQUIRE(!from.gate || has_line_maps(from) || from.in, change,
          " with in: false and a gate: channels are both halves of the gate, and the border "
          "between them would move. Keep ",
          from.channels, ", or use in: true from the start.");
}

// Heads, and what each of them attends by, stay as they are.
void check_fewer_units(const ModelSpec& from, const ModelSpec& to) {
  const bool units = to.hidden<from.hidden, in_heads = from.heads> 1;
  REQUIRE(!units || (!in_heads && !has_attention(from)),
          change_text("hidden", from.hidden, to.hidden), " with ", from.heads,
          in_heads ? " heads" : " head of attention",
          ": units of a head belong together, and a narrower one would look elsewhere. Keep ",
          from.hidden, ".");
  REQUIRE(to.channels >= from.channels || !in_heads || !units_are_channels(from),
          change_text("channels", from.channels, to.channels), " with ", from.heads,
          " heads, which share the channels: their borders would move. Keep ", from.channels,
          ", or use in: true and out: true from the start.");
}

// Axes that share a weight, in a set or tied, stay together and keep the sizes it is named by.
void check_shared_axes(const ModelSpec& from, const ModelSpec& to, const ModelSpec& common) {
  std::set<std::string> names;
  for (const ParamSpec& param : param_specs(from)) names.insert(param.name);
  for (const ParamSpec& param : param_specs(common))
    REQUIRE(names.contains(param.name), "model.tokens ", shape_text(from.tokens), " -> ",
            shape_text(to.tokens), ": ", param.name,
            " would be left, but the old model has no such weight: its axes share one. Keep them "
            "together, with the sizes that they have.");
}

void add_line(std::vector<std::string>& lines, const char* what, std::int64_t from, std::int64_t to,
              const char* rule) {
  if (to < from) lines.push_back(text(what, ' ', from, " -> ", to, ": ", rule));
}

Places smaller(const Places& a, const Places& b) {
  return {std::min(a.text, b.text), std::min(a.row, b.row), std::min(a.column, b.column),
          std::min(a.frame, b.frame), std::min(a.audio, b.audio)};
}

}  // namespace

ModelSpec common_part(const ModelSpec& from, const ModelSpec& to) {
  ModelSpec common = from;
  const size_t axes = std::min(from.tokens.size(), to.tokens.size());
  common.tokens.assign(from.tokens.end() - static_cast<std::ptrdiff_t>(axes), from.tokens.end());
  for (size_t i = 0; i < axes; ++i)
    common.tokens[i] = std::min(common.tokens[i], to.tokens[to.tokens.size() - axes + i]);
  if (from.combine == Combine::single && from.single_axis >= 0)  // counted from the outside
    common.single_axis -= static_cast<std::int64_t>(from.tokens.size() - axes);
  common.channels = std::min(from.channels, to.channels);
  common.hidden = std::min(from.hidden, to.hidden);
  common.blocks = std::min(from.blocks, to.blocks);
  common.places = smaller(from.places, to.places);
  common.items = std::min(from.items, to.items);
  common.identity = std::min(from.identity, to.identity);
  const auto inner = [&](auto& columns) {  // one for each token axis
    if (columns.size() > axes)
      columns.erase(columns.begin(), columns.end() - static_cast<std::ptrdiff_t>(axes));
  };
  inner(common.maps);
  inner(common.sets);
  std::erase_if(common.modalities, [&](Modality kind) { return !has_modality(to, kind); });
  if (!has_modality(common, Modality::text)) common.words = 0;
  return common;
}

void check_shrink(const ModelSpec& from, const ModelSpec& to, const ModelSpec& common) {
  REQUIRE(!common.modalities.empty(),
          "model.modalities: the new stage has none of the old one's. Keep at least one, or start "
          "a new run.");
  REQUIRE(from.combine != Combine::single || common.single_axis >= 0 || from.single_axis < 0,
          "model.single_axis ", from.single_axis, ": its axis is removed by tokens ",
          shape_text(from.tokens), " -> ", shape_text(to.tokens), ". Keep it, or start a new run.");
  check_shorter_axes(from, to, common);
  check_narrower(from, to);
  check_fewer_units(from, to);
  check_shared_axes(from, to, common);
}

Kept choose_kept(const ModelSpec& from, const ModelSpec& to, const BoxSource<float>& weights) {
  Kept kept;
  const ModelSpec common = common_part(from, to);
  choose_units(from, common, weights, kept);
  choose_channels(from, common, weights, kept);
  return kept;
}

Cutout cut_out(const ModelSpec& from, const ModelSpec& common, const Kept& kept,
               const ParamSpec& source, const ParamSpec& part) {
  Cutout cutout{source.shape(), {}, {}};
  size_t next = 0;
  for (const Dim& dim : source.dims) {
    const bool stays = next < part.dims.size() && part.dims[next].kind == dim.kind &&
                       part.dims[next].axis == dim.axis;
    ASSERT(stays || dim.kind == DimKind::line, source.name, " lost more than coordinates");
    const std::int64_t size = stays ? part.dims[next].size : 1;
    cutout.dim.push_back(stays ? static_cast<int>(next++) : -1);
    Indices list = first(size);
    const auto units = kept.units.find(
        source.name.starts_with("block.") ? sublayer_of(from, source.name) : std::string());
    const Counts counts = counts_of(from, dim);
    if (size < dim.size && counts == Counts::channels && !kept.channels.empty())
      list = kept.channels;
    if (size < dim.size && counts == Counts::units)
      list = units == kept.units.end()
                 ? best_units(from, common, std::vector<double>(static_cast<size_t>(dim.size), 0.0))
                 : units->second;
    ASSERT(static_cast<std::int64_t>(list.size()) == size, source.name, " keeps ", list.size(),
           " of ", dim.size, " instead of ", size);
    cutout.kept.push_back(std::move(list));
  }
  ASSERT(next == part.dims.size(), source.name, " lacks a dimension of its part");
  if (part.dims.size() == source.dims.size() && part.shape() == source.shape()) return {};
  return cutout;
}

double kept_gain(const ModelSpec& from, const ModelSpec& common, const Kept& kept) {
  if (from.norm != Norm::rms || kept.channels.empty()) return 1;
  return std::sqrt(kept.share * static_cast<double>(from.channels) /
                   static_cast<double>(common.channels));
}

std::vector<std::string> shrink_lines(const ModelSpec& from, const ModelSpec& common) {
  std::vector<std::string> lines;
  const auto stays = static_cast<int>(common.tokens.size());
  for (int axis = 0; axis < static_cast<int>(from.tokens.size()); ++axis) {
    const std::int64_t size = axis_size(from, axis);
    if (axis >= stays)
      lines.push_back(text("token axis ", axis, " (size ", size,
                           ") removed: of separate weights those at its coordinate 0 stay"));
    else if (axis_size(common, axis) < size)
      lines.push_back(text("token axis ", axis, " shortened ", size, " -> ",
                           axis_size(common, axis), ": its first taps or coordinates stay"));
  }
  add_line(lines, "blocks", from.blocks, common.blocks, "the last ones are removed");
  add_line(lines, "channels", from.channels, common.channels, "those written most stay");
  add_line(lines, "hidden", from.hidden, common.hidden,
           "the units with the largest norms in x out stay");
  for (const Modality kind : from.modalities)
    if (!has_modality(common, kind))
      lines.push_back(text("modality ", modality_name(kind), " removed: its tables and heads go"));
  constexpr const char* kRows = "the first rows stay";
  add_line(lines, "text places", from.places.text, common.places.text, kRows);
  add_line(lines, "rows", from.places.row, common.places.row, kRows);
  add_line(lines, "columns", from.places.column, common.places.column, kRows);
  add_line(lines, "frames", from.places.frame, common.places.frame, kRows);
  add_line(lines, "audio places", from.places.audio, common.places.audio, kRows);
  add_line(lines, "items", from.items, common.items, kRows);
  add_line(lines, "identity tokens", from.identity, common.identity, kRows);
  return lines;
}

}  // namespace ortho
