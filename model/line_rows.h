// LineRows: the lines of a LineMap, each gathered into one row, for maps that are not causal.
//
//   rows [(all other axes, b)][s_a * … * channels], the axes of the map row-major
//
// Neighbouring axes of the map are one axis; each run of them is gathered on its own, the innermost
// first, so that a set with a gap takes as many passes as it has runs.
#pragma once

#include <cstdint>
#include <vector>

#include "model/line_map.h"
#include "tensor/backend.h"

namespace ortho {

template <class T>
class LineRows {
 public:
  // `axes`: the token axes of the tensor, of which the map's are whole.
  LineRows(const Shape& axes, const LineMap& map, Backend<T>& backend);
  bool needs_between() const { return runs_.size() > 1; }
  // `between` has room for the tensor where it is needed; else it is not touched.
  void gather(const Nodes& nodes, const T* x, T* rows, T* between) const;
  void scatter(const Nodes& nodes, T* rows, T* x, T* between) const;  // uses up the rows

 private:
  // The tensor before run `i` is gathered: rows of a token axis less for each run before.
  Nodes before(const Nodes& nodes, size_t i) const;
  std::vector<Lines> runs_;  // the innermost first
  Backend<T>& backend_;
};

}  // namespace ortho
