// Params: every weight of a model by name, and where its numbers lie.
//
// param_specs() is a pure function of the spec: planner, growth, checkpoints and the model agree by
// it. Each dimension says what it stands for, so that growth is a rule per kind of dimension and
// not per layer. All values lie in one arena, all gradients in another, in the order of the list.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/random.h"
#include "model/spec.h"
#include "tensor/buffer.h"
#include "tensor/shape.h"

namespace ortho {

// What a dimension of a weight array counts.
enum class DimKind {
  channel,   // C of the residual stream
  hidden,    // E
  gated,     // 2E: u's E columns, then v's
  width,     // width of the tables and heads
  tap,       // offset d = 0 … s_i - 1 of causal wiring (by offset)
  axis_in,   // coordinate k of the mapped axis
  axis_out,  // coordinate j of the mapped axis
  line,      // coordinate on an axis that is not mapped: separate weights
  symbol,    // row of a symbol table, or column of a symbol head
  place,     // row of a position table
  item,      // row of the item table
  modality,  // row of the modality table, or column of its head
};

struct Dim {
  DimKind kind;
  std::int64_t size;
  // For tap, axis_in, axis_out and line: the token axis counted from the innermost, or -1: channels.
  int axis = -1;
};

enum class Role {
  table,  // embeddings
  gain,   // of a norm
  map,    // the axis map, W1; `in` and pre maps too
  out,    // W2: what leads a sublayer's result back into the residual stream; post map
  head,   // to symbols
};

enum class Fill { zero, one, normal, identity };

struct Init {
  Fill fill = Fill::zero;
  double std = 0;  // of normal
};

struct ParamSpec {
  std::string name;       // "block.0.axis.1.w1"
  std::vector<Dim> dims;  // row-major, outermost first
  Role role;
  Init init;
  bool decay;  // weight decay applies
  Shape shape() const;
};

std::vector<ParamSpec> param_specs(const ModelSpec& spec);  // checks the spec first
std::int64_t count_weights(const std::vector<ParamSpec>& specs);

// Element `index` (row-major, global) of a freshly
// initialised array: a function of (seed, name, index).
double initial_value(const ParamSpec& spec, std::uint64_t seed, std::int64_t index);

template <class T>
struct Param {
  ParamSpec spec;
  std::int64_t offset;  // first element in the arenas
  std::int64_t size;    // elements
  T* value;
  T* grad;
};

template <class T>
class Params {
 public:
  // All zero. With `measure` nothing is allocated and every pointer is null: for the planner.
  explicit Params(std::vector<ParamSpec> specs, bool measure = false);
  void initialise(std::uint64_t seed);  // initial_value of every element

  Param<T>& at(const std::string& name);  // ASSERTs that it exists
  bool has(const std::string& name) const;
  std::vector<Param<T>>& all() { return params_; }
  const std::vector<Param<T>>& all() const { return params_; }
  std::int64_t size() const { return values_.size(); }
  std::span<T> values() { return values_.span(); }
  std::span<T> grads() { return grads_.span(); }
  void zero_grads();

 private:
  std::vector<Param<T>> params_;
  std::map<std::string, size_t> index_;
  Buffer<T> values_, grads_;
};

}  // namespace ortho
