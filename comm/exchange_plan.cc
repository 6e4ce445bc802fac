#include "comm/exchange_plan.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "comm/agree.h"
#include "core/error.h"

namespace ortho {
namespace {

// A region of the global array and where it lies in a rank's target array.
struct Part {
  Box box;
  Index at;
};
struct Target {
  Shape shape;
  std::vector<Part> parts;  // disjoint in the target; what they leave out is zero
};

// What the pure planning of one move knows.
struct Move {
  const Layout& from;
  std::function<Box(int)> source;     // of a rank
  std::function<Target(int)> target;  // of a rank
  int element_bytes;
};

// `rank` takes from `other` only if both have the same coordinate on all axes that replicate.
bool serves(const Layout& from, int other, int rank) {
  const std::vector<int> a = from.mesh().coordinate(other), b = from.mesh().coordinate(rank);
  for (size_t m = 0; m < a.size(); ++m)
    if (from.cuts()[m] == kReplicates && a[m] != b[m]) return false;
  return true;
}

Index negative(Index index) {
  for (std::int64_t& entry : index) entry = -entry;
  return index;
}

// Elements of the runs of a Box of extent `size` that are contiguous in arrays of both shapes.
std::int64_t shared_run(const Shape& size, const Shape& a, const Shape& b) {
  std::int64_t run = 1;
  for (size_t axis = size.size(); axis-- > 0;) {
    run *= size[axis];
    if (size[axis] != a[axis] || size[axis] != b[axis]) break;
  }
  return run;
}

bool meet(const Box& a, const Box& b) {
  for (size_t axis = 0; axis < a.lo.size(); ++axis)
    if (std::max(a.lo[axis], b.lo[axis]) >= std::min(a.hi[axis], b.hi[axis])) return false;
  return true;
}

bool any_overlap(const std::vector<Message>& messages) {
  std::vector<const Box*> boxes;
  for (const Message& message : messages)
    for (const Box& box : message.boxes) boxes.push_back(&box);
  for (size_t i = 0; i < boxes.size(); ++i)
    for (size_t j = i + 1; j < boxes.size(); ++j)
      if (meet(*boxes[i], *boxes[j])) return true;
  return false;
}

void finish_side(Side& side, int rank) {
  std::int64_t all = 0;
  for (Message& message : side.messages) {
    all += message.elements;
    if (message.rank == rank) continue;
    message.offset = side.packed;
    side.packed += message.elements;
  }
  const std::int64_t size = elements(side.shape);
  side.disjoint = all <= size && !any_overlap(side.messages);
  side.full = side.disjoint && all == size;  // else zeroed before it is filled
}

// The message of the rank with `source` to the rank with `target`, as Boxes of the array of either;
// `other` is the far end.
Message message_between(const Box& source, const Target& target, bool at_source, int other,
                        int element_bytes) {
  Message message;
  message.rank = other;
  const Shape source_shape = extent(source);
  for (const Part& part : target.parts) {
    const Box shared = intersect(source, part.box);
    if (is_empty(shared)) continue;
    const Box at_from = shift(shared, negative(source.lo));
    const Box at_into = shift(shift(shared, negative(part.box.lo)), part.at);
    message.boxes.push_back(at_source ? at_from : at_into);
    message.far_boxes.push_back(at_source ? at_into : at_from);
    message.elements += elements(shared);
  }
  message.far_shape = at_source ? target.shape : source_shape;
  message.piece = message.elements;
  if (message.boxes.size() != 1) return message;
  const Shape size = extent(message.boxes[0]);
  const Shape& own_shape = at_source ? source_shape : target.shape;
  const std::int64_t run = shared_run(size, source_shape, target.shape);
  if (run * element_bytes >= kPlaceBytes) message.piece = run;
  message.in_place = message.piece < message.elements ||
                     shared_run(size, own_shape, own_shape) == message.elements;
  return message;
}

// `others`: those that may have something for this rank, or it for them, rising.
Plan plan_move(const Move& move, int rank, const std::vector<int>& others) {
  const int ranks = move.from.mesh().ranks();
  ASSERT(rank >= 0 && rank < ranks && move.element_bytes > 0, "rank ", rank, " of ", ranks);
  Plan plan;
  plan.rank = rank;
  plan.ranks = ranks;
  plan.element_bytes = move.element_bytes;
  const Box own_source = move.source(rank);
  const Target own_target = move.target(rank);
  plan.source.shape = extent(own_source);
  plan.target.shape = own_target.shape;
  for (const int other : others) {
    if (serves(move.from, rank, other)) {
      Message out =
          message_between(own_source, move.target(other), true, other, move.element_bytes);
      if (out.elements > 0) plan.source.messages.push_back(std::move(out));
    }
    if (serves(move.from, other, rank)) {
      Message in =
          message_between(move.source(other), own_target, false, other, move.element_bytes);
      if (in.elements > 0) plan.target.messages.push_back(std::move(in));
    }
  }
  finish_side(plan.source, rank);
  finish_side(plan.target, rank);
  return plan;
}

// FNV-1a over 64-bit words.
class Hash {
 public:
  void add(std::int64_t word) {
    for (int byte = 0; byte < 8; ++byte) {
      value_ ^= static_cast<std::uint64_t>(word >> (8 * byte)) & 0xff;
      value_ *= 0x100000001b3u;
    }
  }
  void add(const Shape& shape) {
    add(static_cast<std::int64_t>(shape.size()));
    for (const std::int64_t size : shape) add(size);
  }
  void add(const Layout& layout) {
    add(static_cast<std::int64_t>(layout.cuts().size()));
    for (size_t m = 0; m < layout.cuts().size(); ++m) {
      add(layout.mesh().axes()[m].ranks);
      add(layout.cuts()[m]);
    }
  }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325u;
};

// The regions that fill the rows of a halo: in the own row first, then, for own coordinates 0, the
// end of the row before, with the carry from axis to axis. `own` is in the flat shape.
Target halo_target(const Shape& flat, const Halo& halo, const Box& own) {
  const auto axis = static_cast<size_t>(halo.first);
  const std::int64_t reach = halo.rows, first = own.lo[axis];
  Target target{extent(own), {}};
  target.shape[axis] = reach;
  if (is_empty(own)) return target;

  Part in_row{own, Index(flat.size(), 0)};
  in_row.box.lo[axis] = std::max<std::int64_t>(0, first - reach);
  in_row.box.hi[axis] = first;
  in_row.at[axis] = in_row.box.lo[axis] - (first - reach);
  target.parts.push_back(in_row);
  if (first > 0 || reach == 0) return target;

  Part before{own, Index(flat.size(), 0)};
  before.box.lo[axis] = flat[axis] - reach;
  before.box.hi[axis] = flat[axis];
  for (size_t outer = axis; outer-- > 0;) {
    Part carried = before;  // one step back on `outer`; the axes between stand at their last
    carried.box.lo[outer] = std::max<std::int64_t>(0, own.lo[outer] - 1);
    carried.box.hi[outer] = own.hi[outer] - 1;
    carried.at[outer] = carried.box.lo[outer] + 1 - own.lo[outer];
    target.parts.push_back(carried);
    if (own.lo[outer] > 0) break;  // no own coordinate 0: nothing to carry further
    before.box.lo[outer] = flat[outer] - 1;
    before.box.hi[outer] = flat[outer];
  }
  return target;
}

// The same box seen from the end of the axes up to `last`.
Box mirrored(const Shape& shape, size_t last, Box box) {
  for (size_t axis = 0; axis <= last; ++axis) {
    const std::int64_t lo = box.lo[axis];
    box.lo[axis] = shape[axis] - box.hi[axis];
    box.hi[axis] = shape[axis] - lo;
  }
  return box;
}

// Seen from the end, the rows after the own ones are those before them.
Target halo_ahead(const Shape& flat, const Halo& halo, const Box& own) {
  const auto axis = static_cast<size_t>(halo.first);
  Target target = halo_target(flat, halo, mirrored(flat, axis, own));
  for (Part& part : target.parts) {
    const Box placed = shift(whole(extent(part.box)), part.at);
    part.at = mirrored(target.shape, axis, placed).lo;
    part.box = mirrored(flat, axis, part.box);
  }
  return target;
}

}  // namespace

std::int64_t Plan::sent_messages(Way way) const {
  return sent_traffic(*this, way, {}).network.messages;
}

LevelTraffic sent_traffic(const Plan& plan, Way way, std::span<const int> nodes) {
  LevelTraffic sent;
  const auto node = [&](int rank) { return nodes[static_cast<size_t>(rank)]; };
  for (const Message& message : plan.from(way).messages) {
    if (message.rank == plan.rank) continue;
    const bool near = !nodes.empty() && node(message.rank) == node(plan.rank);
    Traffic& level = near ? sent.node : sent.network;
    const std::int64_t bytes = message.elements * plan.element_bytes;
    level.messages += near && bytes < kSendBytes ? 1 : message.elements / message.piece;
    level.bytes += bytes;
  }
  return sent;
}

Plan plan_exchange(const Shape& shape, const Layout& from, const Layout& to, int rank,
                   int element_bytes) {
  ASSERT(from.mesh().ranks() == to.mesh().ranks(), "a move between the meshes ",
         mesh_text(from.mesh()), " and ", mesh_text(to.mesh()));
  const auto source = [&](int of) { return from.box(shape, of); };
  const auto target = [&](int of) {
    const Box box = to.box(shape, of);
    return Target{extent(box), {{box, Index(shape.size(), 0)}}};
  };
  Plan plan = plan_move({from, source, target, element_bytes}, rank, move_ranks(from, to, rank));
  Hash hash;
  hash.add(shape);
  hash.add(from);
  hash.add(to);
  hash.add(element_bytes);
  plan.hash = hash.value();
  return plan;
}

Shape flat_shape(const NodeShape& nodes, int first, int last) {
  return flat_box(nodes, first, last, whole(nodes.shape)).hi;
}

Box flat_box(const NodeShape& nodes, int first, int last, const Box& box) {
  ASSERT(first >= 0 && first <= last && last < nodes.token_axes(), "a halo of axes ", first, " to ",
         last, " of ", shape_text(nodes.shape));
  const auto merged = static_cast<size_t>(first);
  std::int64_t step = 1;  // rows of one step of `first`
  for (int axis = first + 1; axis <= last; ++axis) {
    const auto inner = static_cast<size_t>(axis);
    REQUIRE(box.lo[inner] == 0 && box.hi[inner] == nodes.shape[inner], "a halo along ",
            nodes.name(first), " needs ", nodes.name(axis), " whole, but it is cut");
    step *= nodes.shape[inner];
  }
  Box flat = box;
  flat.lo[merged] *= step;
  flat.hi[merged] *= step;
  for (Index* corner : {&flat.lo, &flat.hi})
    corner->erase(corner->begin() + first + 1, corner->begin() + last + 1);
  return flat;
}

Plan plan_halo(const NodeShape& nodes, const Layout& layout, const Halo& halo, int rank,
               int element_bytes) {
  const Shape flat = flat_shape(nodes, halo.first, halo.last);
  const auto axis = static_cast<size_t>(halo.first);
  REQUIRE(halo.rows >= 0 && halo.rows * nodes.shape[axis] <= flat[axis], "a halo of ", halo.rows,
          " rows is longer than a step of ", nodes.name(halo.first), ", ",
          flat[axis] / nodes.shape[axis], " rows");
  const auto source = [&](int of) {
    return flat_box(nodes, halo.first, halo.last, layout.box(nodes.shape, of));
  };
  const auto target = [&](int of) {
    return halo.ahead ? halo_ahead(flat, halo, source(of)) : halo_target(flat, halo, source(of));
  };
  std::vector<int> all(static_cast<size_t>(layout.mesh().ranks()));
  std::iota(all.begin(), all.end(), 0);
  Plan plan = plan_move({layout, source, target, element_bytes}, rank, all);
  Hash hash;
  hash.add(nodes.shape);
  hash.add(layout);
  for (const std::int64_t word :
       {std::int64_t{halo.first}, std::int64_t{halo.last}, halo.rows, std::int64_t{halo.ahead}})
    hash.add(word);
  hash.add(element_bytes);
  plan.hash = hash.value();
  return plan;
}

void check_plan(Channel& channel, const Plan& plan, const std::string& what) {
  ASSERT(channel.ranks() == plan.ranks && channel.rank() == plan.rank, "the plan of rank ",
         plan.rank, " of ", plan.ranks, " on rank ", channel.rank(), " of ", channel.ranks());
  require_same(channel, text("the plan of ", what), text(std::hex, plan.hash));
}

}  // namespace ortho
