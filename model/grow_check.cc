// What may change between two specs. See model/grow_rules.h.
#include <algorithm>
#include <string>

#include "core/error.h"
#include "model/grow_layers.h"
#include "model/grow_rules.h"
#include "model/line_map.h"

namespace ortho {
namespace {

const char* name(MapKind map) {
  constexpr const char* kNames[] = {"dense", "joint", "attention"};
  return kNames[static_cast<size_t>(map)];
}
const char* name(Sequence order) {
  return order == Sequence::ascending ? "ascending" : "descending";
}
const char* name(Self self) { return self == Self::every ? "every" : "once"; }
const char* name(bool on) { return on ? "true" : "false"; }

const char* name(Weights weights) {
  constexpr const char* kNames[] = {"shared", "separate", "by_position", "per_channel", "tied"};
  return kNames[static_cast<size_t>(weights)];
}
const char* name(Wiring wiring) {
  constexpr const char* kNames[] = {"grid", "causal", "grid_causal", "mirrored"};
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

void no_fewer(const char* field, std::int64_t from, std::int64_t to) {
  REQUIRE(to >= from, "model.", field, " ", from, " -> ", to,
          ": a stage cannot take these away. Keep ", from, " or choose more.");
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
  keep_named("self", from.self, to.self);
  keep_named("channel_axis", from.channel_axis, to.channel_axis);
  keep_named("in", from.in, to.in);
  keep_named("out", from.out, to.out);
  keep_named("gate", from.gate, to.gate);
  keep_named("norm", from.norm, to.norm);
  keep_named("residual", from.residual, to.residual);
  keep_named("activation", from.activation, to.activation);
  keep("active", from.active, to.active);
  if (from.bias) keep_named("bias", true, to.bias);
  keep("width", from.width, to.width);
  keep("single_size", from.single_size, to.single_size);
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
    REQUIRE(size == old_size || !carries(from.wiring) || !outside, change,
            ": lengthening token axis ", axis,
            " from the inside changes the strides of the axes outside it, and with them which "
            "tokens their taps reach. Lengthen the outermost axis or add an axis outside.");
    REQUIRE(carries(from.wiring) || size % old_size == 0, change, ": token axis ", axis,
            " from the inside grows from ", old_size, " to ", size,
            ", but a grid's axis grows by a whole factor. Use a multiple of ", old_size, ".");
    outside = outside || old_size > 1;
  }
}

// The line map of `to` with the axes that `map` has in `from`; null if there is none.
const LineMap* same_axes(const ModelSpec& from, const LineMap& map, const ModelSpec& to,
                         const std::vector<LineMap>& list) {
  for (const LineMap& other : list)
    if (line_map_name(to, other) == line_map_name(from, map)) return &other;
  return nullptr;
}

// What old tokens weigh in a softmax must not change: neither the width of a head nor the tokens of
// a grid's line. A causal line's new tokens lie before the old window.
void check_attention(const ModelSpec& from, const ModelSpec& to, const LineMap& map) {
  REQUIRE(from.hidden * to.heads == to.hidden * from.heads, "model.hidden ", from.hidden, " -> ",
          to.hidden, " with heads ", from.heads, " -> ", to.heads,
          ": a head of attention keeps its width, ", from.hidden / from.heads,
          ", and new ones stand beside it. Use hidden ", from.hidden / from.heads * to.heads,
          " with ", to.heads, " heads.");
  REQUIRE(from.hidden == to.hidden || (to.active == 1.0 && to.activation != Activation::sort2),
          "model.hidden ", from.hidden, " -> ", to.hidden, " with attention, active ", to.active,
          " and activation ", name(to.activation),
          ": the units that the activation works on would move between heads. Use active: 1 and "
          "another activation than sort2 from the start.");
  for (const int axis : map.axes) {
    const auto inside = static_cast<int>(joint_axes(from).size()) - 1 - axis;
    REQUIRE(carries(from.wiring) || axis_size(from, inside) == axis_size(to, inside),
            "model.tokens ", shape_text(from.tokens), " -> ", shape_text(to.tokens),
            ": token axis ", inside,
            " from the inside has attention in a grid, whose softmax would share itself "
            "among more tokens. Keep its size and add an axis outside (to the left).");
  }
}

void check_lines(const ModelSpec& from, const ModelSpec& to) {
  if (!has_line_maps(from)) return;
  const std::vector<LineMap> list = line_maps(to);
  for (const LineMap& map : line_maps(from)) {
    const LineMap* kept = same_axes(from, map, to, list);
    REQUIRE(kept != nullptr, "model.sets: ", line_map_name(from, map), " of tokens ",
            shape_text(from.tokens), " is no sublayer of its own in tokens ", shape_text(to.tokens),
            ": growth keeps which axes share one. Give new axes numbers of their own.");
    REQUIRE(kept->kind == map.kind, "model.maps: ", line_map_name(from, map), " changes from ",
            name(map.kind), " to ", name(kept->kind), ": growth keeps it. Keep ", name(map.kind),
            ", or start a new run.");
    if (map.kind == MapKind::attention) check_attention(from, to, map);
  }
}

// How many arrays a kind of weights has: one can be copied into more.
int spread(Weights weights) {
  switch (weights) {
    case Weights::tied:
      return 0;
    case Weights::shared:
      return 1;
    case Weights::by_position:
    case Weights::per_channel:
      return 2;
    case Weights::separate:
      break;
  }
  return 3;
}

void check_weights(const ModelSpec& from, const ModelSpec& to) {
  REQUIRE(from.weights == to.weights || spread(from.weights) < spread(to.weights), "model.weights ",
          name(from.weights), " -> ", name(to.weights),
          ": weights that differ cannot be shared. Keep ", name(from.weights), ".");
  check_tied(from, to);
  if (!has_line_maps(to)) check_heads(from, to);
}

void check_radius(const ModelSpec& from, const ModelSpec& to) {
  if (from.radius == to.radius) return;
  const bool wider = from.radius > 0 && (to.radius == 0 || to.radius > from.radius);
  REQUIRE(wider, "model.radius ", from.radius, " -> ", to.radius,
          ": a narrower window drops taps. Keep ", from.radius, " or choose more.");
  REQUIRE(carries(from.wiring), "model.radius ", from.radius, " -> ", to.radius,
          " with wiring: ", name(from.wiring),
          ": what lies outside the window was never trained. Keep ", from.radius, ".");
}

void check_blocks(const ModelSpec& from, const ModelSpec& to) {
  no_fewer("branches", from.branches, to.branches);
  REQUIRE(from.branches == to.branches || has_line_maps(to) || to.out, "model.branches ",
          from.branches, " -> ", to.branches,
          " with map: dense and out: false: a new one has no way out that could start at zero. Set "
          "out: true from the start, or keep ",
          from.branches, ".");
  if (from.blocks == to.blocks || blocks_can_be_identity(to)) return;
  const std::string change = text("model.blocks ", from.blocks, " -> ", to.blocks);
  REQUIRE(to.residual, change,
          " with residual: false: a new block would replace the stream instead of adding nothing "
          "to it. Set residual: true from the start, or keep ",
          from.blocks, " blocks.");
  REQUIRE(has_line_maps(to) || to.out, change,
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
  REQUIRE(!to.gate || !stream_is_hidden || has_line_maps(to) || to.in, change,
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
    no_fewer("text_symbols", from.text_symbols, to.text_symbols);
    no_fewer("words", from.words, to.words);
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
  keep_named("ask", from.ask, to.ask);
  if (from.modality_table) keep_named("modality_table", true, to.modality_table);
  if (from.place_heads) keep_named("place_heads", true, to.place_heads);
  if (from.item_head) keep_named("item_head", true, to.item_head);
  if (from.modality_head) keep_named("modality_head", true, to.modality_head);
}

}  // namespace

void check_growth(const ModelSpec& from, const ModelSpec& to) {
  check_spec(from);
  check_spec(to);
  check_kept(from, to);
  check_axes(from, to);
  check_lines(from, to);
  check_weights(from, to);
  check_radius(from, to);
  check_blocks(from, to);
  check_new_axes(from, to);
  check_widths(from, to);
  check_ends(from, to);
}

}  // namespace ortho
