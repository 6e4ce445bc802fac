// Sharding: how the ranks of a mesh hold one model's nodes, as a pure function of spec, cuts, rank.
//
// "Home" is the layout of the residual stream between blocks. A map that needs a cut axis whole
// runs in another layout of the same mesh (comm/layout.h); the model moves its input there. Mesh
// axes are called like what they cut, the one that sends most innermost, so that its ranks are
// neighbours on a node: batch, s_1 … s_n, channels. A replica's windows stay in one piece so, too.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/layout.h"
#include "model/params.h"
#include "model/spec.h"
#include "tensor/held_rows.h"

namespace ortho {

// Ranks along each axis that is cut.
struct Cuts {
  int batch = 1;
  std::vector<int> tokens;  // outermost axis first, as in ModelSpec; axes beyond the list are whole
  int channels = 1;
  bool operator==(const Cuts&) const = default;
};

Mesh mesh_of(const Cuts& cuts);  // without the axes of one rank

class Sharding {
 public:
  // `windows`: of the whole batch. Error(usage) when an axis is smaller than its cut, with what
  // would work, or when a rank's tokens cannot be numbered with 32 bits.
  Sharding(const ModelSpec& spec, std::int64_t windows, const Cuts& cuts, int rank);
  // In another order than the model's own.
  Sharding(const ModelSpec& spec, std::int64_t windows, const Cuts& cuts, int rank, Order order);
  Sharding(const ModelSpec& spec, std::int64_t windows);  // one rank holds everything

  int rank() const { return rank_; }
  int ranks() const { return mesh().ranks(); }
  const Cuts& cuts() const { return cuts_; }
  const Mesh& mesh() const { return home_.mesh(); }
  const Layout& home() const { return home_; }
  std::int64_t windows() const { return windows_; }

  // The whole tensor with so many channels, and this rank's part of it in a layout.
  NodeShape nodes(std::int64_t channels) const;
  Box box(const Layout& layout, std::int64_t channels) const;
  Nodes local(const Layout& layout, std::int64_t channels) const;
  Shape local_tokens(const Layout& layout) const;  // s_1 … s_n of the part
  // The same rows with all their channels, which the ranks along the channels' mesh axis then hold
  // alike. An exchange from `layout` to it gathers them; read backwards it adds up partial sums.
  Layout whole_channels(const Layout& layout) const;

  // The part's rows in the batch of this rank's replica.
  HeldRows rows(const Layout& layout) const;

  // Which part of the batch this rank holds at home: ranks of one replica hold the same windows.
  int replica() const { return mesh().coordinate_along("batch", rank_); }
  int replicas() const { return cuts_.batch; }
  bool leads_replica() const;  // whether it is the first rank of its replica

 private:
  Shape tokens_;
  std::int64_t windows_;
  Order order_;
  Cuts cuts_;
  int rank_;
  Layout home_;
};

// The dimension of a weight that the mesh axis of the channels cuts, or kReplicates; of a dense map,
// while it runs at home. It cuts the hidden units too, and the symbols that heads predict: W1 leads
// from all channels to a rank's own units, W2 from those to partial sums over all channels. Each
// rank's gradient of what it does not cut is the part that comes from its own units and symbols.
int channel_dim(const ModelSpec& spec, const ParamSpec& param);

// The units of E that this rank holds: a part for each rank along the channels.
Range own_units(const ModelSpec& spec, const Sharding& sharding);
// Of what a map hands to f, the channels that this rank makes: its units of u and of v.
std::int64_t own_gated_width(const ModelSpec& spec, const Sharding& sharding);

// The layout of every weight, in the order of param_specs(spec): which of its dimensions the mesh
// cuts. What is not cut is held by all ranks along that mesh axis, and their gradients are added.
std::vector<Layout> param_layouts(const ModelSpec& spec, const Sharding& sharding);

}  // namespace ortho
