// Growth: how the weights of one model become those of another one, and what that promises.
//
// plan_growth is a pure function of two specs: every weight of the new model is cut into Boxes,
// each either copied from the old model or started afresh. Values, moments and step counts all
// follow the same Boxes. The rule is one per kind of dimension (model/grow_rules.h), none per
// layer. A dimension the source lacks (shared -> separate, an axis added) repeats the source. What
// the new model has less of is cut out first (model/shrink.h).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "model/params.h"
#include "model/sharding.h"
#include "model/spec.h"
#include "tensor/box.h"

namespace ortho {

// A region of the source, copied onto a region of the target. Extents agree on every dimension the
// source has; along the others the copy repeats.
struct BoxCopy {
  Box from;
  Box to;
};

enum class Start {
  init,      // the weight's own Init
  zero,      // so that nothing changes yet
  identity,  // the map hands its input on
};

struct BoxFill {
  Box to;
  Start start;
};

// What a smaller model keeps of a weight: coordinates of each of its dimensions, ascending. Of a
// dimension that the smaller weight lacks it is coordinate 0.
struct Cutout {
  Shape shape;                                  // of the whole weight; empty: nothing is taken away
  std::vector<std::vector<std::int64_t>> kept;  // per dimension of the whole weight …
  std::vector<int> dim;                         // … that of the smaller one, or -1
};

// Which hidden units and channels stay where a model gets narrower; the first ones if not told.
struct Kept {
  std::vector<std::int64_t> channels;
  double share =
      1;  // of the stream's mean square that these channels bring, as far as weights tell
  std::map<std::string, std::vector<std::int64_t>>
      units;  // by sublayer: "block.0.axis.1", "block.0"
};

// One weight of the new model: copies and fills tile it, each element lies in exactly one.
struct ParamGrowth {
  ParamSpec spec;               // of the new model
  std::string source;           // weight of the old model; empty: all of it is new
  Cutout cutout;                // taken from that weight first; shapes and copies are of what stays
  Shape source_shape;           // of that weight, or of what stays of it
  std::vector<int> source_dim;  // per dimension: the source's dimension, or -1: it repeats
  std::vector<BoxCopy> copies;
  std::vector<BoxFill> fills;
  double scale = 1;  // times the copied values; moments are copied as they are
};

// On which input the new model computes what the old one did. All speak of the logits both models
// have, on input the old model can read, without dropout.
enum class PromiseKind {
  everywhere,      // any input
  old_modalities,  // any input; only modalities were added
  window_start,    // causal: input of the old length at the start of the window
  halves,          // grids: f([x, y]) = [f(x), f(y)] along every axis that was lengthened or added
  none,            // the outputs change
};

struct Promise {
  PromiseKind kind = PromiseKind::everywhere;
  double tolerance = 0;  // of max |difference of logits|, as a share of the largest |logit|
  std::string reason;    // why the tolerance is not 0, or why nothing is promised
};

struct GrowPlan {
  ModelSpec from, to;
  std::vector<ParamGrowth> params;  // in the order of param_specs(to)
  Promise promise;
  std::vector<std::string> lines;  // for people: "token axis 2 of size 4 added outermost: …"
};

// Error(usage) naming both values, and what would work, when `to` does not grow out of `from`.
// `kept` comes from choose_kept (model/shrink.h) where a model gets narrower.
GrowPlan plan_growth(const ModelSpec& from, const ModelSpec& to, const Kept& kept = {});
// Whether `to` has less of anything than `from`.
bool shrinks(const ModelSpec& from, const ModelSpec& to);

// Where the channels are cut into another number of parts, ranks share the sums over hidden units
// in another way, and what was exact is so up to rounding.
void loosen_for(const Cuts& before, const Cuts& after, Promise& promise);

// How a promise is checked: the new window holds promise_parts old windows (1 unless `halves`), and
// token `token` of the old window number `part` is this token of the new window.
std::int64_t promise_parts(const GrowPlan& plan);
std::int64_t promised_token(const GrowPlan& plan, std::int64_t part, std::int64_t token);
std::string promise_text(const Promise& promise);  // "unchanged at the start of the window, …"

// Hands over the elements of a Box of the old weight `source`, or of one of its moments, row-major
// and dense: from memory or from a file.
template <class T>
using BoxSource = std::function<void(const std::string& source, const Box& box, T* out)>;

// The elements of `box` of one new weight, row-major and dense. Reads what they need of the old
// weight; what is new is drawn by its place in the whole weight, so no mesh changes it.
template <class T>
void grow_values(const ParamGrowth& growth, const Box& box, std::uint64_t seed,
                 const BoxSource<T>& old_values, T* out);

// The same of an optimizer moment: copied to the bit, zero where the weight is new. A scaled gain
// g' = a * g keeps its moments too, although its gradients are 1/a times larger from now on: Adam's
// step does not depend on that scale, and its averages forget it within 1 / (1 - beta2) steps.
template <class T>
void grow_moments(const ParamGrowth& growth, const Box& box, const BoxSource<T>& old_moments,
                  T* out);

// All that this rank holds of the new weights, from whole old ones in memory.
template <class T>
void apply_growth(const GrowPlan& plan, const Params<T>& old_params, Params<T>& new_params,
                  std::uint64_t seed);

// How many updates each part of a weight has seen. Regions tile the weight.
struct Region {
  Box box;
  std::int64_t steps = 0;
  bool operator==(const Region&) const = default;
};
using Regions = std::vector<Region>;      // of one weight
using StepCounts = std::vector<Regions>;  // of all weights, in the order of param_specs

StepCounts no_steps(const std::vector<ParamSpec>& specs);  // one region each, never updated
void add_steps(StepCounts& counts, std::int64_t steps);    // all weights were updated
StepCounts grow_steps(const GrowPlan& plan, const StepCounts& old_counts);  // new parts get 0
// Error(data) naming the weight and the first gap or overlap unless the regions tile the shape.
void check_regions(const std::string& name, const Shape& shape, const Regions& regions);

}  // namespace ortho
