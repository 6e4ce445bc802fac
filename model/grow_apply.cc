// Values, moments and step counts along a GrowPlan. See model/grow.h.
#include <algorithm>
#include <map>
#include <tuple>

#include "core/error.h"
#include "model/grow.h"

namespace ortho {
namespace {

// Copies one Box; a dimension without a source has step 0 there, so it repeats.
template <class T>
class BoxCopier {
 public:
  BoxCopier(const ParamGrowth& growth, double scale, const T* source, T* target)
      : growth_(growth), scale_(scale), source_(source), target_(target) {
    const Index source_strides = strides(growth.source_shape);
    target_step_ = strides(growth.spec.shape());
    for (const int s : growth.source_dim)
      source_step_.push_back(s < 0 ? 0 : source_strides[static_cast<size_t>(s)]);
  }

  void run(const BoxCopy& copy) {
    size_ = extent(copy.to);
    std::int64_t source = 0, target = 0;
    for (size_t d = 0; d < size_.size(); ++d) {
      const int s = growth_.source_dim[d];
      if (s >= 0) source += copy.from.lo[static_cast<size_t>(s)] * source_step_[d];
      target += copy.to.lo[d] * target_step_[d];
    }
    copy_from(0, source, target);
  }

 private:
  void copy_from(size_t d, std::int64_t source, std::int64_t target) {
    const bool last = d + 1 == size_.size();
    for (std::int64_t i = 0; i < size_[d]; ++i) {
      if (last)
        target_[target] = static_cast<T>(scale_ * static_cast<double>(source_[source]));
      else
        copy_from(d + 1, source, target);
      source += source_step_[d];
      target += target_step_[d];
    }
  }

  const ParamGrowth& growth_;
  double scale_;
  const T* source_;
  T* target_;
  Index source_step_, target_step_;
  Shape size_;
};

template <class T>
void copy_all(const ParamGrowth& growth, double scale, const T* source, T* target) {
  BoxCopier<T> copier(growth, scale, source, target);
  for (const BoxCopy& copy : growth.copies) copier.run(copy);
}

template <class T>
void fill_box(const ParamSpec& spec, const BoxFill& fill, T* target) {
  if (fill.start == Start::init) return;  // drawn already
  ParamSpec as_identity = spec;
  as_identity.init = {Initial::identity, 0};
  for_each_run(spec.shape(), fill.to, [&](std::int64_t offset, std::int64_t count) {
    for (std::int64_t i = offset; i < offset + count; ++i)
      target[i] =
          fill.start == Start::zero ? T(0) : static_cast<T>(initial_value(as_identity, 0, i));
  });
}

std::string params_text(const std::vector<ParamSpec>& specs) {
  return text(specs.size(), " weights of ", count_weights(specs), " elements");
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
void apply_growth(const GrowPlan& plan, const Params<T>& old_params, Params<T>& new_params,
                  std::uint64_t seed) {
  ASSERT(new_params.all().size() == plan.params.size(), "the new model has ",
         new_params.all().size(), " weights, the plan ", plan.params.size());
  std::map<std::string, const Param<T>*> sources;
  for (const Param<T>& param : old_params.all()) sources[param.spec.name] = &param;
  new_params.initialise(seed);
  for (size_t i = 0; i < plan.params.size(); ++i) {
    const ParamGrowth& growth = plan.params[i];
    Param<T>& target = new_params.all()[i];
    ASSERT(target.spec.name == growth.spec.name && target.spec.shape() == growth.spec.shape(),
           target.spec.name, " ", shape_text(target.spec.shape()), " against the plan's ",
           growth.spec.name, " ", shape_text(growth.spec.shape()));
    for (const BoxFill& fill : growth.fills) fill_box(growth.spec, fill, target.value);
    if (growth.source.empty()) continue;
    const auto source = sources.find(growth.source);
    ASSERT(source != sources.end() && source->second->spec.shape() == growth.source_shape,
           growth.source, " is not the weight that growth was planned for");
    copy_all(growth, growth.scale, source->second->value, target.value);
  }
}

template <class T>
void grow_moments(const GrowPlan& plan, std::span<const T> old_moments, std::span<T> new_moments) {
  const std::vector<ParamSpec> sources = param_specs(plan.from);
  ASSERT(static_cast<std::int64_t>(old_moments.size()) == count_weights(sources),
         old_moments.size(), " old moments for ", params_text(sources));
  std::map<std::string, std::int64_t> offsets;
  std::int64_t offset = 0;
  for (const ParamSpec& source : sources) {
    offsets[source.name] = offset;
    offset += elements(source.shape());
  }
  std::fill(new_moments.begin(), new_moments.end(), T(0));
  offset = 0;
  for (const ParamGrowth& growth : plan.params) {
    const std::int64_t size = elements(growth.spec.shape());
    ASSERT(offset + size <= static_cast<std::int64_t>(new_moments.size()), new_moments.size(),
           " new moments end before ", growth.spec.name);
    if (!growth.source.empty())
      copy_all(growth, 1.0, old_moments.data() + offsets.at(growth.source),
               new_moments.data() + offset);
    offset += size;
  }
  ASSERT(offset == static_cast<std::int64_t>(new_moments.size()), new_moments.size(),
         " new moments for ", offset, " weights");
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
         params_text(sources));
  std::map<std::string, const Regions*> by_name;
  for (size_t i = 0; i < sources.size(); ++i) by_name[sources[i].name] = &old_counts[i];
  StepCounts counts;
  for (const ParamGrowth& growth : plan.params) {
    const Regions none;
    const Regions& old = growth.source.empty() ? none : *by_name.at(growth.source);
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

template void apply_growth(const GrowPlan&, const Params<float>&, Params<float>&, std::uint64_t);
template void apply_growth(const GrowPlan&, const Params<double>&, Params<double>&, std::uint64_t);
template void grow_moments(const GrowPlan&, std::span<const float>, std::span<float>);
template void grow_moments(const GrowPlan&, std::span<const double>, std::span<double>);

}  // namespace ortho
