// Values, moments and step counts along a GrowPlan. See model/grow.h.
#include <algorithm>
#include <map>
#include <memory>
#include <tuple>

#include "core/error.h"
#include "model/grow.h"
#include "model/shrink.h"

namespace ortho {
namespace {

// What `part`, a region of copy.to, is copied from.
Box source_of(const ParamGrowth& growth, const BoxCopy& copy, const Box& part) {
  Box from = copy.from;
  for (size_t d = 0; d < part.lo.size(); ++d) {
    if (growth.source_dim[d] < 0) continue;
    const auto s = static_cast<size_t>(growth.source_dim[d]);
    from.lo[s] = copy.from.lo[s] + part.lo[d] - copy.to.lo[d];
    from.hi[s] = copy.from.lo[s] + part.hi[d] - copy.to.lo[d];
  }
  return from;
}

// Copies a dense array of the source onto a Box of the target's dense array; along a dimension
// without a source its step is 0, so it repeats.
template <class T>
class Repeater {
 public:
  Repeater(const std::vector<int>& source_dim, const Shape& source_shape, const Shape& target_shape,
           double scale)
      : target_step_(strides(target_shape)), scale_(scale) {
    const Index source_strides = strides(source_shape);
    for (const int s : source_dim)
      source_step_.push_back(s < 0 ? 0 : source_strides[static_cast<size_t>(s)]);
  }

  void run(const T* source, const Box& to, T* target) {
    size_ = extent(to);
    for (size_t d = 0; d < size_.size(); ++d) target += to.lo[d] * target_step_[d];
    copy_from(0, source, target);
  }

 private:
  void copy_from(size_t d, const T* source, T* target) {
    const bool last = d + 1 == size_.size();
    for (std::int64_t i = 0; i < size_[d]; ++i) {
      const std::int64_t from = i * source_step_[d], to = i * target_step_[d];
      if (last)
        target[to] = static_cast<T>(scale_ * static_cast<double>(source[from]));
      else
        copy_from(d + 1, source + from, target + to);
    }
  }

