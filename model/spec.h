// ModelSpec: what a model is, as a stage declares it. Every size, name and cost follows from it.
//
// Names and formulas: docs/layer.md. Growth is the difference between two specs (model/grow.h).
// Token axes are outermost first; parameters name axes counted from the innermost, so that an axis
// added outside renames nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tensor/dense.h"
#include "tensor/formulas.h"
#include "tensor/nodes.h"
#include "tensor/shape.h"
#include "tensor/token.h"

namespace ortho {

enum class MapKind { dense, joint, attention };
enum class Combine { parallel, sequential, single };
// Which connections close when some must: those of smallest magnitude, or any.
enum class Mask { magnitude, random };
// ascending: outermost axis first; descending: innermost first.
enum class Sequence { ascending, descending };
// Which axes of a sum connect a node to itself: each, or only the last one that is mapped.
enum class Self { every, once };

// How many rows each position table has; 0 = no table. Places beyond a table wrap around.
struct Places {
  std::int64_t text = 0, row = 0, column = 0, frame = 0, audio = 0;
  bool operator==(const Places&) const = default;
};

struct ModelSpec {
  // The grid and the stack.
  Shape tokens;                 // s_1 … s_n, outermost first; empty: a context of one token
  std::int64_t channels = 128;  // C
  std::int64_t hidden = 112;    // E, width of the map's output (half of it with a gate)
  std::int64_t blocks = 2;      // L
  std::int64_t refeeds = 1;     // R, passes through the stack with the same weights

  // One block: x + out( f( map( in( norm(x) ) ) ) ).
  MapKind map = MapKind::joint;
  // joint and attention: a column for each token axis, outermost first. Empty lists: `map` along
  // every axis, and each axis on its own.
  std::vector<MapKind> maps;
  std::vector<std::int64_t> sets;  // axes with the same number share one sublayer
  Weights weights = Weights::shared;
  Wiring wiring = Wiring::causal;
  Combine combine = Combine::sequential;
  Sequence sequence = Sequence::descending;
  std::int64_t single_axis = -1;  // combine: single — counted like Python: -1 is the channel axis
  // combine: single along a token axis: its size between the map and a second one that leads back;
  // 0: as it is.
  std::int64_t single_size = 0;
  bool channel_axis = true;  // map: dense — whether the channel axis is one of the mapped axes
  Self self = Self::every;   // combine: parallel
  std::int64_t radius = 0;   // a sliding window: along token axes |j - k| <= radius; 0: all
  // H. Dense: layers side by side with own weights. Attention: softmaxes. Each on 1 / H of the units.
  std::int64_t heads = 1;
  std::int64_t branches = 1;  // sublayers that read the same x and all add to it, with own weights
  bool bias = false;          // added to what the map yields, and to what the way out does
  bool in = true;             // map: dense — a channel map C -> E (2E with a gate) before the map
  bool out = true;            // a channel map E -> C after f
  bool gate = true;           // the map yields (u, v), f is u * act(v)
  Norm norm = Norm::rms;
  bool residual = true;
  Activation activation = Activation::melu;
  double active = 1.0;   // share of the channels the activation applies to; the rest stays linear
  double dropout = 0.0;  // on the hidden units, after the gate
  // Share of the weights of the blocks' maps that are open; the others are closed: 0, and stay 0.
  double density = 1.0;
  Mask mask = Mask::magnitude;

  // The ends.
  std::int64_t width = 0;  // width of embeddings and heads; 0: C. Else channel maps lead in and out
  std::vector<Modality> modalities = {Modality::text};
  std::int64_t text_symbols = 0;    // rows of the text table: the code points in use
  std::int64_t words = 0;           // rows of the word table, added to the letters'; 0 = none
  std::int64_t audio_levels = 256;  // 256 (mu-law) or 65,536 (16-bit PCM)
  Places places;
  std::int64_t items = 0;       // rows of the item-index table; 0 = none
  std::int64_t identity = 0;    // learned tokens that stand before each window; 0 = none
  bool ask = false;             // one_shot: embed which modality an output slot asks for
  bool modality_table = false;  // embed the modality (and the query mark)
  bool modality_head = false;   // predict the modality, and the end, before the symbol
  bool place_heads = false;     // predict each place that has a table, after the symbol
  bool item_head = false;       // predict the item index as well

  bool operator==(const ModelSpec&) const = default;
};

// Sizes derived from a spec.
std::int64_t context(const ModelSpec& spec);      // T
std::int64_t embed_width(const ModelSpec& spec);  // width, or C when it is 0
std::int64_t gated_width(const ModelSpec& spec);  // channels f takes: 2E with a gate, else E
// Channels the dense layer of a block maps from, and to.
std::int64_t layer_input_channels(const ModelSpec& spec);
std::int64_t layer_output_channels(const ModelSpec& spec);
// Whether the map along an axis (of mapped_axes, or of joint_axes) connects a node to itself.
bool has_self(const ModelSpec& spec, int axis);
// Whether `combine: single` maps the channels, and so makes the units that f takes.
bool makes_units(const ModelSpec& spec);
// The size that `combine: single` gives its axis; 0: as it is.
std::int64_t single_output(const ModelSpec& spec);
Shape joint_axes(const ModelSpec& spec);  // tokens, or one axis of size 1 when there is none
// Whether blocks are sublayers with a line map each (model/line_map.h), not one dense layer.
bool has_line_maps(const ModelSpec& spec);
// Axes that the layer of a dense block maps, outermost first; tokens.size() is the channel axis.
std::vector<int> mapped_axes(const ModelSpec& spec);
// The most coordinates that a map along a token axis of this size reaches over.
std::int64_t axis_reach(const ModelSpec& spec, std::int64_t size);
std::int64_t active_units(const ModelSpec& spec);  // of E, those that the activation works on
bool has_modality(const ModelSpec& spec, Modality modality);
// The place heads of a modality: which axis of a token's place each predicts, and its classes.
struct PlaceHead {
  std::string name;  // "place.row"
  Modality modality;
  int axis;
  std::int64_t classes;
};
std::vector<PlaceHead> place_heads(const ModelSpec& spec);
// Values that a symbol of a token may take, each of red, green and blue for pixels.
std::int64_t symbol_count(const ModelSpec& spec, Modality modality);
// The order the blocks run in: joint maps channels_inner, dense maps batch_inner.
Order tensor_order(const ModelSpec& spec);

// Error(usage) naming the field, its value and its limits when the spec makes no model.
void check_spec(const ModelSpec& spec);

// Multiply-adds of one forward pass per token of the window.
struct Cost {
  double nominal = 0;   // every tap at every token
  double executed = 0;  // without taps that reach before the window, and closed connections
};
Cost forward_macs(const ModelSpec& spec);

}  // namespace ortho
