#include "model/spec.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "model/line_map.h"

namespace ortho {
namespace {

constexpr std::int64_t kMaxNodes = std::int64_t{1} << 40;  // beyond, one activation has 4 TiB

void check_axis_sizes(const ModelSpec& spec) {
  std::int64_t most = kMaxNodes / spec.channels;  // tokens that the limit leaves
  for (const std::int64_t size : spec.tokens) {
    REQUIRE(size >= 1, "model.tokens ", shape_text(spec.tokens),
            ": every axis needs at least one token");
    most /= size;
  }
  REQUIRE(most >= 1, "model.tokens ", shape_text(spec.tokens), " x channels ", spec.channels,
          " make more than 2^40 nodes a window. Make an axis or the channels smaller.");
}

void check_resize(const ModelSpec& spec) {
  if (spec.single_size == 0) return;
  REQUIRE(spec.combine == Combine::single && !makes_units(spec), "model.single_size ",
          spec.single_size,
          " is for combine: single along a token axis, and here there is none; "
          "the channels get the size that hidden says. Set single_axis, or single_size: 0.");
  REQUIRE(spec.wiring == Wiring::grid && spec.radius == 0, "model.single_size ", spec.single_size,
          ": an axis of another size has no neighbours and no order to keep; use wiring: grid and "
          "radius: 0");
  REQUIRE(spec.out, "model.single_size ", spec.single_size,
          " needs out: true, the channel map behind the map that leads back");
}

void check_dense(const ModelSpec& spec) {
  REQUIRE(spec.wiring != Wiring::mirrored,
          "model.wiring: mirrored is for map: joint; with map: dense use wiring: grid, where every "
          "token of a line reaches every other");
  const std::int64_t gated = gated_width(spec);
  mapped_axes(spec);  // checks
  REQUIRE(layer_output_channels(spec) == gated, "model: the dense map yields ",
          layer_output_channels(spec), " channels but f needs ", gated, " (hidden",
          spec.gate ? " x 2 for the gate" : "", "). Set in: true, or make hidden fit channels.");
  check_resize(spec);
  REQUIRE(spec.hidden % spec.heads == 0, "model.heads ", spec.heads, " do not divide hidden ",
          spec.hidden, ": each head has an equal part of the units");
  REQUIRE(spec.in || spec.channels % spec.heads == 0, "model.heads ", spec.heads,
          " do not divide channels ", spec.channels, ", which with in: false are what they map");
}

void check_maps(const ModelSpec& spec) {
  REQUIRE(spec.heads >= 1 && spec.heads <= (1 << 20), "model.heads ", spec.heads, ": 1 to 2^20");
  REQUIRE(spec.branches >= 1 && spec.branches <= 4096, "model.branches ", spec.branches,
          ": 1 to 4096");
  REQUIRE(spec.radius >= 0 && spec.radius <= (1 << 20), "model.radius ", spec.radius,
          ": 0 (= all) to 2^20");
  REQUIRE(spec.self == Self::every || spec.combine == Combine::parallel,
          "model.self: once is for combine: parallel, where every axis would connect a node to "
          "itself. Set combine: parallel, or self: every.");
}

}  // namespace

std::int64_t context(const ModelSpec& spec) { return elements(spec.tokens); }

std::int64_t embed_width(const ModelSpec& spec) {
  return spec.width == 0 ? spec.channels : spec.width;
}

std::int64_t gated_width(const ModelSpec& spec) {
  return spec.gate ? 2 * spec.hidden : spec.hidden;
}

std::int64_t layer_input_channels(const ModelSpec& spec) {
  return spec.map == MapKind::dense && spec.in ? gated_width(spec) : spec.channels;
}

std::int64_t single_output(const ModelSpec& spec) {
  if (spec.combine != Combine::single) return 0;
  const auto channels = static_cast<int>(spec.tokens.size());
  return mapped_axes(spec).front() == channels ? gated_width(spec) : spec.single_size;
}

bool makes_units(const ModelSpec& spec) {
  return spec.map == MapKind::dense && spec.combine == Combine::single &&
         mapped_axes(spec).front() == static_cast<int>(spec.tokens.size());
}

std::int64_t layer_output_channels(const ModelSpec& spec) {
  return makes_units(spec) ? gated_width(spec) : layer_input_channels(spec);
}

std::vector<int> mapped_axes(const ModelSpec& spec) {
  std::vector<int> axes(spec.tokens.size() + (spec.channel_axis ? 1 : 0));
  std::iota(axes.begin(), axes.end(), 0);
  REQUIRE(!axes.empty(),
          "model.map: dense needs a token axis or channel_axis: true; here it has no ",
          "axis to work on");
  if (spec.combine != Combine::single) return axes;
  const auto count = static_cast<std::int64_t>(axes.size());
  REQUIRE(spec.single_axis >= -count && spec.single_axis < count, "model.single_axis ",
          spec.single_axis, " is outside the ", count, " mapped axes");
  return {axes[static_cast<size_t>((spec.single_axis + count) % count)]};
}

bool has_self(const ModelSpec& spec, int axis) {
  if (spec.self == Self::every) return true;
  const int last = has_line_maps(spec) ? static_cast<int>(joint_axes(spec).size()) - 1
                                       : mapped_axes(spec).back();
  return axis == last;
}

std::int64_t axis_reach(const ModelSpec& spec, std::int64_t size) {
  return spec.radius == 0 ? size - 1 : std::min(spec.radius, size - 1);
}

std::int64_t active_units(const ModelSpec& spec) {
  return std::llround(spec.active * static_cast<double>(spec.hidden));
}

std::int64_t symbol_count(const ModelSpec& spec, Modality modality) {
  if (modality == Modality::text) return spec.text_symbols;
  return modality == Modality::audio ? spec.audio_levels : kPixelLevels;
}

bool has_modality(const ModelSpec& spec, Modality modality) {
  return std::find(spec.modalities.begin(), spec.modalities.end(), modality) !=
         spec.modalities.end();
}

std::vector<PlaceHead> place_heads(const ModelSpec& spec) {
  std::vector<PlaceHead> heads;
  const auto add = [&](const char* name, Modality modality, int axis, std::int64_t rows) {
    if (spec.place_heads && rows > 0 && has_modality(spec, modality))
      heads.push_back({std::string("place.") + name, modality, axis, rows});
  };
  add("text", Modality::text, 0, spec.places.text);
  add("row", Modality::pixel, 0, spec.places.row);
  add("column", Modality::pixel, 1, spec.places.column);
  add("frame", Modality::pixel, 2, spec.places.frame);
  add("audio", Modality::audio, 0, spec.places.audio);
  return heads;
}

Order tensor_order(const ModelSpec& spec) {
  return has_line_maps(spec) ? Order::channels_inner : Order::batch_inner;
}

Shape joint_axes(const ModelSpec& spec) { return spec.tokens.empty() ? Shape{1} : spec.tokens; }

void check_spec(const ModelSpec& spec) {
  REQUIRE(spec.channels >= 1 && spec.channels <= (1 << 20), "model.channels ", spec.channels,
          ": 1 to 2^20");
  REQUIRE(spec.hidden >= 1 && spec.hidden <= (1 << 22), "model.hidden ", spec.hidden,
          ": 1 to 2^22");
  REQUIRE(spec.blocks >= 1 && spec.blocks <= 4096, "model.blocks ", spec.blocks, ": 1 to 4096");
  REQUIRE(spec.refeeds >= 1 && spec.refeeds <= 4096, "model.refeeds ", spec.refeeds, ": 1 to 4096");
  REQUIRE(spec.width >= 0 && spec.width <= (1 << 20), "model.width ", spec.width,
          ": 0 (= channels) to 2^20");
  REQUIRE(spec.active > 0 && spec.active <= 1, "model.active ", spec.active, ": above 0, up to 1");
  REQUIRE(spec.dropout >= 0 && spec.dropout < 1, "model.dropout ", spec.dropout, ": 0 to below 1");
  REQUIRE(spec.density > 0 && spec.density <= 1, "model.density ", spec.density,
          ": above 0, up to 1");
  check_axis_sizes(spec);
  REQUIRE(!spec.modalities.empty(), "model.modalities is empty; name text, pixel or audio");
  REQUIRE(spec.words >= 0 && (spec.words == 0 || has_modality(spec, Modality::text)),
          "model.words ", spec.words, ": rows of a table of words need the modality text");
  REQUIRE(!has_modality(spec, Modality::text) || spec.text_symbols >= 1,
          "the model reads text but no code point is in use: is the data empty?");
  REQUIRE(spec.audio_levels == 256 || spec.audio_levels == 65536, "model.audio_levels ",
          spec.audio_levels, ": 256 or 65536");
  REQUIRE(spec.modality_head || spec.modalities.size() == 1,
          "model.modality_head must be on with more than one modality");
  REQUIRE(!spec.place_heads || !place_heads(spec).empty(),
          "model.place_heads: true predicts the places that have a table, and none has; set "
          "model.places, or place_heads: false");
  REQUIRE(spec.identity >= 0 && spec.identity < context(spec), "model.identity.tokens ",
          spec.identity, ": the prefix and at least one token of a record share the window of ",
          context(spec), " tokens");
  REQUIRE(!spec.item_head || spec.items > 0,
          "model.item_head: true predicts the rows of the item table; set model.items above 0");
  REQUIRE(spec.out || spec.hidden == spec.channels, "model.out: false needs hidden ", spec.hidden,
          " == channels ", spec.channels);
  REQUIRE(spec.activation != Activation::sort2 || (spec.hidden % 2 == 0 && spec.active == 1.0),
          "model.activation: sort2 needs an even hidden (", spec.hidden, ") and active: 1");
  check_maps(spec);
  if (spec.map == MapKind::dense) check_dense(spec);
  check_line_maps(spec);
  if (has_line_maps(spec)) {
    REQUIRE(spec.weights == Weights::shared,
            "model.map: joint and attention have shared weights only; use weights: shared");
    REQUIRE(spec.wiring != Wiring::mirrored || spec.hidden % 2 == 0, "model.hidden ", spec.hidden,
            " with wiring: mirrored: half of the units look back and half ahead. Use an even "
            "number, such as ",
            spec.hidden + 1, ".");
    REQUIRE(
        spec.wiring != Wiring::mirrored || !has_attention(spec),
        "model.wiring: mirrored is for joint maps; with attention use wiring: grid, where every "
        "token of a line reaches every other");
    REQUIRE(spec.combine != Combine::single, "model.combine: single is for map: dense");
  }
}

namespace {

// Share of the tokens that tap d of an axis reaches: those with t >= d * stride.
double reach(std::int64_t tokens, std::int64_t shift) {
  return shift >= tokens ? 0.0 : static_cast<double>(tokens - shift) / static_cast<double>(tokens);
}

// Taps of one token along a line: nominally all, executed the share that does not reach before the
// window, or out of the line.
Cost taps(const ModelSpec& spec, const Shape& axes, const LineMap& map) {
  const LineSteps steps(axes, map);
  const std::int64_t first = has_self(spec, map.axes.back()) ? 0 : 1;
  const std::int64_t size = steps.count(), last = line_reach(spec, map), tokens = context(spec);
  Cost cost{static_cast<double>(last + 1 - first), 0};
  double pairs = 0;  // of coordinates of a line
  for (std::int64_t d = first; d <= last; ++d) {
    const bool both_ways = spec.wiring == Wiring::grid && d > 0;
    if (carries(spec.wiring)) cost.executed += reach(tokens, steps[d]);
    pairs += static_cast<double>((both_ways ? 2 : 1) * (size - d));
  }
  if (!carries(spec.wiring)) cost.executed = pairs / static_cast<double>(size);
  if (spec.wiring == Wiring::grid) cost.nominal = cost.executed;
  return cost;
}

// Of one sublayer. attention: the projections, and a score and a share of a value for each tap.
Cost line_map_macs(const ModelSpec& spec, const LineMap& map) {
  const auto c = static_cast<double>(spec.channels), e = static_cast<double>(spec.hidden);
  const auto g = static_cast<double>(gated_width(spec));
  const bool attends = map.kind == MapKind::attention;
  const Cost line = taps(spec, joint_axes(spec), map);
  const double per_tap = attends ? e + g : c * g;
  const double rest = (attends ? c * (2 * e + g) : 0) + (spec.out ? e * c : 0);
  const double open = attends ? 1 : spec.density;
  return {line.nominal * per_tap + rest, line.executed * per_tap * open + rest};
}

Cost dense_block_macs(const ModelSpec& spec) {
  const auto c = static_cast<double>(spec.channels), e = static_cast<double>(spec.hidden);
  const auto g = static_cast<double>(gated_width(spec));
  const auto in = static_cast<double>(layer_input_channels(spec));
  const double way_in = spec.in ? c * g : 0, way_out = spec.out ? e * c : 0;
  Cost total{way_in + way_out, way_in * spec.density + way_out};
  for (const int axis : mapped_axes(spec)) {
    Cost line;  // per channel
    if (axis == static_cast<int>(spec.tokens.size()))
      line.nominal = line.executed =
          static_cast<double>(layer_output_channels(spec)) / static_cast<double>(spec.heads);
    else
      line = taps(spec, spec.tokens, {MapKind::dense, {axis}});
    if (spec.single_size > 0) {  // r of the line's outputs hear s, and back s of them hear r
      total.nominal += static_cast<double>(spec.single_size) * (in + e);
      total.executed += static_cast<double>(spec.single_size) * (in + e) * spec.density;
      continue;
    }
    total.nominal += line.nominal * in;
    total.executed += line.executed * in * spec.density;
  }
  return total;
}

Cost block_macs(const ModelSpec& spec) {
  if (!has_line_maps(spec)) return dense_block_macs(spec);
  Cost total;
  for (const LineMap& map : line_maps(spec)) {
    const Cost one = line_map_macs(spec, map);
    total.nominal += one.nominal;
    total.executed += one.executed;
  }
  return total;
}

// A token passes modality and item heads, and the symbol and place heads of one modality: the dearest one counts.
double head_macs(const ModelSpec& spec) {
  const auto width = static_cast<double>(embed_width(spec));
  std::int64_t classes = 0;
  for (const Modality modality : spec.modalities) {
    std::int64_t own = (modality == Modality::pixel ? 3 : 1) * symbol_count(spec, modality);
    for (const PlaceHead& place : place_heads(spec))
      if (place.modality == modality) own += place.classes;
    classes = std::max(classes, own);
  }
  classes += (spec.modality_head ? kModalities : 0) + (spec.item_head ? spec.items : 0);
  return width * static_cast<double>(classes);
}

}  // namespace

Cost forward_macs(const ModelSpec& spec) {
  const Cost block = block_macs(spec);
  const auto passes = static_cast<double>(spec.blocks * spec.refeeds * spec.branches);
  const double maps =
      spec.width == 0 ? 0
                      : 2.0 * static_cast<double>(spec.width) * static_cast<double>(spec.channels);
  const double ends = head_macs(spec) + maps;
  return {block.nominal * passes + ends, block.executed * passes + ends};
}

}  // namespace ortho
