// Values and step counts of a weight that is cut out of a larger one. See model/shrink.h.
#include <algorithm>
#include <memory>

#include "core/error.h"
#include "model/shrink.h"

namespace ortho {
namespace {

// The coordinates that a Box of the part takes along one dimension of the whole weight.
Range places_along(const Cutout& cutout, size_t s, const Box& box) {
  if (cutout.dim[s] < 0) return {0, 1};
  const auto d = static_cast<size_t>(cutout.dim[s]);
  return {box.lo[d], box.hi[d]};
}

// Picks the kept elements out of the dense array of `around`, in order.
template <class T>
class Picker {
 public:
  Picker(const Cutout& cutout, const Box& box, const Box& around, const T* source)
      : cutout_(cutout), box_(box), around_(around), step_(strides(extent(around))), at_(source) {}

  void run(T* out) {
    out_ = out;
    pick(0, at_);
  }

 private:
  void pick(size_t s, const T* source) {
    if (s == step_.size()) {
      *out_++ = *source;
      return;
    }
    const Range places = places_along(cutout_, s, box_);
    for (std::int64_t p = places.lo; p < places.hi; ++p)
      pick(s + 1, source + (cutout_.kept[s][static_cast<size_t>(p)] - around_.lo[s]) * step_[s]);
  }

  const Cutout& cutout_;
  const Box& box_;
  const Box& around_;
  Index step_;
  const T* at_;
  T* out_ = nullptr;
};

// How many of an ascending list lie below `limit`.
std::int64_t below(const std::vector<std::int64_t>& list, std::int64_t limit) {
  return std::lower_bound(list.begin(), list.end(), limit) - list.begin();
}

}  // namespace

template <class T>
BoxSource<T> cut_source(const Cutout& cutout, const BoxSource<T>& whole_weight) {
  if (cutout.shape.empty()) return whole_weight;
  return [&cutout, &whole_weight](const std::string& name, const Box& box, T* out) {
    Box around = whole(cutout.shape);
    for (size_t s = 0; s < cutout.shape.size(); ++s) {
      const Range places = places_along(cutout, s, box);
      around.lo[s] = cutout.kept[s][static_cast<size_t>(places.lo)];
      around.hi[s] = cutout.kept[s][static_cast<size_t>(places.hi) - 1] + 1;
    }
    if (elements(around) == elements(box)) {
      whole_weight(name, around, out);
      return;
    }
    const auto source = std::make_unique_for_overwrite<T[]>(static_cast<size_t>(elements(around)));
    whole_weight(name, around, source.get());
    Picker<T>(cutout, box, around, source.get()).run(out);
  };
}

Regions cut_regions(const Cutout& cutout, const Regions& regions) {
  if (cutout.shape.empty()) return regions;
  const auto dims = static_cast<size_t>(
      std::count_if(cutout.dim.begin(), cutout.dim.end(), [](int d) { return d >= 0; }));
  Regions cut;
  for (const Region& region : regions) {
    Region part{{Index(dims, 0), Index(dims, 0)}, region.steps};
    bool meets = true;
    for (size_t s = 0; s < cutout.shape.size(); ++s) {
      const std::int64_t lo = below(cutout.kept[s], region.box.lo[s]);
      const std::int64_t hi = below(cutout.kept[s], region.box.hi[s]);
      meets = meets && lo < hi;
      if (cutout.dim[s] < 0) continue;
      part.box.lo[static_cast<size_t>(cutout.dim[s])] = lo;
      part.box.hi[static_cast<size_t>(cutout.dim[s])] = hi;
    }
    if (meets) cut.push_back(std::move(part));
  }
  return cut;
}

template BoxSource<float> cut_source(const Cutout&, const BoxSource<float>&);
template BoxSource<double> cut_source(const Cutout&, const BoxSource<double>&);

}  // namespace ortho
