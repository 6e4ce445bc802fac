// The list of a model's weights: names, dimensions, initial values. See model/params.h.
#include <cmath>

#include "core/error.h"
#include "model/layer.h"
#include "model/params.h"

namespace ortho {
namespace {

double inverse_root(std::int64_t n) { return 1.0 / std::sqrt(static_cast<double>(n)); }

Init normal(double std) { return {Initial::normal, std}; }

constexpr double kSymbolStd = 0.2;  // docs/layer.md: the recipe's table
// Positions, items, modality: softer than the symbol they qualify.
constexpr double kPlaceStd = 0.1;
constexpr double kHeadStd = 0.02;

void add_table(std::vector<ParamSpec>& list, const std::string& name, DimKind kind,
               std::int64_t rows, std::int64_t width, double std) {
  if (rows > 0)
    list.push_back(
        {"embed." + name, {{kind, rows}, {DimKind::width, width}}, Role::table, normal(std), true});
}

void add_tables(std::vector<ParamSpec>& list, const ModelSpec& spec) {
  const std::int64_t width = embed_width(spec);
  if (has_modality(spec, Modality::text)) {
    add_table(list, "text.symbol", DimKind::symbol, spec.text_symbols, width, kSymbolStd);
    add_table(list, "text.place", DimKind::place, spec.places.text, width, kPlaceStd);
  }
  if (has_modality(spec, Modality::pixel)) {
    for (const char* colour : {"red", "green", "blue"})
      add_table(list, std::string("pixel.") + colour, DimKind::symbol, kPixelLevels, width,
                kSymbolStd);
    add_table(list, "pixel.row", DimKind::place, spec.places.row, width, kPlaceStd);
    add_table(list, "pixel.column", DimKind::place, spec.places.column, width, kPlaceStd);
    add_table(list, "pixel.frame", DimKind::place, spec.places.frame, width, kPlaceStd);
  }
  if (has_modality(spec, Modality::audio)) {
    add_table(list, "audio.symbol", DimKind::symbol, spec.audio_levels, width, kSymbolStd);
    add_table(list, "audio.place", DimKind::place, spec.places.audio, width, kPlaceStd);
  }
  add_table(list, "item", DimKind::item, spec.items, width, kPlaceStd);
  // One row more than a head can predict: the query mark of one_shot's output slots.
  if (spec.modality_table)
    add_table(list, "modality", DimKind::modality, kModalities + 1, width, kPlaceStd);
}

ParamSpec gain(const std::string& name, std::int64_t channels) {
  return {name, {{DimKind::channel, channels}}, Role::gain, {Initial::one, 0}, false};
}

// W2's scale keeps the residual stream's variance independent of depth (docs/layer.md).
double out_std(const ModelSpec& spec) {
  const std::int64_t depth = spec.residual ? 2 * spec.blocks * spec.refeeds : 1;
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

void add_joint_block(std::vector<ParamSpec>& list, const ModelSpec& spec,
                     const std::string& block) {
  const Shape axes = joint_axes(spec);
  for (size_t a = 0; a < axes.size(); ++a) {  // from the innermost axis
    const std::int64_t size = axes[axes.size() - 1 - a];
    const auto axis = static_cast<int>(a);
    const std::string name = block + ".axis." + std::to_string(a);
    if (spec.norm != Norm::none) list.push_back(gain(name + ".gain", spec.channels));
    const Dim c{DimKind::channel, spec.channels};
    std::vector<Dim> dims = {{DimKind::tap, size, axis}, c};
    if (spec.wiring != Wiring::causal)
      dims = {{DimKind::axis_in, size, axis}, c, {DimKind::axis_out, size, axis}};
    add_f_input(spec, dims);
    list.push_back(
        {name + ".w1", dims, Role::map, normal(inverse_root(size * spec.channels)), true});
    if (spec.out) list.push_back(way_out(spec, name + ".w2"));
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
  if (spec.out) list.push_back(way_out(spec, block + ".out"));
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
}

// The maps of the blocks, drawn so that what they yield keeps its variance with fewer weights.
void make_sparse(const ModelSpec& spec, ParamSpec& param) {
  if (param.role != Role::map || !param.name.starts_with("block.")) return;
  param.density = spec.density;
  param.init.std /= std::sqrt(spec.density);
}

}  // namespace

std::vector<ParamSpec> param_specs(const ModelSpec& spec) {
  check_spec(spec);
  std::vector<ParamSpec> list;
  const Dim c{DimKind::channel, spec.channels}, width{DimKind::width, spec.width};
  add_tables(list, spec);
  if (spec.width != 0)
    list.push_back({"pre", {width, c}, Role::map, normal(inverse_root(spec.width)), true});
  for (std::int64_t b = 0; b < spec.blocks; ++b) {
    const std::string block = "block." + std::to_string(b);
    if (spec.map == MapKind::joint) add_joint_block(list, spec, block);
    if (spec.map == MapKind::dense) add_dense_block(list, spec, block);
  }
  if (spec.norm != Norm::none) list.push_back(gain("final.gain", spec.channels));
  if (spec.width != 0)
    list.push_back({"post", {c, width}, Role::out, normal(inverse_root(spec.channels)), true});
  add_heads(list, spec);
  for (ParamSpec& param : list) make_sparse(spec, param);
  return list;
}

}  // namespace ortho
