// Chain: the layouts in which a chain of maps runs, so that the moves between them cost least.
//
// A map along an axis runs in any layout that leaves the axis whole; going home after every map is
// one way among many. Shortest path over (position in the chain, layout), in one sweep: a pure
// function. With A axes in turn and one of them cut, 1 + 1/(A-1) moves a round, not 2.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "comm/exchange_plan.h"

namespace ortho {

struct LinkCost {
  double message_sec = 5e-6;  // to send one, whatever its size
  double byte_sec = 1e-10;    // 1 / (bytes per second)
};

// Seconds of one plan forward, on the rank that it is of.
double plan_sec(const Plan& plan, const LinkCost& link);

// Seconds of one move on a rank with the largest parts.
double move_sec(const Shape& shape, const Layout& from, const Layout& to, const LinkCost& link,
                int element_bytes);

struct ChainPath {
  std::vector<size_t> layouts;  // of each map: which candidate
  double sec = 0;               // of all moves, to the first and from the last too, and the maps
  int moves = 0;
};

// What the map at a position costs in a candidate beside the moves, such as its halo.
using MapSec = std::function<double(size_t position, size_t candidate)>;

// The cheapest path from candidate `begin` through the maps, one after the other, to candidate
// `end`; whole[i]: the axes that map i needs whole. Equally cheap ones: the lower candidate.
// Error(usage) if no candidate suits one of the maps.
ChainPath cheapest_chain(const NodeShape& nodes, std::span<const Layout> candidates,
                         std::span<const std::vector<int>> whole, size_t begin, size_t end,
                         const LinkCost& link, int element_bytes, const MapSec& map_sec = {});
// For maps that need one axis each.
ChainPath cheapest_chain(const NodeShape& nodes, std::span<const Layout> candidates,
                         std::span<const int> axes, size_t begin, size_t end, const LinkCost& link,
                         int element_bytes, const MapSec& map_sec = {});

}  // namespace ortho
