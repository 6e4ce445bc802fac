// Params: every weight of a model by name, and where its numbers lie.
//
// param_specs() is a pure function of the spec: planner, growth, checkpoints and the model agree by
// it. Each dimension says what it stands for, so that growth is a rule per kind of dimension and
// not per layer. A rank holds its Box of each weight. All values lie in one arena, all gradients in
// another: those that the same ranks hold side by side, in the order of the list.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "comm/layout.h"
#include "core/random.h"
#include "model/spec.h"
#include "tensor/box.h"
#include "tensor/buffer.h"
#include "tensor/shape.h"

namespace ortho {

// What a dimension of a weight array counts.
enum class DimKind {
  channel,   // C of the residual stream
  hidden,    // E
  half,      // 2, with a gate: u and v, each with all units of the dimension that follows
  width,     // width of the tables and heads
  tap,       // offset d = 0 … s_i - 1 of causal wiring (by offset)
  axis_in,   // coordinate k of the mapped axis
  axis_out,  // coordinate j of the mapped axis
  line,      // coordinate on an axis that is not mapped: separate weights
  head,      // group of channels with weights of its own, or head of attention
  symbol,    // row of a symbol table, or column of a symbol head
  word,      // row of the word table
  place,     // row of a position table
  item,      // row of the item table
  modality,  // row of the modality table, or column of its head
};

struct Dim {
  DimKind kind;
  std::int64_t size;
  // Of tap, axis_in, axis_out, line and head: the token axis from the innermost; -1: the channel axis.
  int axis = -1;
};

enum class Role {
  table,  // embeddings
  gain,   // of a norm
  bias,
  map,    // the axis map, W1; `in` and pre maps too
  score,  // what attention weighs tokens by: query, key and bias
  out,    // W2: what leads a sublayer's result back into the residual stream; post map
  head,   // to symbols
};

// smooth: each column a wave over the rows, so that rows of neighbouring levels are alike.
enum class Initial { zero, one, normal, identity, smooth };

struct Init {
  Initial fill = Initial::zero;
  double std = 0;  // of normal and smooth
};

struct ParamSpec {
  std::string name;       // "block.0.axis.1.w1"
  std::vector<Dim> dims;  // row-major, outermost first
  Role role;
  Init init;
  bool decay;  // weight decay applies
  // Below 1 the weight is sparse: an element that is 0 is closed, no update moves it. There is no
  // other mask. At the start an element is open with this chance.
  double density = 1;
  bool sparse() const { return density < 1; }
  Shape shape() const;
};

// What an opened connection starts at, with either sign: no float sum sees it.
constexpr double kOpened = 1e-30;

// Whom to open first, and whom to close last, by chance: the order of random.bits(index), lowest
// first. A weight's first draw opens those below its density, so the sets of a higher and of a lower
// density are nested.
Random opening_order(const ParamSpec& spec, std::uint64_t seed, std::int64_t step = 0);

// u's units and then v's as one dimension: how the maps see it. The same numbers in the same order.
Shape merge_halves(const std::vector<Dim>& dims, const Shape& shape);

// Leads the names of a block's weights: "block.0", those of its further branches "block.0.branch.1".
std::string block_name(std::int64_t block, std::int64_t branch);

std::vector<ParamSpec> param_specs(const ModelSpec& spec);  // checks the spec first
std::int64_t count_weights(const std::vector<ParamSpec>& specs);

// Element `index` (row-major, global) of a freshly
// initialised array: a function of (seed, name, index).
double initial_value(const ParamSpec& spec, std::uint64_t seed, std::int64_t index);
// Elements first … first + count - 1.
template <class T>
void initial_values(const ParamSpec& spec, std::uint64_t seed, std::int64_t first,
                    std::int64_t count, T* out);

template <class T>
struct Param {
  ParamSpec spec;       // of the whole weight
  Box box;              // what this rank holds of it, row-major and dense
  size_t group;         // whose arena range it lies in
  std::int64_t offset;  // first element in the arenas
  std::int64_t size;    // elements of the box
  T* value;
  T* grad;
  bool trained = true;  // in this step; false: stays, and the backward pass leaves its gradient 0
};

// Weights that the same ranks hold copies of. Each of them keeps the moments of an equal part of
// the group, its own, and updates that part.
struct ParamGroup {
  std::vector<int> replicas;  // ranks with the same numbers, ascending, this one among them
  Range arena;                // elements of the arenas
  Range own;                  // this rank's part of them
  std::int64_t first_moment;  // where the part begins in an array of all own parts
};

template <class T>
class Params {
 public:
  // All zero, whole, on one rank. With `measure` nothing is allocated and every pointer is null:
  // for the planner.
  explicit Params(std::vector<ParamSpec> specs, bool measure = false);
  // The part of `rank`; a layout a weight, all of one mesh.
  Params(std::vector<ParamSpec> specs, const std::vector<Layout>& layouts, int rank,
         bool measure = false);
  void initialise(std::uint64_t seed);  // initial_value of every element held

  Param<T>& at(const std::string& name);  // ASSERTs that it exists
  bool has(const std::string& name) const;
  std::vector<Param<T>>& all() { return params_; }  // in the order of the specs
  const std::vector<Param<T>>& all() const { return params_; }
  const std::vector<ParamGroup>& groups() const { return groups_; }
  Range own(const Param<T>& param) const;              // elements of the box that this rank updates
  std::int64_t size() const { return size_; }          // elements held
  std::int64_t own_size() const { return own_size_; }  // elements of all own parts
  // The place of element `index` of the box in an array of all own parts; it must be an own one.
  std::int64_t moment_of(const Param<T>& param, std::int64_t index) const;
  std::span<T> values() { return values_.span(); }
  std::span<T> grads() { return grads_.span(); }
  void zero_grads();

 private:
  std::vector<Param<T>> params_;
  std::vector<ParamGroup> groups_;
  std::map<std::string, size_t> index_;
  std::int64_t size_ = 0, own_size_ = 0;
  Buffer<T> values_, grads_;
};

}  // namespace ortho
