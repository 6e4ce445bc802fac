#include "model/line_map.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"

namespace ortho {
namespace {

// The line map that `axis` belongs to, of those of the axes outside it; else none.
LineMap* map_of_set(const ModelSpec& spec, std::vector<LineMap>& list, size_t axis) {
  if (spec.sets.empty()) return nullptr;
  const auto same = [&](const LineMap& map) {
    return spec.sets[static_cast<size_t>(map.axes.front())] == spec.sets[axis];
  };
  const auto found = std::find_if(list.begin(), list.end(), same);
  return found == list.end() ? nullptr : &*found;
}

void check_columns(const char* field, size_t given, const ModelSpec& spec) {
  REQUIRE(given == 0 || given == spec.tokens.size(), "model.", field, " has ", given,
          given == 1 ? " entry" : " entries", " for the token axes ", shape_text(spec.tokens),
          ": it needs one for each, the outermost first. A stage that adds an axis gives the list "
          "anew.");
}

void check_attention(const ModelSpec& spec) {
  REQUIRE(spec.hidden % spec.heads == 0, "model.heads ", spec.heads, " with hidden ", spec.hidden,
          ": every head of attention has hidden / heads units. Use a divisor of ", spec.hidden,
          ", or hidden ", (spec.hidden / spec.heads + 1) * spec.heads, ".");
}

// Taps may be left out of joint maps along one axis alone.
void check_taps(const ModelSpec& spec, const LineMap& map) {
  const char* what = map.kind == MapKind::attention ? "attention" : "a set of several axes";
  if (map.kind != MapKind::attention && map.axes.size() == 1) return;
  REQUIRE(
      spec.radius == 0, "model.radius ", spec.radius, " with ", what,
      ": a sliding window is for joint maps along one axis, and for map: dense. Use radius: 0.");
  REQUIRE(spec.self == Self::every, "model.self: once with ", what,
          ": it is for joint maps along one axis, and for map: dense. Use self: every.");
}

}  // namespace

bool has_line_maps(const ModelSpec& spec) { return spec.map != MapKind::dense; }

std::vector<LineMap> line_maps(const ModelSpec& spec) {
  std::vector<LineMap> list;
  for (size_t axis = 0; axis < joint_axes(spec).size(); ++axis) {
    const auto number = static_cast<int>(axis);
    if (LineMap* map = map_of_set(spec, list, axis))
      map->axes.push_back(number);
    else
      list.push_back({spec.maps.empty() ? spec.map : spec.maps[axis], {number}});
  }
  std::sort(list.begin(), list.end(),
            [](const LineMap& a, const LineMap& b) { return a.axes.back() < b.axes.back(); });
  return list;
}

std::vector<LineMap> line_maps_in_order(const ModelSpec& spec) {
  std::vector<LineMap> list = line_maps(spec);
  if (spec.sequence == Sequence::descending) std::reverse(list.begin(), list.end());
  return list;
}

bool has_attention(const ModelSpec& spec) {
  if (!has_line_maps(spec)) return false;
  if (spec.maps.empty()) return spec.map == MapKind::attention;
  return std::find(spec.maps.begin(), spec.maps.end(), MapKind::attention) != spec.maps.end();
}

std::string line_map_name(const ModelSpec& spec, const LineMap& map) {
  std::string name = "axis.";
  for (size_t i = map.axes.size(); i-- > 0;)
    name += text(joint_axes(spec).size() - 1 - static_cast<size_t>(map.axes[i]), i > 0 ? "+" : "");
  return name;
}

std::int64_t line_size(const ModelSpec& spec, const LineMap& map) {
  std::int64_t size = 1;
  for (const int axis : map.axes) size *= joint_axes(spec)[static_cast<size_t>(axis)];
  return size;
}

std::int64_t line_reach(const ModelSpec& spec, const LineMap& map) {
  const std::int64_t size = line_size(spec, map);
  return map.axes.size() == 1 ? axis_reach(spec, size) : size - 1;
}

std::vector<int> whole_axes(const ModelSpec& spec, const LineMap& map) {
  if (!carries(spec.wiring)) return map.axes;
  std::vector<int> axes(static_cast<size_t>(map.axes.back() - map.axes.front() + 1));
  std::iota(axes.begin(), axes.end(), map.axes.front());
  return axes;
}

LineSteps::LineSteps(const Shape& axes, const LineMap& map) {
  const Index all = strides(axes);
  for (const int axis : map.axes) {
    sizes_.push_back(axes[static_cast<size_t>(axis)]);
    strides_.push_back(all[static_cast<size_t>(axis)]);
  }
}

std::int64_t LineSteps::operator[](std::int64_t k) const {
  std::int64_t step = 0;
  for (size_t i = sizes_.size(); i-- > 0; k /= sizes_[i]) step += k % sizes_[i] * strides_[i];
  return step;
}

void check_line_maps(const ModelSpec& spec) {
  if (!has_line_maps(spec)) {
    REQUIRE(spec.maps.empty() && spec.sets.empty(), "model.", spec.maps.empty() ? "sets" : "maps",
            " is for map: joint and map: attention, with a sublayer for each axis; map: dense has "
            "all axes in one layer. Leave it out, or choose another map.");
    return;
  }
  check_columns("maps", spec.maps.size(), spec);
  check_columns("sets", spec.sets.size(), spec);
  for (const MapKind kind : spec.maps)
    REQUIRE(kind != MapKind::dense,
            "model.maps: dense is a map of all axes in one layer, so it cannot stand beside joint "
            "and attention. Use map: dense and no maps.");
  for (const LineMap& map : line_maps(spec))
    for (const int axis : map.axes)
      REQUIRE(spec.maps.empty() || spec.maps[static_cast<size_t>(axis)] == map.kind,
              "model.maps differ within set ", spec.sets[static_cast<size_t>(axis)],
              " of model.sets: axes that share a sublayer share its map. Give them one map.");
  REQUIRE(
      spec.heads == 1 || has_attention(spec), "model.heads ", spec.heads,
      " with map: joint: a joint map mixes all channels. Use heads: 1, attention along an axis, "
      "or map: dense.");
  if (has_attention(spec)) check_attention(spec);
  for (const LineMap& map : line_maps(spec)) check_taps(spec, map);
}

}  // namespace ortho
