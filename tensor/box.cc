#include "tensor/box.h"

#include <algorithm>

#include "core/error.h"

namespace ortho {

Box whole(const Shape& shape) { return {Index(shape.size(), 0), shape}; }

Shape extent(const Box& box) {
  Shape result(box.lo.size());
  for (size_t axis = 0; axis < result.size(); ++axis) result[axis] = box.hi[axis] - box.lo[axis];
  return result;
}

std::int64_t elements(const Box& box) { return is_empty(box) ? 0 : elements(extent(box)); }

bool is_empty(const Box& box) {
  for (size_t axis = 0; axis < box.lo.size(); ++axis)
    if (box.hi[axis] <= box.lo[axis]) return true;
  return false;
}

Box intersect(const Box& a, const Box& b) {
  ASSERT(a.lo.size() == b.lo.size(), a.lo.size(), " axes against ", b.lo.size());
  Box result = a;
  for (size_t axis = 0; axis < a.lo.size(); ++axis) {
    result.lo[axis] = std::max(a.lo[axis], b.lo[axis]);
    result.hi[axis] = std::max(result.lo[axis], std::min(a.hi[axis], b.hi[axis]));
  }
  return result;
}

Box shift(const Box& box, const Index& by) {
  Box result = box;
  for (size_t axis = 0; axis < by.size(); ++axis) {
    result.lo[axis] += by[axis];
    result.hi[axis] += by[axis];
  }
  return result;
}

Box relative_to(const Box& outer, const Box& box) {
  Index back = outer.lo;
  for (std::int64_t& entry : back) entry = -entry;
  return shift(box, back);
}

std::string box_text(const Box& box) { return text(list_text(box.lo), " to ", list_text(box.hi)); }

Range split(std::int64_t n, int parts, int part) {
  ASSERT(n >= 0 && parts >= 1 && part >= 0 && part < parts, "split ", n, " in ", parts, ", part ",
         part);
  const std::int64_t small = n / parts, larger = n % parts;
  const std::int64_t lo = part * small + std::min<std::int64_t>(part, larger);
  return {lo, lo + small + (part < larger ? 1 : 0)};
}

std::vector<Box> boxes_of(const Box& box, const Range& range) {
  const Shape size = extent(box);
  const Index step = strides(size);
  ASSERT(range.lo >= 0 && range.hi <= elements(box), "elements ", range.lo, " to ", range.hi,
         " of ", box_text(box));
  std::vector<Box> boxes;
  for (std::int64_t at = range.lo; at < range.hi;) {
    // As many whole steps of the outermost axis that begins a step at `at`.
    size_t axis = 0;
    while (axis < step.size() && (at % step[axis] != 0 || at + step[axis] > range.hi)) ++axis;
    Box part = box;
    std::int64_t rest = at;
    for (size_t a = 0; a < step.size(); ++a) {
      const std::int64_t index = rest / step[a];
      rest %= step[a];
      if (a > axis) continue;
      part.lo[a] += index;
      part.hi[a] = part.lo[a] + 1;
      if (a < axis) continue;
      const std::int64_t steps = std::min(size[a] - index, (range.hi - at) / step[a]);
      part.hi[a] = part.lo[a] + steps;
    }
    at += elements(part);
    boxes.push_back(std::move(part));
  }
  return boxes;
}

template <class T>
void copy_box(const T* source, const Shape& source_shape, const Box& from, T* target,
              const Shape& target_shape, const Index& to) {
  ASSERT(from.lo.size() == source_shape.size() && to.size() == target_shape.size() &&
             to.size() == from.lo.size(),
         "axes differ: ", box_text(from), " onto ", list_text(to));
  if (is_empty(from)) return;
  const Shape size = extent(from);
  for (size_t axis = 0; axis < to.size(); ++axis)
    ASSERT(from.lo[axis] >= 0 && from.hi[axis] <= source_shape[axis] && to[axis] >= 0 &&
               to[axis] + size[axis] <= target_shape[axis],
           box_text(from), " of ", shape_text(source_shape), " onto ", list_text(to), " of ",
           shape_text(target_shape));
  for_each_run(source_shape, from, target_shape, shift(whole(size), to),
               [&](std::int64_t s, std::int64_t t, std::int64_t count) {
                 std::copy_n(source + s, count, target + t);
               });
}

template void copy_box(const float*, const Shape&, const Box&, float*, const Shape&, const Index&);
template void copy_box(const double*, const Shape&, const Box&, double*, const Shape&,
                       const Index&);
template void copy_box(const std::int64_t*, const Shape&, const Box&, std::int64_t*, const Shape&,
                       const Index&);

}  // namespace ortho