  Index source_step_, target_step_;
  double scale_;
  Shape size_;
};

// Whether the dense arrays of `from` and of its copy are the same, element by element.
bool same_order(const ParamGrowth& growth, const Box& from, const Box& to) {
  return std::is_sorted(growth.source_dim.begin(), growth.source_dim.end()) &&
         extent(from) == extent(to);
}

template <class T>
void copy_shared(const ParamGrowth& growth, const BoxCopy& copy, const Box& wanted,
                 const BoxSource<T>& read, T* out) {
  const Box shared = intersect(copy.to, wanted);
  if (is_empty(shared)) return;
  const Box from = source_of(growth, copy, shared);
  if (shared == wanted && growth.scale == 1 && same_order(growth, from, shared)) {
    read(growth.source, from, out);
    return;
  }
  const auto source = std::make_unique_for_overwrite<T[]>(static_cast<size_t>(elements(from)));
  read(growth.source, from, source.get());
  Repeater<T>(growth.source_dim, extent(from), extent(wanted), growth.scale)
      .run(source.get(), relative_to(wanted, shared), out);
}

template <class T>
void fill_shared(const ParamSpec& spec, const BoxFill& fill, const Box& wanted, std::uint64_t seed,
                 T* out) {
  const Box shared = intersect(fill.to, wanted);
  ParamSpec drawn = spec;
  if (fill.start == Start::zero) drawn.init = {Initial::zero, 0};
  if (fill.start == Start::identity) drawn.init = {Initial::identity, 0};
  for_each_run(spec.shape(), shared, extent(wanted), relative_to(wanted, shared),
               [&](std::int64_t first, std::int64_t offset, std::int64_t count) {
                 initial_values(drawn, seed, first, count, out + offset);
               });
}

// ---- regions ----

// The source's box, where it lies after one copy.
Box carried(const ParamGrowth& growth, const BoxCopy& copy, const Box& box) {
  Box result = copy.to;
  for (size_t d = 0; d < result.lo.size(); ++d) {
    if (growth.source_dim[d] < 0) continue;
    const auto s = static_cast<size_t>(growth.source_dim[d]);
    result.lo[d] = copy.to.lo[d] + box.lo[s] - copy.from.lo[s];
    result.hi[d] = copy.to.lo[d] + box.hi[s] - copy.from.lo[s];
  }
  return result;
}

// Sorts so that neighbours along `axis` follow each other, then joins those of equal steps.
void join_along(size_t axis, Regions& regions) {
  const auto key = [axis](const Region& region) {
    Region rest = region;
    rest.box.lo[axis] = rest.box.hi[axis] = 0;
    return std::tuple(rest.box.lo, rest.box.hi, rest.steps);
  };
  std::sort(regions.begin(), regions.end(), [&](const Region& a, const Region& b) {
    const auto ka = key(a), kb = key(b);
    return ka != kb ? ka < kb : a.box.lo[axis] < b.box.lo[axis];
  });
  Regions joined;
  for (const Region& region : regions) {
    if (!joined.empty() && key(joined.back()) == key(region) &&
        joined.back().box.hi[axis] == region.box.lo[axis])
      joined.back().box.hi[axis] = region.box.hi[axis];
    else
      joined.push_back(region);
  }
  regions = std::move(joined);
}

Regions grow_regions(const ParamGrowth& growth, const Regions& old_regions) {
  Regions regions;
  for (const BoxCopy& copy : growth.copies)
    for (const Region& old : old_regions) {
      const Box shared = intersect(old.box, copy.from);
      if (!is_empty(shared)) regions.push_back({carried(growth, copy, shared), old.steps});
    }
  for (const BoxFill& fill : growth.fills) regions.push_back({fill.to, 0});
  for (size_t axis = growth.spec.dims.size(); axis-- > 0;) join_along(axis, regions);
  return regions;
}

bool overlap(const Box& a, const Box& b) {
  for (size_t axis = 0; axis < a.lo.size(); ++axis)
    if (a.lo[axis] >= b.hi[axis] || b.lo[axis] >= a.hi[axis]) return false;
  return true;
}

bool inside(const Box& box, const Shape& shape) {
  if (box.lo.size() != shape.size() || box.hi.size() != shape.size()) return false;
  for (size_t axis = 0; axis < shape.size(); ++axis)
    if (box.lo[axis] < 0 || box.hi[axis] > shape[axis] || box.lo[axis] >= box.hi[axis])
      return false;
  return true;
}

}  // namespace

template <class T>
void grow_values(const ParamGrowth& growth, const Box& box, std::uint64_t seed,
                 const BoxSource<T>& old_values, T* out) {
  if (is_empty(box)) return;
  const BoxSource<T> source = cut_source(growth.cutout, old_values);
  for (const BoxCopy& copy : growth.copies) copy_shared(growth, copy, box, source, out);
  for (const BoxFill& fill : growth.fills) fill_shared(growth.spec, fill, box, seed, out);
}

template <class T>
void grow_moments(const ParamGrowth& growth, const Box& box, const BoxSource<T>& old_moments,
                  T* out) {
  ParamGrowth moments = growth;
  moments.scale = 1;
  for (BoxFill& fill : moments.fills) fill.start = Start::zero;
  grow_values(moments, box, 0, old_moments, out);
}

template <class T>
void apply_growth(const GrowPlan& plan, const Params<T>& old_params, Params<T>& new_params,
                  std::uint64_t seed) {
  ASSERT(new_params.all().size() == plan.params.size(), "the new model has ",
         new_params.all().size(), " weights, the plan ", plan.params.size());
  std::map<std::string, const Param<T>*> sources;
  for (const Param<T>& param : old_params.all()) sources[param.spec.name] = &param;
  const BoxSource<T> old_values = [&](const std::string& name, const Box& box, T* out) {
    const Param<T>& source = *sources.at(name);
    copy_box(source.value, extent(source.box), relative_to(source.box, box), out, extent(box),
             Index(box.lo.size(), 0));
  };
  for (size_t i = 0; i < plan.params.size(); ++i) {
    const ParamGrowth& growth = plan.params[i];
    const Param<T>& target = new_params.all()[i];
    ASSERT(target.spec.name == growth.spec.name && target.spec.shape() == growth.spec.shape(),
           target.spec.name, " ", shape_text(target.spec.shape()), " against the plan's ",
           growth.spec.name, " ", shape_text(growth.spec.shape()));
    const auto source = sources.find(growth.source);
    const Shape& shape = growth.cutout.shape.empty() ? growth.source_shape : growth.cutout.shape;
    ASSERT(
        growth.source.empty() || (source != sources.end() && source->second->spec.shape() == shape),
        growth.source, " is not the weight that growth was planned for");
    grow_values(growth, target.box, seed, old_values, target.value);
  }
}

StepCounts no_steps(const std::vector<ParamSpec>& specs) {
  StepCounts counts;
  for (const ParamSpec& spec : specs) counts.push_back({{whole(spec.shape()), 0}});
  return counts;
}

void add_steps(StepCounts& counts, std::int64_t steps) {
  for (Regions& regions : counts)
    for (Region& region : regions) region.steps += steps;
}

StepCounts grow_steps(const GrowPlan& plan, const StepCounts& old_counts) {
  const std::vector<ParamSpec> sources = param_specs(plan.from);
  ASSERT(old_counts.size() == sources.size(), old_counts.size(), " step counts for ",
         sources.size(), " weights");
  std::map<std::string, const Regions*> by_name;
  for (size_t i = 0; i < sources.size(); ++i) by_name[sources[i].name] = &old_counts[i];
  StepCounts counts;
  for (const ParamGrowth& growth : plan.params) {
    Regions old;
    if (!growth.source.empty()) old = cut_regions(growth.cutout, *by_name.at(growth.source));
    counts.push_back(grow_regions(growth, old));
    check_regions(growth.spec.name, growth.spec.shape(), counts.back());
  }
  return counts;
}

void check_regions(const std::string& name, const Shape& shape, const Regions& regions) {
  std::int64_t covered = 0;
  std::vector<const Box*> boxes;
  for (const Region& region : regions) {
    if (!inside(region.box, shape) || region.steps < 0)
      fail(ErrorKind::data,
           text("step counts of ", name, " ", shape_text(shape), ": the region ",
                box_text(region.box), " of ", region.steps, " steps does not lie inside"));
    covered += elements(region.box);
    boxes.push_back(&region.box);
  }
  // Sorted by their first row, a box can only meet those that begin before it ends.
  std::sort(boxes.begin(), boxes.end(), [](const Box* a, const Box* b) { return a->lo < b->lo; });
  for (size_t i = 0; i < boxes.size(); ++i)
    for (size_t j = i + 1; j < boxes.size() && boxes[j]->lo[0] < boxes[i]->hi[0]; ++j)
      if (overlap(*boxes[i], *boxes[j]))
        fail(ErrorKind::data, text("step counts of ", name, ": the regions ", box_text(*boxes[i]),
                                   " and ", box_text(*boxes[j]), " overlap"));
  if (covered != elements(shape))
    fail(ErrorKind::data, text("step counts of ", name, " ", shape_text(shape), " cover ", covered,
                               " of ", elements(shape), " elements"));
}

template void grow_values(const ParamGrowth&, const Box&, std::uint64_t, const BoxSource<float>&,
                          float*);
template void grow_values(const ParamGrowth&, const Box&, std::uint64_t, const BoxSource<double>&,
                          double*);
template void grow_moments(const ParamGrowth&, const Box&, const BoxSource<float>&, float*);
template void grow_moments(const ParamGrowth&, const Box&, const BoxSource<double>&, double*);
template void apply_growth(const GrowPlan&, const Params<float>&, Params<float>&, std::uint64_t);
template void apply_growth(const GrowPlan&, const Params<double>&, Params<double>&, std::uint64_t);

}  // namespace ortho
