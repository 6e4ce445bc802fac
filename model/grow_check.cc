// What may change between two specs. See model/grow_rules.h.
#include <algorithm>
#include <string>

#include "core/error.h"
#include "model/grow_rules.h"

namespace ortho {
namespace {

const char* name(MapKind map) { return map == MapKind::dense ? "dense" : "joint"; }
const char* name(Sequence order) {
  return order == Sequence::ascending ? "ascending" : "descending";
}
const char* name(bool on) { return on ? "true" : "false"; }

const char* name(Weights weights) {
  constexpr const char* kNames[] = {"shared", "separate", "by_position"};
  return kNames[static_cast<size_t>(weights)];
}
const char* name(Wiring wiring) {
  constexpr const char* kNames[] = {"grid", "causal", "grid_causal"};
  return kNames[static_cast<size_t>(wiring)];
}
const char* name(Combine combine) {
  constexpr const char* kNames[] = {"parallel", "sequential", "single"};
  return kNames[static_cast<size_t>(combine)];
}
const char* name(Norm norm) {
  constexpr const char* kNames[] = {"none", "rms", "layer"};
  return kNames[static_cast<size_t>(norm)];
}
const char* name(Activation activation) {
  constexpr const char* kNames[] = {"none", "melu",      "relu",  "leaky_relu", "abs",
                                    "elu",  "hard_tanh", "sort2", "gelu",       "silu"};
  return kNames[static_cast<size_t>(activation)];
}

template <class V>
void keep_named(const char* field, V from, V to) {
  REQUIRE(from == to, "model.", field, " ", name(from), " -> ", name(to),
          ": growth keeps it, because no weights of the new model would compute what the old one "
          "does. Keep ",
          name(from), ", or start a new run.");
}

template <class V>
void keep(const char* field, V from, V to) {
  REQUIRE(from == to, "model.", field, " ", from, " -> ", to, ": growth keeps it. Keep ", from,
          ", or start a new run.");
}

// The axis of combine: single, from the innermost; -1 is the channel axis.
int single_axis_from_inside(const ModelSpec& spec) {
  return static_cast<int>(spec.tokens.size()) - 1 - mapped_axes(spec).front();
}

void check_kept(const ModelSpec& from, const ModelSpec& to) {
  keep_named("map", from.map, to.map);
  keep_named("wiring", from.wiring, to.wiring);
  keep_named("combine", from.combine, to.combine);
  keep_named("sequence", from.sequence, to.sequence);
  keep_named("channel_axis", from.channel_axis, to.channel_axis);
  keep_named("in", from.in, to.in);
  keep_named("out", from.out, to.out);
  keep_named("gate", from.gate, to.gate);
  keep_named("norm", from.norm, to.norm);
  keep_named("residual", from.residual, to.residual);
  keep_named("activation", from.activation, to.activation);
  keep("active", from.active, to.active);
  keep("width", from.width, to.width);
  if (from.combine == Combine::single)
    REQUIRE(single_axis_from_inside(from) == single_axis_from_inside(to), "model.single_axis ",
            from.single_axis, " of tokens ", shape_text(from.tokens), " -> ", to.single_axis,
            " of tokens ", shape_text(to.tokens),
            " is another axis. Count it from the inside, -1 for the channels: axes added outside "
            "then change nothing.");
}

void check_axes(const ModelSpec& from, const ModelSpec& to) {
  const std::string change =
      text("model.tokens ", shape_text(from.tokens), " -> ", shape_text(to.tokens));
  const auto axes = static_cast<int>(from.tokens.size());
  bool outside = false;  // an axis outside this one has more than one token
  for (int axis = axes - 1; axis >= 0; --axis) {
    const std::int64_t old_size = axis_size(from, axis), size = axis_size(to, axis);
    REQUIRE(size == old_size || from.wiring != Wiring::causal || !outside, change,
            ": lengthening token axis ", axis,
            " from the inside changes the strides of the axes outside it, and with them which "
            "tokens their causal taps reach. Lengthen the outermost axis or add an axis outside.");
    REQUIRE(from.wiring == Wiring::causal || size % old_size == 0, change, ": token axis ", axis,
            " from the inside grows from ", old_size, " to ", size,
            ", but a grid's axis grows by a whole factor. Use a multiple of ", old_size, ".");
    outside = outside || old_size > 1;
  }
}

void check_weights(const ModelSpec& from, const ModelSpec& to) {
  const bool spread = from.weights == Weights::by_position && to.weights == Weights::separate;
  REQUIRE(from.weights == to.weights || from.weights == Weights::shared || spread, "model.weights ",
          name(from.weights), " -> ", name(to.weights),
          ": weights that differ cannot be shared. Keep ", name(from.weights), ".");
}

void check_blocks(const ModelSpec& from, const ModelSpec& to) {
  if (from.blocks == to.blocks || blocks_can_be_identity(to)) return;
  const std::string change = text("model.blocks ", from.blocks, " -> ", to.blocks);
  REQUIRE(to.residual, change,
          " with residual: false: a new block would replace the stream instead of adding nothing "
          "to it. Set residual: true from the start, or keep ",
          from.blocks, " blocks.");
  REQUIRE(to.map == MapKind::joint || to.out, change,
          " with map: dense and out: false: a new block has no way out that could start at zero. "
          "Set out: true from the start, or keep ",
          from.blocks, " blocks.");
}

void check_new_axes(const ModelSpec& from, const ModelSpec& to) {
  const bool added = axis_count(to) > axis_count(from);
  REQUIRE(
      !added || to.map == MapKind::dense || to.residual || to.combine == Combine::parallel,
      "model.tokens ", shape_text(from.tokens), " -> ", shape_text(to.tokens),
      " with residual: false and combine: sequential: the new axis's sublayer would replace the "
      "stream instead of adding nothing to it. Set residual: true from the start, or lengthen "
      "the outermost axis.");
}

void check_widths(const ModelSpec& from, const ModelSpec& to) {
  if (from.channels == to.channels) return;
  const std::string change = text("model.channels ", from.channels, " -> ", to.channels);
  REQUIRE(to.norm != Norm::layer, change,
          " with norm: layer: the mean over the channels changes, and no gain makes up for it. Use "
          "norm: rms from the start, or widen hidden instead.");
  const bool one_kind = to.active == 1.0 && to.activation != Activation::sort2;
  const bool stream_is_hidden = !to.out || (to.map == MapKind::dense && !to.in &&
                                            layer_output_channels(to) == layer_input_channels(to));
  REQUIRE(!stream_is_hidden || one_kind, change, " with active ", to.active, " and activation ",
          name(to.activation),
          ": channels are the hidden units here, and those the activation works on would change. "
          "Use in: true and out: true from the start.");
  REQUIRE(!to.gate || !stream_is_hidden || to.map == MapKind::joint || to.in, change,
          " with in: false and a gate: channels are both halves of the gate, and the border "
          "between them would move. Use in: true from the start.");
}

void check_table(const char* field, std::int64_t from, std::int64_t to) {
  REQUIRE(from == 0 || to % from == 0, "model.", field, " ", from, " -> ", to,
          ": places beyond a table wrap around, so only a multiple keeps every place its row. Use ",
          from * 2, ", or keep ", from, ".");
}

void check_ends(const ModelSpec& from, const ModelSpec& to) {
  if (has_modality(from, Modality::text)) {
    REQUIRE(to.text_symbols >= from.text_symbols, "model.text_symbols ", from.text_symbols, " -> ",
            to.text_symbols, ": the symbols a run has read stay known. Keep ", from.text_symbols,
            " or choose more.");
    check_table("places.text", from.places.text, to.places.text);
  }
  if (has_modality(from, Modality::pixel)) {
    check_table("places.row", from.places.row, to.places.row);
    check_table("places.column", from.places.column, to.places.column);
    check_table("places.frame", from.places.frame, to.places.frame);
  }
  if (has_modality(from, Modality::audio)) {
    keep("audio_levels", from.audio_levels, to.audio_levels);
    check_table("places.audio", from.places.audio, to.places.audio);
  }
  check_table("items", from.items, to.items);
  if (from.modality_table) keep_named("modality_table", true, to.modality_table);
  if (from.modality_head) keep_named("modality_head", true, to.modality_head);
}

}  // namespace

void check_growth(const ModelSpec& from, const ModelSpec& to) {
  check_spec(from);
  check_spec(to);
  check_kept(from, to);
  check_axes(from, to);
  check_weights(from, to);
  check_blocks(from, to);
  check_new_axes(from, to);
  check_widths(from, to);
  check_ends(from, to);
}

}  // namespace ortho
