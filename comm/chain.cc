#include "comm/chain.h"

#include <algorithm>
#include <limits>

#include "core/error.h"

namespace ortho {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

bool leaves_whole(const Layout& layout, const std::vector<int>& axes) {
  return std::all_of(axes.begin(), axes.end(), [&](int axis) { return layout.parts(axis) == 1; });
}

std::string names_text(const NodeShape& nodes, const std::vector<int>& axes) {
  std::string names;
  for (const int axis : axes) names += (names.empty() ? "" : ", ") + nodes.name(axis);
  return names;
}

}  // namespace

double plan_sec(const Plan& plan, const LinkCost& link) {
  return link.message_sec * static_cast<double>(plan.sent_messages(Way::forward)) +
         link.byte_sec * static_cast<double>(plan.sent_bytes(Way::forward));
}

double move_sec(const Shape& shape, const Layout& from, const Layout& to, const LinkCost& link,
                int element_bytes) {
  if (from.cuts() == to.cuts()) return 0;
  double most = 0;
  // The first rank has the largest part of every cut, the last keeps least of its own.
  for (const int rank : {0, from.mesh().ranks() - 1})
    most = std::max(most, plan_sec(plan_exchange(shape, from, to, rank, element_bytes), link));
  return most;
}

ChainPath cheapest_chain(const NodeShape& nodes, std::span<const Layout> candidates,
                         std::span<const std::vector<int>> whole, size_t begin, size_t end,
                         const LinkCost& link, int element_bytes, const MapSec& map_sec) {
  const size_t count = candidates.size();
  ASSERT(begin < count && end < count, "ends ", begin, ", ", end, " of ", count, " layouts");
  std::vector<double> edge(count * count);  // [from][to]
  for (size_t from = 0; from < count; ++from)
    for (size_t to = 0; to < count; ++to)
      edge[from * count + to] =
          move_sec(nodes.shape, candidates[from], candidates[to], link, element_bytes);

  std::vector<double> sec(count, kNever);  // cheapest way to stand in each layout
  sec[begin] = 0;
  std::vector<std::vector<size_t>> came_from;  // by position, then by layout
  for (size_t position = 0; position <= whole.size(); ++position) {
    std::vector<double> next(count, kNever);
    std::vector<size_t> best(count, 0);
    for (size_t to = 0; to < count; ++to) {
      const bool last = position == whole.size();
      if (last ? to != end : !leaves_whole(candidates[to], whole[position])) continue;
      const double here = last || !map_sec ? 0 : map_sec(position, to);
      for (size_t from = 0; from < count; ++from) {
        const double so_far = sec[from] + edge[from * count + to] + here;
        if (so_far >= next[to]) continue;
        next[to] = so_far;
        best[to] = from;
      }
    }
    REQUIRE(*std::min_element(next.begin(), next.end()) < kNever, "none of the ", count,
            " layouts leaves ", position < whole.size() ? names_text(nodes, whole[position]) : "",
            " whole for map ", position, " of the chain");
    sec = next;
    came_from.push_back(best);
  }

  ChainPath path;
  path.sec = sec[end];
  path.layouts.resize(whole.size());
  size_t here = end;
  for (size_t position = whole.size() + 1; position-- > 0;) {
    const size_t before = came_from[position][here];
    path.moves += candidates[before].cuts() != candidates[here].cuts() ? 1 : 0;
    if (position > 0) path.layouts[position - 1] = before;
    here = before;
  }
  return path;
}

ChainPath cheapest_chain(const NodeShape& nodes, std::span<const Layout> candidates,
                         std::span<const int> axes, size_t begin, size_t end, const LinkCost& link,
                         int element_bytes, const MapSec& map_sec) {
  std::vector<std::vector<int>> whole;
  for (const int axis : axes) whole.push_back({axis});
  return cheapest_chain(nodes, candidates, whole, begin, end, link, element_bytes, map_sec);
}

}  // namespace ortho
