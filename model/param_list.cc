// The list of a model's weights: names, dimensions, initial values. See model/params.h.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "model/layer.h"
#include "model/line_map.h"
#include "model/params.h"
#include "model/resize.h"

namespace ortho {
namespace {

double inverse_root(std::int64_t n) { return 1.0 / std::sqrt(static_cast<double>(n)); }

Init normal(double std) { return {Initial::normal, std}; }
Init smooth(double std) { return {Initial::smooth, std}; }

constexpr double kSymbolStd = 0.2;  // docs/layer.md: the recipe's table
// Positions, items, modality: softer than the symbol they qualify.
constexpr double kPlaceStd = 0.1;
constexpr double kHeadStd = 0.02;

void add_table(std::vector<ParamSpec>& list, const std::string& name, DimKind kind,
               std::int64_t rows, std::int64_t width, Init init) {
  if (rows > 0)
    list.push_back(
        {"embed." + name, {{kind, rows}, {DimKind::width, width}}, Role::table, init, true});
}

void add_tables(std::vector<ParamSpec>& list, const ModelSpec& spec) {
  const std::int64_t width = embed_width(spec);
  if (has_modality(spec, Modality::text)) {
    add_table(list, "text.symbol", DimKind::symbol, spec.text_symbols, width, normal(kSymbolStd));
    // Zero, so that words added to a grown model change nothing yet.
    add_table(list, "text.word", DimKind::word, spec.words, width, {Initial::zero, 0});
    add_table(list, "text.place", DimKind::place, spec.places.text, width, normal(kPlaceStd));
  }
  if (has_modality(spec, Modality::pixel)) {
    for (const char* colour : {"red", "green", "blue"})
      add_table(list, std::string("pixel.") + colour, DimKind::symbol, kPixelLevels, width,
                smooth(kSymbolStd));
    add_table(list, "pixel.row", DimKind::place, spec.places.row, width, normal(kPlaceStd));
    add_table(list, "pixel.column", DimKind::place, spec.places.column, width, normal(kPlaceStd));
    add_table(list, "pixel.frame", DimKind::place, spec.places.frame, width, normal(kPlaceStd));
  }
  if (has_modality(spec, Modality::audio)) {
    add_table(list, "audio.symbol", DimKind::symbol, spec.audio_levels, width, smooth(kSymbolStd));
    add_table(list, "audio.place", DimKind::place, spec.places.audio, width, normal(kPlaceStd));
  }
  add_table(list, "item", DimKind::item, spec.items, width, normal(kPlaceStd));
  // One row more than a head can predict: the query mark of one_shot's output slots.
  if (spec.ask) add_table(list, "ask", DimKind::modality, kModalities, width, normal(kPlaceStd));
  // Drawn at any growth, like symbols: no window of the old model has such tokens.
  add_table(list, "identity", DimKind::symbol, spec.identity, width, normal(kSymbolStd));
  if (spec.modality_table)
    add_table(list, "modality", DimKind::modality, kModalities + 1, width, normal(kPlaceStd));
}

ParamSpec gain(const std::string& name, std::int64_t channels) {
  return {name, {{DimKind::channel, channels}}, Role::gain, {Initial::one, 0}, false};
}

// W2's scale keeps the residual stream's variance independent of depth (docs/layer.md).
double out_std(const ModelSpec& spec) {
  const std::int64_t depth = spec.residual ? 2 * spec.blocks * spec.branches * spec.refeeds : 1;
  return inverse_root(spec.hidden) * inverse_root(depth);
}

ParamSpec way_out(const ModelSpec& spec, const std::string& name) {
  return {name,
          {{DimKind::hidden, spec.hidden}, {DimKind::channel, spec.channels}},
          Role::out,
          normal(out_std(spec)),
          true};
}

// What a map hands to f: E units, of u and of v with a gate.
void add_f_input(const ModelSpec& spec, std::vector<Dim>& dims) {
  if (spec.gate) dims.push_back({DimKind::half, 2});
  dims.push_back({DimKind::hidden, spec.hidden});
}

// Biases of a sublayer: of what its map yields, and of what its way out does.
void add_biases(std::vector<ParamSpec>& list, const ModelSpec& spec, const std::string& prefix) {
  if (!spec.bias) return;
  std::vector<Dim> units;
  add_f_input(spec, units);
  list.push_back({prefix + ".b1", units, Role::bias, {Initial::zero, 0}, false});
  const Dim c{DimKind::channel, spec.channels};
  if (spec.out) list.push_back({prefix + ".b2", {c}, Role::bias, {Initial::zero, 0}, false});
}

// The dimensions of one kind along a line: one for each of its axes, the outermost first. There are
// taps as far as the map reaches.
void add_line(const ModelSpec& spec, const LineMap& map, DimKind kind, std::vector<Dim>& dims) {
  const Shape axes = joint_axes(spec);
  for (const int axis : map.axes) {
    const bool some = kind == DimKind::tap && map.axes.size() == 1;
    const std::int64_t size = axes[static_cast<size_t>(axis)];
    dims.push_back(
        {kind, some ? line_reach(spec, map) + 1 : size, static_cast<int>(axes.size()) - 1 - axis});
  }
}

void add_joint_map(std::vector<ParamSpec>& list, const ModelSpec& spec, const LineMap& map,
                   const std::string& name) {
  const bool by_offset = carries(spec.wiring);
  std::vector<Dim> dims;
  add_line(spec, map, by_offset ? DimKind::tap : DimKind::axis_in, dims);
  dims.push_back({DimKind::channel, spec.channels});
  if (!by_offset) add_line(spec, map, DimKind::axis_out, dims);
  add_f_input(spec, dims);
  const std::int64_t reach = line_reach(spec, map);
  const bool both_ways = spec.wiring == Wiring::grid;
  const std::int64_t heard = std::min(line_size(spec, map), both_ways ? 2 * reach + 1 : reach + 1);
  list.push_back(
      {name + ".w1", dims, Role::map, normal(inverse_root(heard * spec.channels)), true});
}

void add_attention_map(std::vector<ParamSpec>& list, const ModelSpec& spec, const LineMap& map,
                       const std::string& name) {
  const Init init = normal(inverse_root(spec.channels));
  const Dim c{DimKind::channel, spec.channels}, e{DimKind::hidden, spec.hidden};
  list.push_back({name + ".query", {c, e}, Role::score, init, true});
  list.push_back({name + ".key", {c, e}, Role::score, init, true});
  std::vector<Dim> dims = {c};
  add_f_input(spec, dims);
  list.push_back({name + ".value", dims, Role::map, init, true});
  dims = {{DimKind::head, spec.heads}};
  const bool causal = spec.wiring == Wiring::causal;
  add_line(spec, map, causal ? DimKind::tap : DimKind::axis_in, dims);
  if (!causal) add_line(spec, map, DimKind::axis_out, dims);
  list.push_back({name + ".bias", dims, Role::score, {Initial::zero, 0}, false});
}

void add_line_block(std::vector<ParamSpec>& list, const ModelSpec& spec, const std::string& block) {
  std::vector<LineMap> maps = line_maps(spec);
  std::reverse(maps.begin(), maps.end());  // from the innermost axis
  for (const LineMap& map : maps) {
    const std::string name = block + '.' + line_map_name(spec, map);
    if (spec.norm != Norm::none) list.push_back(gain(name + ".gain", spec.channels));
    if (map.kind == MapKind::joint) add_joint_map(list, spec, map, name);
    if (map.kind == MapKind::attention) add_attention_map(list, spec, map, name);
    if (spec.out) list.push_back(way_out(spec, name + ".w2"));
    add_biases(list, spec, name);
  }
}

void add_dense_block(std::vector<ParamSpec>& list, const ModelSpec& spec,
                     const std::string& block) {
  if (spec.norm != Norm::none) list.push_back(gain(block + ".gain", spec.channels));
  if (spec.in) {
    std::vector<Dim> dims = {{DimKind::channel, spec.channels}};
    add_f_input(spec, dims);
    list.push_back({block + ".in", dims, Role::map, normal(inverse_root(spec.channels)), true});
  }
  for (ParamSpec& param :
       layer_params(spec, layer_input_channels(spec), block, single_output(spec)))
    list.push_back(std::move(param));
  if (resizes(spec))
    for (ParamSpec& param :
         layer_params(resized(spec), spec.hidden, back_prefix(block), single_output(resized(spec))))
      list.push_back(std::move(param));
  if (spec.out) list.push_back(way_out(spec, block + ".out"));
  add_biases(list, spec, block);
}

void add_heads(std::vector<ParamSpec>& list, const ModelSpec& spec) {
  const Dim width{DimKind::width, embed_width(spec)};
  const auto head = [&](const std::string& name, DimKind kind, std::int64_t classes) {
    list.push_back({"head." + name, {width, {kind, classes}}, Role::head, normal(kHeadStd), true});
  };
  if (spec.modality_head) head("modality", DimKind::modality, kModalities);
  if (has_modality(spec, Modality::text)) head("text", DimKind::symbol, spec.text_symbols);
  if (has_modality(spec, Modality::pixel)) {
    // Decoded in steps: green sees which red was chosen,
    // blue sees both (logits added from a table).
    const Dim level{DimKind::symbol, kPixelLevels};
    const auto given = [&](const char* name) {
      list.push_back(
          {std::string("head.") + name, {level, level}, Role::head, {Initial::zero, 0}, true});
    };
    head("red", DimKind::symbol, kPixelLevels);
    head("green", DimKind::symbol, kPixelLevels);
    given("green.given_red");
    head("blue", DimKind::symbol, kPixelLevels);
    given("blue.given_red");
    given("blue.given_green");
  }
  if (has_modality(spec, Modality::audio)) head("audio", DimKind::symbol, spec.audio_levels);
  for (const PlaceHead& place : place_heads(spec)) head(place.name, DimKind::place, place.classes);
  if (spec.item_head) head("item", DimKind::item, spec.items);
}

// The maps of the blocks, drawn so that what they yield keeps its variance with fewer weights.
// Attention's projections are no maps along an axis.
void make_sparse(const ModelSpec& spec, ParamSpec& param) {
  if (param.role != Role::map || !param.name.starts_with("block.")) return;
  if (param.name.ends_with(".value")) return;
  param.density = spec.density;
  param.init.std /= std::sqrt(spec.density);
}

}  // namespace

std::string block_name(std::int64_t block, std::int64_t branch) {
  return branch == 0 ? text("block.", block) : text("block.", block, ".branch.", branch);
}

std::vector<ParamSpec> param_specs(const ModelSpec& spec) {
  check_spec(spec);
  std::vector<ParamSpec> list;
  const Dim c{DimKind::channel, spec.channels}, width{DimKind::width, spec.width};
  add_tables(list, spec);
  if (spec.width != 0)
    list.push_back({"pre", {width, c}, Role::map, normal(inverse_root(spec.width)), true});
  for (std::int64_t i = 0; i < spec.blocks * spec.branches; ++i) {
    const std::string block = block_name(i / spec.branches, i % spec.branches);
    if (has_line_maps(spec))
      add_line_block(list, spec, block);
    else
      add_dense_block(list, spec, block);
  }
  if (spec.norm != Norm::none) list.push_back(gain("final.gain", spec.channels));
  if (spec.width != 0)
    list.push_back({"post", {c, width}, Role::out, normal(inverse_root(spec.channels)), true});
  add_heads(list, spec);
  for (ParamSpec& param : list) make_sparse(spec, param);
  return list;
}

}  // namespace ortho
