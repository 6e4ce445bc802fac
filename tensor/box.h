// A Box is a region of a global Shape: lo <= index < hi on every axis.
//
// Shards, exchanges, checkpoints and growth are all intersections of Boxes.
// hi lies outside, so neighbours meet without a gap; a Box with
// lo == hi on some axis is empty, and empty is legal everywhere.
#pragma once

#include "tensor/shape.h"

namespace ortho {

struct Box {
  Index lo;  // first index inside, one entry per axis
  Index hi;  // first index outside
  bool operator==(const Box&) const = default;
};

struct Range {
  std::int64_t lo, hi;
  std::int64_t size() const { return hi - lo; }
};

Box whole(const Shape& shape);          // all of it
Shape extent(const Box& box);           // hi - lo per axis
std::int64_t elements(const Box& box);  // product of the extent
bool is_empty(const Box& box);
Box intersect(const Box& a, const Box& b);          // what both share; empty if they do not meet
Box shift(const Box& box, const Index& by);         // moved by `by` on every axis
Box relative_to(const Box& outer, const Box& box);  // `box` counted from the first index of `outer`
std::string box_text(const Box& box);               // "[0, 0] to [2, 8]"

// Part `part` of `n` cut in `parts`: the first n % parts of them get one more.
// Any n >= 0, parts >= 1.
Range split(std::int64_t n, int parts, int part);

// Boxes that tile elements lo … hi - 1 of the row-major dense array of `box`: each is contiguous in
// it, and they follow each other. At most two an axis.
std::vector<Box> boxes_of(const Box& box, const Range& elements);

// Copies region `from` of a row-major array of shape `source_shape` onto the equally large region
// whose first index is `to` in an array of shape `target_shape`. Arrays must not overlap.
template <class T>
void copy_box(const T* source, const Shape& source_shape, const Box& from, T* target,
              const Shape& target_shape, const Index& to);

// Calls act(offset, offset_b, count) for every run that is contiguous in two row-major arrays:
// `box` in one of `shape`, the equally large `box_b` in one of `shape_b`; in order.
template <class Act>
void for_each_run(const Shape& shape, const Box& box, const Shape& shape_b, const Box& box_b,
                  Act act) {
  if (is_empty(box)) return;
  const Shape size = extent(box);
  const Index step = strides(shape), step_b = strides(shape_b);
  // Trailing axes that both boxes cover whole merge into one run with the axis before them.
  size_t inner = size.size();
  std::int64_t run = 1;
  while (inner > 0) {
    --inner;
    run *= size[inner];
    if (size[inner] != shape[inner] || size[inner] != shape_b[inner]) break;
  }
  std::int64_t offset = 0, offset_b = 0;
  for (size_t axis = 0; axis < size.size(); ++axis) {
    offset += box.lo[axis] * step[axis];
    offset_b += box_b.lo[axis] * step_b[axis];
  }
  Index at(inner, 0);
  while (true) {
    act(offset, offset_b, run);
    size_t axis = inner;
    while (axis > 0) {
      --axis;
      offset += step[axis];
      offset_b += step_b[axis];
      if (++at[axis] < size[axis]) break;
      offset -= size[axis] * step[axis];
      offset_b -= size[axis] * step_b[axis];
      at[axis] = 0;
      if (axis == 0) return;
    }
    if (inner == 0) return;
  }
}

// Calls act(offset, count) for every contiguous run of `box` inside a row-major array of `shape`,
// in order.
template <class Act>
void for_each_run(const Shape& shape, const Box& box, Act act) {
  for_each_run(shape, box, shape, box,
               [&](std::int64_t offset, std::int64_t, std::int64_t run) { act(offset, run); });
}

}  // namespace ortho
