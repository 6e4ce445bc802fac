// LineMap: what one sublayer maps along, a token axis or a set of them.
//
// A line of a set is the box that its axes span: tokens that differ in their coordinates only. Every
// token axis belongs to one line map of a block; a chain of them reaches every earlier token in
// causal wiring by exactly one path, whatever the sets are, since t - t' = sum of d_i * stride_i has
// one mixed-radix solution.
#pragma once

#include <string>
#include <vector>

#include "model/spec.h"
#include "tensor/shape.h"

namespace ortho {

struct LineMap {
  MapKind kind = MapKind::joint;
  std::vector<int> axes;  // of joint_axes(spec), ascending: the outermost first
  bool operator==(const LineMap&) const = default;
};

// Those of a block, by their innermost axis, the outermost first.
std::vector<LineMap> line_maps(const ModelSpec& spec);
// The same in the order in which they run.
std::vector<LineMap> line_maps_in_order(const ModelSpec& spec);
bool has_attention(const ModelSpec& spec);

// "axis.0", "axis.0+2": its axes counted from the innermost token axis.
std::string line_map_name(const ModelSpec& spec, const LineMap& map);
std::int64_t line_size(const ModelSpec& spec, const LineMap& map);  // tokens of a line
// The most tokens of a line that the map reaches over: all but one, or as many as the radius says.
std::int64_t line_reach(const ModelSpec& spec, const LineMap& map);

// The axes that a rank must hold whole: causal taps carry through the axes between its own, too.
std::vector<int> whole_axes(const ModelSpec& spec, const LineMap& map);

// How far each token of a line, row-major over the axes of the map, lies from the line's first, in
// tokens of a window with axes `axes`: ascending. The offsets of causal taps are the same numbers.
class LineSteps {
 public:
  LineSteps(const Shape& axes, const LineMap& map);
  std::int64_t count() const { return elements(sizes_); }
  std::int64_t operator[](std::int64_t k) const;
  std::int64_t largest() const { return (*this)[count() - 1]; }

 private:
  Shape sizes_;  // of the axes of the map
  Index strides_;
};

// Error(usage) where `maps`, `sets` and what they meet make no model.
void check_line_maps(const ModelSpec& spec);

}  // namespace ortho
