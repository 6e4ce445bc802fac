#include "model/spec.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"

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

void check_dense(const ModelSpec& spec) {
  const std::int64_t gated = gated_width(spec);
  mapped_axes(spec);  // checks
  REQUIRE(layer_output_channels(spec) == gated, "model: the dense map yields ",
          layer_output_channels(spec), " channels but f needs ", gated, " (hidden",
          spec.gate ? " x 2 for the gate" : "", "). Set in: true, or make hidden fit channels.");
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
  return mapped_axes(spec).front() == channels ? gated_width(spec) : 0;
}

std::int64_t layer_output_channels(const ModelSpec& spec) {
  return single_output(spec) > 0 ? single_output(spec) : layer_input_channels(spec);
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

Order tensor_order(const ModelSpec& spec) {
  return spec.map == MapKind::joint ? Order::channels_inner : Order::batch_inner;
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
  REQUIRE(!has_modality(spec, Modality::text) || spec.text_symbols >= 1,
          "the model reads text but no code point is in use: is the data empty?");
  REQUIRE(spec.audio_levels == 256 || spec.audio_levels == 65536, "model.audio_levels ",
          spec.audio_levels, ": 256 or 65536");
  REQUIRE(spec.modality_head || spec.modalities.size() == 1,
          "model.modality_head must be on with more than one modality");
  REQUIRE(spec.out || spec.hidden == spec.channels, "model.out: false needs hidden ", spec.hidden,
          " == channels ", spec.channels);
  REQUIRE(spec.activation != Activation::sort2 || (spec.hidden % 2 == 0 && spec.active == 1.0),
          "model.activation: sort2 needs an even hidden (", spec.hidden, ") and active: 1");
  if (spec.map == MapKind::dense) check_dense(spec);
  if (spec.map == MapKind::joint) {
    REQUIRE(spec.weights == Weights::shared,
            "model.map: joint has shared weights only; use weights: shared");
    REQUIRE(spec.combine != Combine::single, "model.combine: single is for map: dense");
  }
}

namespace {

// Share of the tokens that tap d of an axis reaches: those with t >= d * stride.
double reach(std::int64_t tokens, std::int64_t shift) {
  return shift >= tokens ? 0.0 : static_cast<double>(tokens - shift) / static_cast<double>(tokens);
}

// Taps along one axis summed over d: nominally s,
// executed the share that does not reach before the window.
Cost taps(const ModelSpec& spec, std::int64_t size, std::int64_t stride) {
  Cost cost{static_cast<double>(size), 0};
  const std::int64_t tokens = context(spec);
  if (spec.wiring == Wiring::grid) cost.executed = cost.nominal;
  if (spec.wiring == Wiring::grid_causal) cost.executed = static_cast<double>(size + 1) / 2;
  if (spec.wiring == Wiring::causal)
    for (std::int64_t d = 0; d < size; ++d) cost.executed += reach(tokens, d * stride);
  return cost;
}

Cost block_macs(const ModelSpec& spec) {
  const auto c = static_cast<double>(spec.channels), e = static_cast<double>(spec.hidden);
  const auto g = static_cast<double>(gated_width(spec));
  Cost total;
  const Shape axes = spec.map == MapKind::joint ? joint_axes(spec) : spec.tokens;
  const Index step = strides(axes);
  const auto mapped = [&](size_t i) {
    if (spec.map == MapKind::joint) return true;
    const std::vector<int> chosen = mapped_axes(spec);
    return std::find(chosen.begin(), chosen.end(), static_cast<int>(i)) != chosen.end();
  };
  for (size_t i = 0; i < axes.size(); ++i) {
    if (!mapped(i)) continue;
    const Cost axis = taps(spec, axes[i], step[i]);
    const double per_tap =
        spec.map == MapKind::joint ? c * g : static_cast<double>(layer_input_channels(spec));
    const double way_out = spec.map == MapKind::joint && spec.out ? e * c : 0;
    total.nominal += axis.nominal * per_tap + way_out;
    total.executed += axis.executed * per_tap * spec.density + way_out;
  }
  if (spec.map == MapKind::joint) return total;
  double maps = spec.in ? c * g : 0;
  if (mapped(axes.size()))
    maps += static_cast<double>(layer_input_channels(spec)) *
            static_cast<double>(layer_output_channels(spec));
  const double way_out = spec.out ? e * c : 0;
  total.nominal += maps + way_out;
  total.executed += maps * spec.density + way_out;
  return total;
}

// A token passes the modality head and the symbol heads of one modality: the dearest one counts.
double head_macs(const ModelSpec& spec) {
  const auto width = static_cast<double>(embed_width(spec));
  std::int64_t classes = 0;
  for (const Modality modality : spec.modalities)
    classes =
        std::max(classes, (modality == Modality::pixel ? 3 : 1) * symbol_count(spec, modality));
  return width * static_cast<double>(classes + (spec.modality_head ? kModalities : 0));
}

}  // namespace

Cost forward_macs(const ModelSpec& spec) {
  const Cost block = block_macs(spec);
  const auto passes = static_cast<double>(spec.blocks * spec.refeeds);
  const double maps =
      spec.width == 0 ? 0
                      : 2.0 * static_cast<double>(spec.width) * static_cast<double>(spec.channels);
  const double ends = head_macs(spec) + maps;
  return {block.nominal * passes + ends, block.executed * passes + ends};
}

}  // namespace ortho
