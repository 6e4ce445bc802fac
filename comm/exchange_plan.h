// Plan: which Boxes of its array this rank sends to whom and gets from whom, so that each rank's
// target array T x is filled from the ranks' source arrays x.
//
// A pure function of shapes, layouts and the rank. The same plan read backwards is the adjoint:
// T* y brings the targets' elements back and adds what meets, in rank order. So one plan serves
// forward and backward, and the backward of "every rank gets all" is the reduce-scatter of partial
// sums. What a rank has itself it copies and never sends.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "comm/channel.h"
#include "comm/layout.h"

namespace ortho {

constexpr std::int64_t kPlaceBytes = 128 << 10;  // runs from here on are not packed
// From here on a message is sent even to a rank of the same node: to pack it where that rank reads
// it costs more (docs/performance.md, section 11).
constexpr std::int64_t kSendBytes = 4 << 20;

enum class Way {
  forward,   // from source to target
  backward,  // from target to source, its adjoint
};

// What goes to or comes from one rank, or what the rank keeps (rank is its own).
//
// It travels in pieces of equal size. Where the runs that are contiguous at both ends are long,
// each is a piece, sent from and received into the arrays; else there is one piece, packed where it
// is no run of the array.
struct Message {
  int rank = 0;
  std::vector<Box> boxes;     // of the local array, one after the other; within a Box row-major
  std::int64_t elements = 0;  // of all boxes
  std::int64_t piece = 0;     // elements of each piece
  std::int64_t offset = 0;    // in the side's packed buffer; the own one has none
  bool in_place = false;      // the pieces are runs of the local array
  // The same elements at the far end: its local array, and its Boxes one for one. A rank on the
  // same node copies from there without packing.
  Shape far_shape;
  std::vector<Box> far_boxes;
};

// One end of a plan: the local array and the messages that leave or reach it.
struct Side {
  Shape shape;
  std::vector<Message> messages;  // ascending by rank; pairs of ranks without elements have none
  std::int64_t packed = 0;        // elements of all messages but the own one
  bool disjoint = true;           // no element is in two messages
  bool full = true;               // every element is in one
};

struct Plan {
  int rank = 0;
  int ranks = 1;
  int element_bytes = 4;
  Side source, target;
  std::uint64_t hash = 0;  // of all that the ranks must agree on

  const Side& from(Way way) const { return way == Way::forward ? source : target; }
  const Side& into(Way way) const { return way == Way::forward ? target : source; }
  std::int64_t workspace() const { return source.packed + target.packed; }  // elements
  std::int64_t sent_bytes(Way way) const { return from(way).packed * element_bytes; }
  std::int64_t sent_messages(Way way) const;  // pieces
};

// What goes out on the two levels of the machine.
struct Traffic {
  std::int64_t messages = 0, bytes = 0;
};
struct LevelTraffic {
  Traffic node;     // for ranks of the same node, which read it, once each, if it is not too long
  Traffic network;  // sent as messages
};
// nodes[r]: the node of rank r (Channel::nodes); empty if ranks of one node send messages too.
LevelTraffic sent_traffic(const Plan& plan, Way way, std::span<const int> nodes);

// From one layout to another of the same mesh, for an array of any kind. A rank takes what it lacks
// from the rank that has its own coordinate on all mesh axes that replicate in `from`. Backward,
// the parts of those who took from this rank are added.
Plan plan_exchange(const Shape& shape, const Layout& from, const Layout& to, int rank,
                   int element_bytes);

// The rows before the own ones, for causal taps along the token axis `last`, or for their mirror
// image the rows after them. A tap shifts the axes
// up to `last`, with carry, and none inside it: `first` … `last` are counted as one axis of rows,
// those inside stay apart and may be cut.
struct Halo {
  int first = 0;          // the innermost axis outside `last` that is cut; those between are whole
  int last = 0;           // the axis of the taps, whole
  std::int64_t rows = 0;  // how far the taps reach: at most one step of `first`
  bool ahead = false;     // the rows after the own ones
};

// As an array of shape flat_shape(nodes, first, last), with `rows` rows: target row q of an outer
// coordinate is row (first own one - rows + q), counted through all outer coordinates, and zero
// before the start; ahead: row (last own one + 1 + q), and zero behind the end.
Plan plan_halo(const NodeShape& nodes, const Layout& layout, const Halo& halo, int rank,
               int element_bytes);
// [s_1]…[s_first * … * s_last]…[s_n][B][C], and `box` in that shape.
Shape flat_shape(const NodeShape& nodes, int first, int last);
Box flat_box(const NodeShape& nodes, int first, int last, const Box& box);

// All ranks must have planned the same; else Error(usage) names `what` and the ranks. Collective.
void check_plan(Channel& channel, const Plan& plan, const std::string& what);

}  // namespace ortho
