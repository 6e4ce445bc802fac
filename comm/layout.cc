#include "comm/layout.h"

#include <algorithm>
#include <span>
#include <utility>

#include "core/error.h"

namespace ortho {
namespace {

// The ranks that agree with `rank` on all mesh axes but the `free` ones, ascending.
std::vector<int> ranks_along(const Mesh& mesh, const std::vector<bool>& free, int rank) {
  const std::vector<int> own = mesh.coordinate(rank);
  std::vector<int> members = {0};
  for (size_t m = 0; m < free.size(); ++m) {  // the outermost first: so they rise
    const int ranks = mesh.axes()[m].ranks;
    std::vector<int> inside;
    for (const int member : members)
      for (int at = free[m] ? 0 : own[m]; at <= (free[m] ? ranks - 1 : own[m]); ++at)
        inside.push_back(member * ranks + at);
    members = std::move(inside);
  }
  return members;
}

// "x 2, y 3": the mesh axes that cut `axis`.
std::string cutters(const Layout& layout, int axis) {
  std::string names;
  for (size_t m = 0; m < layout.cuts().size(); ++m) {
    const MeshAxis& own = layout.mesh().axes()[m];
    if (layout.cuts()[m] == axis)
      names += text(names.empty() ? "" : ", ", own.name, ' ', own.ranks);
  }
  return names;
}

// "at most 6 parts; 6, 3, 2 are even"
std::string cuts_that_work(std::int64_t size) {
  std::vector<std::int64_t> even;
  for (std::int64_t parts = size; parts >= 1 && even.size() < 3; --parts)
    if (size % parts == 0) even.push_back(parts);
  return text("at most ", size, " parts; ", list_text(even), " are even");
}

// What stays of `axis` in the largest part.
std::int64_t largest_part(const Shape& shape, const Layout& layout, int axis) {
  const Box first = layout.box(shape, 0);  // split gives the first parts more
  return first.hi[static_cast<size_t>(axis)] - first.lo[static_cast<size_t>(axis)];
}

// The candidates that `parts` more ranks can cut in `layout`, the best first.
std::vector<int> partners(const NodeShape& nodes, const Layout& layout,
                          const std::vector<int>& candidates, int parts) {
  std::vector<int> even, uneven;
  for (const int axis : candidates) {
    const std::int64_t size = nodes.shape[static_cast<size_t>(axis)];
    const std::int64_t all = std::int64_t{layout.parts(axis)} * parts;
    if (size >= all) (size % all == 0 ? even : uneven).push_back(axis);
  }
  std::stable_sort(uneven.begin(), uneven.end(), [&](int a, int b) {
    return largest_part(nodes.shape, layout, a) > largest_part(nodes.shape, layout, b);
  });
  even.insert(even.end(), uneven.begin(), uneven.end());
  return even;
}

// Gives each of the `open` mesh axes a partner. False, and no change, if that cannot be.
bool find_partners(const NodeShape& nodes, const Mesh& mesh, const std::vector<int>& candidates,
                   std::span<const size_t> open, std::vector<int>& cuts) {
  if (open.empty()) return true;
  int& cut = cuts[open.front()];
  const int parts = mesh.axes()[open.front()].ranks;
  for (const int axis : partners(nodes, Layout(mesh, cuts), candidates, parts)) {
    cut = axis;
    if (find_partners(nodes, mesh, candidates, open.subspan(1), cuts)) return true;
  }
  cut = kReplicates;
  return false;
}

}  // namespace

std::string NodeShape::name(int axis) const {
  if (axis == batch_axis()) return "batch";
  if (axis == channel_axis()) return "channels";
  return text("s_", axis + 1);
}

Nodes NodeShape::nodes(const Box& box) const {
  const Shape part = extent(box);
  const auto size = [&](int axis) { return part[static_cast<size_t>(axis)]; };
  const std::int64_t tokens = elements(Shape(part.begin(), part.begin() + token_axes()));
  return {tokens, size(batch_axis()),
          size(channel_axis()) * (halves ? size(channel_axis() - 1) : 1), order};
}

NodeShape node_shape(const Shape& tokens, std::int64_t batch, std::int64_t channels, Order order,
                     bool halves) {
  ASSERT(!halves || channels % 2 == 0, channels, " channels have no halves");
  NodeShape nodes{tokens, order, halves};
  if (order == Order::channels_inner) nodes.shape.push_back(batch);
  if (halves) nodes.shape.push_back(2);
  nodes.shape.push_back(halves ? channels / 2 : channels);
  if (order == Order::batch_inner) nodes.shape.push_back(batch);
  return nodes;
}

Layout::Layout(Mesh mesh, std::vector<int> cuts) : mesh_(std::move(mesh)), cuts_(std::move(cuts)) {
  ASSERT(cuts_.size() == mesh_.axes().size(), cuts_.size(), " cuts for the mesh ",
         mesh_text(mesh_));
}

int Layout::parts(int axis) const {
  int parts = 1;
  for (size_t m = 0; m < cuts_.size(); ++m)
    if (cuts_[m] == axis) parts *= mesh_.axes()[m].ranks;
  return parts;
}

Box Layout::box(const Shape& shape, const std::vector<int>& coordinate) const {
  Box box = whole(shape);
  for (size_t m = 0; m < cuts_.size(); ++m) {
    if (cuts_[m] == kReplicates) continue;
    const auto axis = static_cast<size_t>(cuts_[m]);
    ASSERT(axis < shape.size(), "cut axis ", axis, " of ", shape_text(shape));
    const Range part = split(box.hi[axis] - box.lo[axis], mesh_.axes()[m].ranks, coordinate[m]);
    box.hi[axis] = box.lo[axis] + part.hi;
    box.lo[axis] += part.lo;
  }
  return box;
}

std::vector<int> Layout::replicas(int rank) const {
  std::vector<bool> free;
  for (const int cut : cuts_) free.push_back(cut == kReplicates);
  return ranks_along(mesh_, free, rank);
}

std::string layout_text(const NodeShape& nodes, const Layout& layout) {
  std::string line;
  for (size_t m = 0; m < layout.cuts().size(); ++m) {
    const MeshAxis& own = layout.mesh().axes()[m];
    const int cut = layout.cuts()[m];
    line += text(line.empty() ? "" : ", ", own.name, ' ', own.ranks,
                 cut == kReplicates ? " replicates" : " cuts " + nodes.name(cut));
  }
  return line.empty() ? "1 rank" : line;
}

Layout same_cuts(const Layout& layout, const NodeShape& from, const NodeShape& to) {
  std::vector<int> cuts = layout.cuts();
  for (int& cut : cuts) {
    if (cut == kReplicates) continue;
    if (cut == from.batch_axis())
      cut = to.batch_axis();
    else if (cut >= from.token_axes())
      cut += to.channel_axis() - from.channel_axis();  // the channels, or u and v
    else
      ASSERT(cut < to.token_axes(), "axis ", cut, " of ", shape_text(from.shape), " in ",
             shape_text(to.shape));
  }
  return {layout.mesh(), cuts};
}

void check_layout(const NodeShape& nodes, const Layout& layout) {
  const auto axes = static_cast<int>(nodes.shape.size());
  for (int axis = 0; axis < axes; ++axis) {
    const std::int64_t size = nodes.shape[static_cast<size_t>(axis)];
    const int parts = layout.parts(axis);
    if (parts <= size) continue;
    std::string others;
    for (int other = 0; other < axes; ++other) {
      const std::int64_t room = nodes.shape[static_cast<size_t>(other)] / layout.parts(other);
      if (other != axis && room >= parts)
        others += text(others.empty() ? "" : ", ", nodes.name(other), " (",
                       nodes.shape[static_cast<size_t>(other)], ")");
    }
    REQUIRE(false, nodes.name(axis), " has size ", size, " but the mesh cuts it into ", parts,
            " parts (", cutters(layout, axis), "): some ranks would hold nothing. Cut it into ",
            cuts_that_work(size), ". ",
            others.empty() ? text("No other axis is large enough for ", parts, " parts.")
                           : text("Large enough for ", parts, " parts: ", others, "."));
  }
}

std::optional<Layout> find_lines_layout(const NodeShape& nodes, const Layout& layout,
                                        const std::vector<int>& axes, bool with_batch) {
  const auto is_needed = [&](int axis) {
    return std::find(axes.begin(), axes.end(), axis) != axes.end();
  };
  std::vector<int> candidates;
  for (int token = 0; token < nodes.token_axes(); ++token) candidates.push_back(token);
  candidates.push_back(nodes.channel_axis());
  if (nodes.halves) candidates.push_back(nodes.channel_axis() - 1);
  if (with_batch) candidates.push_back(nodes.batch_axis());
  std::erase_if(candidates, is_needed);
  // A cut that is already there would move too if another nested around it.
  std::stable_partition(candidates.begin(), candidates.end(),
                        [&](int other) { return layout.parts(other) == 1; });

  std::vector<int> cuts = layout.cuts();
  std::vector<size_t> open;  // mesh axes that need a partner
  for (size_t m = 0; m < cuts.size(); ++m) {
    if (!is_needed(cuts[m])) continue;
    cuts[m] = kReplicates;
    open.push_back(m);
  }
  if (!find_partners(nodes, layout.mesh(), candidates, open, cuts)) return std::nullopt;
  return Layout(layout.mesh(), cuts);
}

Layout lines_layout(const NodeShape& nodes, const Layout& layout, const std::vector<int>& axes,
                    bool with_batch) {
  const std::optional<Layout> lines = find_lines_layout(nodes, layout, axes, with_batch);
  if (lines) return *lines;
  std::string needed, ranks;
  for (const int axis : axes) {
    const std::string own = cutters(layout, axis);
    needed += (needed.empty() ? "" : ", ") + nodes.name(axis);
    if (!own.empty()) ranks += (ranks.empty() ? "" : ", ") + own;
  }
  fail(ErrorKind::usage,
       text("a map needs ", needed, " whole, but ", ranks, " finds no axis to cut instead in ",
            shape_text(nodes.shape), " (", layout_text(nodes, layout),
            "): there are fewer lines than ranks. Use fewer ranks along ", ranks,
            ", or a mesh of several smaller axes."));
}

Layout lines_layout(const NodeShape& nodes, const Layout& layout, int axis, bool with_batch) {
  return lines_layout(nodes, layout, std::vector<int>{axis}, with_batch);
}

std::vector<int> move_ranks(const Layout& from, const Layout& to, int rank) {
  const size_t axes = from.cuts().size();
  ASSERT(axes == to.cuts().size() && from.mesh().ranks() == to.mesh().ranks(),
         "a move between the meshes ", mesh_text(from.mesh()), " and ", mesh_text(to.mesh()));
  std::vector<bool> free(axes);
  for (size_t m = 0; m < axes; ++m) {
    free[m] = from.cuts()[m] != to.cuts()[m];
    for (size_t outer = 0; outer < m; ++outer) {
      const bool nests = from.cuts()[m] != kReplicates && (from.cuts()[outer] == from.cuts()[m] ||
                                                           to.cuts()[outer] == from.cuts()[m]);
      free[m] = free[m] || (nests && from.cuts()[outer] != to.cuts()[outer]);
    }
  }
  return ranks_along(from.mesh(), free, rank);
}

std::unique_ptr<Channel> replica_channel(Channel& world, const Layout& layout) {
  ASSERT(world.ranks() == layout.mesh().ranks(), world.ranks(), " ranks for the mesh ",
         mesh_text(layout.mesh()));
  return world.split(layout.replicas(world.rank()).front());
}

}  // namespace ortho
