// JointMap: the map over {token axes of a line, channel axis}, in every wiring and both tensor
// orders. With several token axes d, j and k count the tokens of their box, row-major.
//
//   causal    z[t] = sum_d h[t - step(d)] * W[d]               W [s][C][G], step(d) <= t
//   mirrored  the same for half of G's columns, h[t + step(d)] for the others: docs/layer.md
//   grid      z(j) = sum_k h(k) * W[k][:][j][:] on each line   W [s][C][s][G]; grid_causal: k <= j
//
// A tap is one GEMM from one contiguous run of rows into another: nothing is copied. A grid gathers
// each line into one row and is one GEMM of inner size s * C. Taps beyond the radius are not stored;
// the diagonal and what lies beyond the radius of a grid are never read and get no gradient. Where
// taps reach into another rank, that rank's rows come as a halo beside the own ones.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "model/block_map.h"
#include "model/build.h"
#include "model/channel_weight.h"
#include "model/columns.h"
#include "model/joint_sites.h"
#include "model/line_rows.h"

namespace ortho {

// Buffers that the joint maps of a model use in turn.
template <class T>
struct JointScratch {
  T* rows_in;        // [lines][s * C], of a grid
  T* rows_out;       // [lines][s * G], of a grid
  T* between;        // of lines on their way into rows that are gathered in several passes
  T* halo_gradient;  // of the halo
  OpenRoom<T> open;  // of sparse weights
};
// For the largest of the sites.
template <class T>
JointScratch<T> take_joint_scratch(const Build<T>& build, std::span<const JointSite> sites);

template <class T>
class JointMap final : public BlockMap<T> {
 public:
  // `name` leads the name of its exchange. Collective.
  JointMap(const Build<T>& build, const JointSite& site, Param<T>& weight,
           const JointScratch<T>& scratch, const std::string& name);
  void forward(const T* h, T* z) override;
  void backward(const T* h, const T* dz, T* dh) override;
  void backward_weights(const T* h, const T* dz) override;
  bool by_runs() const override;
  void forward_run(const Range& tokens, const T* h, T* z) override;
  void backward_run(const Range& tokens, const T* dz, T* dh) override;

 private:
  // The taps that look one way, and the columns of G that they make.
  struct Direction {
    bool ahead = false;
    std::vector<Columns<T>> columns = {};  // none where the rank's units all look the other way
    Move<T>* halo = nullptr;
    T* halo_rows = nullptr;  // [segments][reach][B][C] (or [C][B]), kept for backward
    bool makes_all() const { return !columns.empty() && columns.front().all(); }
  };
  void add_halo(const Build<T>& build, const JointSite& site, const std::string& name,
                Direction& direction);
  template <class Act>
  void each_own_tap(const Direction& direction, Act act);
  template <class Act>
  void each_halo_tap(const Direction& direction, Act act);
  // What each tap does: (d, nodes, from, to) as each_own_tap gives them, from `rows` of h.
  auto forward_tap(const Direction& direction, const T* rows, T* z);
  auto backward_tap(const Direction& direction, const T* dz, T* rows);
  void taps_forward(const Direction& direction, const T* h, T* z);
  void taps_backward(const Direction& direction, const T* h, const T* dz, T* dh);
  void taps_backward_weight(const Direction& direction, const T* h, const T* dz);
  void segments_forward(const T* h, T* z);
  void lines_forward();          // rows_in -> rows_out
  void lines_backward();         // rows_out (= dz) -> rows_in (= dh)
  void lines_backward_weight();  // from rows_in, rows_out (= dz)
  bool hears_all() const {
    return wiring_ == Wiring::grid && first_tap_ == 0 && taps_ == steps_.count();
  }
  // act(first, last, add) for the coordinates first <= i < last that meet coordinate `at` of a line:
  // the inputs of an output, or the outputs of an input.
  template <class Act>
  void each_run(std::int64_t at, bool before, bool behind, Act act) const;
  Wiring wiring_;
  std::int64_t first_tap_;  // 1: a node does not hear itself
  std::int64_t taps_;       // that are used: first_tap_ … taps_ - 1
  LineSteps steps_;         // in the local part
  LineRows<T> rows_;
  Nodes nodes_;
  std::int64_t out_;  // of G, what this rank makes
  Param<T>& weight_;
  Backend<T>& backend_;
  JointScratch<T> scratch_;
  const Segments* parts_;              // of the window (model/segments.h), asked at each forward
  std::vector<Direction> directions_;  // of a wiring that carries
  ChannelWeight<T> whole_;             // of one direction alone
  // Coordinates outside the axes that the taps carry over: each has its tokens in one run, and
  // `reach_` tokens of halo beside it, before or after.
  std::int64_t segments_ = 1;
  std::int64_t reach_ = 0;
};

}  // namespace ortho
