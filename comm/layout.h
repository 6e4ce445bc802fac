// Layout: which tensor axis each mesh axis cuts, and so which Box of a tensor a rank holds.
//
// Mesh axes that cut the same tensor axis nest in mesh order: the second cuts the parts of the
// first. Sizes need not divide (tensor/box.h, split). A mesh axis that cuts nothing replicates. The
// same Layout serves every Shape with these axes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "comm/mesh.h"
#include "tensor/box.h"
#include "tensor/nodes.h"

namespace ortho {

// An activation tensor as an array: [s_1]…[s_n][B][C], or [s_1]…[s_n][C][B] in batch_inner.
//
// With halves the channels are those of a gate, u's and then v's: two axes, [2] and [C / 2], of
// which the second counts as the channel axis. So a cut of it leaves the same units of u and of v.
struct NodeShape {
  Shape shape;
  Order order = Order::channels_inner;
  bool halves = false;

  int token_axes() const { return static_cast<int>(shape.size()) - (halves ? 3 : 2); }
  int batch_axis() const { return order == Order::batch_inner ? axes() - 1 : token_axes(); }
  int channel_axis() const { return order == Order::batch_inner ? axes() - 2 : axes() - 1; }
  std::string name(int axis) const;   // "s_1", "batch", "channels"
  Nodes nodes(const Box& box) const;  // what lies in a Box

 private:
  int axes() const { return static_cast<int>(shape.size()); }
};
NodeShape node_shape(const Shape& tokens, std::int64_t batch, std::int64_t channels, Order order,
                     bool halves = false);

constexpr int kReplicates = -1;  // in place of a tensor axis

class Layout {
 public:
  // cuts[m]: the tensor axis that mesh axis m cuts, or kReplicates.
  Layout(Mesh mesh, std::vector<int> cuts);

  const Mesh& mesh() const { return mesh_; }
  const std::vector<int>& cuts() const { return cuts_; }
  int parts(int axis) const;  // ranks along all mesh axes that cut `axis`
  Box box(const Shape& shape, const std::vector<int>& coordinate) const;
  Box box(const Shape& shape, int rank) const { return box(shape, mesh_.coordinate(rank)); }
  // The ranks that hold the same Box as `rank`, itself among them, ascending.
  std::vector<int> replicas(int rank) const;

 private:
  Mesh mesh_;
  std::vector<int> cuts_;
};

std::string layout_text(const NodeShape& nodes,
                        const Layout& layout);  // "x 2 cuts s_1, y 3 replicates"

// The layout of `to` in which each mesh axis cuts what it cuts in a layout of `from`: the batch, the
// channels, or the token axis of the same number.
Layout same_cuts(const Layout& layout, const NodeShape& from, const NodeShape& to);

// Error(usage) if an axis is smaller than its cut, with the nearest cuts that work.
void check_layout(const NodeShape& nodes, const Layout& layout);

// The layout in which `axes` are whole, for a map that needs them so: each mesh axis that cuts one
// of them cuts another axis instead. That is the first of the token axes, outermost first, and the
// channels that it divides evenly, uncut ones before cut ones; else the one where most is left; the
// next best where a later mesh axis would find none. The batch only `with_batch`: it would copy
// separate weights. Nothing if there are fewer lines than ranks.
std::optional<Layout> find_lines_layout(const NodeShape& nodes, const Layout& layout,
                                        const std::vector<int>& axes, bool with_batch = false);
// The same; Error(usage) if there is none.
Layout lines_layout(const NodeShape& nodes, const Layout& layout, const std::vector<int>& axes,
                    bool with_batch = false);
Layout lines_layout(const NodeShape& nodes, const Layout& layout, int axis,
                    bool with_batch = false);

// The ranks among which a move between two layouts of one mesh sends messages, as `rank` sees it:
// those that differ from it along mesh axes whose cut changes, or whose outer cut on the same axis
// does. Ascending.
std::vector<int> move_ranks(const Layout& from, const Layout& to, int rank);

// The ranks that hold the same Box of a weight sum its gradient over this. Collective over world.
std::unique_ptr<Channel> replica_channel(Channel& world, const Layout& layout);

}  // namespace ortho
