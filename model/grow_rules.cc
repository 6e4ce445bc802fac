#include "model/grow_rules.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "core/error.h"

namespace ortho {
namespace {

// Part of one dimension: `from` is its first index in the source, or -1 and it starts afresh.
struct Segment {
  std::int64_t lo, hi;
  std::int64_t from;
  Start start;
};
using Segments = std::vector<Segment>;

// Empty segments vanish, and one that continues its neighbour joins it.
void push(Segments& list, const Segment& next) {
  if (next.hi <= next.lo) return;
  if (!list.empty()) {
    Segment& last = list.back();
    const bool copied = last.from >= 0 && next.from == last.from + (last.hi - last.lo);
    const bool fresh = last.from < 0 && next.from < 0 && last.start == next.start;
    if (copied || fresh) {
      last.hi = next.hi;
      return;
    }
  }
  list.push_back(next);
}

Segments extended(std::int64_t old_size, std::int64_t size, Start start) {
  Segments list;
  push(list, {0, old_size, 0, start});
  push(list, {old_size, size, -1, start});
  return list;
}

// New index i continues old index i mod old_size.
Segments repeated(std::int64_t old_size, std::int64_t size) {
  Segments list;
  for (std::int64_t lo = 0; lo < size; lo += old_size)
    list.push_back({lo, std::min(lo + old_size, size), 0, Start::init});
  return list;
}

Segments hidden_units(const ModelSpec& from, const ModelSpec& to, Start start) {
  const std::vector<std::int64_t> old_kinds = unit_kinds(from), kinds = unit_kinds(to);
  Segments list;
  for (size_t kind = 0; kind + 1 < kinds.size(); ++kind) {
    const std::int64_t old_lo = old_kinds[kind], old_hi = old_kinds[kind + 1];
    const std::int64_t lo = kinds[kind], hi = kinds[kind + 1], kept = lo + old_hi - old_lo;
    ASSERT(kept <= hi, "units ", old_lo, " to ", old_hi, " of ", from.hidden, " -> ", lo, " to ",
           hi, " of ", to.hidden);
    push(list, {lo, kept, old_lo, start});
    push(list, {kept, hi, -1, start});
  }
  return list;
}

constexpr std::int64_t kU = 0, kV = 1;  // indices of DimKind::half

// The units that f takes. u * act(v) is 0 where u is, so without a way out only u decides how new
// ones start; v starts drawn, or neither would ever get a gradient.
Segments f_units(const ModelSpec& from, const ModelSpec& to, std::int64_t half, Start start) {
  return hidden_units(from, to, half == kV && !to.out ? Start::init : start);
}

bool has_dim(const ParamSpec& param, DimKind kind, int axis) {
  return std::any_of(param.dims.begin(), param.dims.end(),
                     [&](const Dim& dim) { return dim.kind == kind && dim.axis == axis; });
}

// Cuts one weight.
class Cutter {
 public:
  Cutter(const ModelSpec& from, const ModelSpec& to, ParamGrowth& growth)
      : from_(from), to_(to), growth_(growth) {}

  void run() {
    const size_t dims = growth_.spec.dims.size();
    Box target{Index(dims, 0), growth_.spec.shape()};
    Box source{Index(growth_.source_shape.size(), 0), growth_.source_shape};
    cut(0, target, source, std::nullopt, {});
  }

 private:
  // What the segments of the dimensions before tell those of the next.
  struct Place {
    std::map<int, std::int64_t> block;  // by mapped axis: the copy of it that axis_in lies in
    std::int64_t half = kU;
  };

  // Cuts dimension d and those behind it. `start` is empty while all before it is copied.
  void cut(size_t d, Box target, Box source, std::optional<Start> start, Place place) {
    if (d == target.lo.size() || start == Start::zero) {
      if (start)
        growth_.fills.push_back({target, *start});
      else
        growth_.copies.push_back({source, target});
      return;
    }
    const Dim& dim = growth_.spec.dims[d];
    const auto source_dim = growth_.source_dim[d];
    for (const Segment& segment : segments(d, place)) {
      target.lo[d] = segment.lo;
      target.hi[d] = segment.hi;
      std::optional<Start> next = start;
      if (segment.from < 0) {
        if (!next || segment.start == Start::zero) next = segment.start;
      } else if (source_dim >= 0) {
        const auto s = static_cast<size_t>(source_dim);
        source.lo[s] = segment.from;
        source.hi[s] = segment.from + segment.hi - segment.lo;
        if (dim.kind == DimKind::axis_in && dim.axis >= 0)
          place.block[dim.axis] = segment.lo / growth_.source_shape[s];
      }
      if (dim.kind == DimKind::half) place.half = segment.lo;
      cut(d + 1, target, source, next, place);
    }
  }

  Segments segments(size_t d, const Place& place) const {
    const Dim& dim = growth_.spec.dims[d];
    if (dim.kind == DimKind::half && grows(d + 1))
      return {{kU, kU + 1, kU, Start::init}, {kV, kV + 1, kV, Start::init}};
    if (growth_.source_dim[d] < 0 || (!grows(d) && !is_axis_out(dim)))
      return {{0, dim.size, 0, Start::init}};
    const std::int64_t old_size = growth_.source_shape[static_cast<size_t>(growth_.source_dim[d])];
    const bool last = d + 1 == growth_.spec.dims.size();
    switch (dim.kind) {
      case DimKind::tap:
        return extended(old_size, dim.size, Start::zero);
      case DimKind::axis_in:
      case DimKind::axis_out:
      case DimKind::line:
        return dim.axis >= 0 ? token_axis(dim, old_size, place)
                             : channel_axis(dim, old_size, place.half);
      case DimKind::channel:
      case DimKind::width:
        return extended(old_size, dim.size, channel_start(last));
      case DimKind::hidden:  // rows of W2 are the path out, columns of W1 the path in
        return f_units(from_, to_, place.half,
                       last && (to_.out || scores()) ? Start::init : Start::zero);
      case DimKind::place:
      case DimKind::item:
        return repeated(old_size, dim.size);
      case DimKind::head:
      case DimKind::symbol:
      case DimKind::word:
      case DimKind::modality:
        return extended(old_size, dim.size, Start::init);
      case DimKind::half:
        break;  // always 2
    }
    return {};
  }

  bool grows(size_t d) const {
    const int source_dim = growth_.source_dim[d];
    return source_dim >= 0 &&
           growth_.source_shape[static_cast<size_t>(source_dim)] != growth_.spec.dims[d].size;
  }

  // New heads look wherever chance takes them: their values add nothing yet, and if query and key
  // were both zero, neither would ever get a gradient.
  bool scores() const { return growth_.spec.role == Role::score; }

  bool is_axis_out(const Dim& dim) const {
    return dim.kind == DimKind::axis_out && dim.axis >= 0 &&
           has_dim(growth_.spec, DimKind::axis_in, dim.axis);
  }

  // The residual stream: whatever leads into a new channel starts at zero, whatever reads it is
  // drawn, so that both learn. Gains are neither.
  Start channel_start(bool last) const {
    return last && growth_.spec.role != Role::gain ? Start::zero : Start::init;
  }

  // Coordinates repeat. The mapped axis is block-diagonal:
  // output j hears the inputs of its own block.
  Segments token_axis(const Dim& dim, std::int64_t old_size, const Place& place) const {
    if (!is_axis_out(dim)) return repeated(old_size, dim.size);
    Segments list;
    const std::int64_t lo = place.block.at(dim.axis) * old_size;
    push(list, {0, lo, -1, Start::zero});
    push(list, {lo, lo + old_size, 0, Start::zero});
    push(list, {lo + old_size, dim.size, -1, Start::zero});
    return list;
  }

  // The channels of a dense layer: hidden units behind `in` or a resizing map, the residual
  // stream's else. New ones must not reach old ones.
  Segments channel_axis(const Dim& dim, std::int64_t old_size, std::int64_t half) const {
    // New heads are apart from the old ones already.
    const bool mixes = dim.kind == DimKind::axis_in && from_.heads == to_.heads;
    Start start = mixes ? Start::zero : Start::init;
    if (dim.kind == DimKind::axis_out && !to_.out) start = Start::zero;
    const bool resized = layer_output_channels(to_) != layer_input_channels(to_) ||
                         layer_output_channels(from_) != layer_input_channels(from_);
    if (to_.in && dim.kind == DimKind::axis_in) return hidden_units(from_, to_, start);
    if (to_.in || (dim.kind == DimKind::axis_out && resized))
      return f_units(from_, to_, half, start);
    return extended(old_size, dim.size, start);
  }

  const ModelSpec& from_;
  const ModelSpec& to_;
  ParamGrowth& growth_;
};

// Each dimension of the target goes on with the next unused one of its kind and axis.
void match_dims(const ParamSpec& source, ParamGrowth& growth) {
  std::vector<bool> used(source.dims.size(), false);
  for (size_t d = 0; d < growth.spec.dims.size(); ++d) {
    const Dim& dim = growth.spec.dims[d];
    for (size_t s = 0; s < used.size() && growth.source_dim[d] < 0; ++s) {
      if (used[s] || source.dims[s].kind != dim.kind || source.dims[s].axis != dim.axis) continue;
      used[s] = true;
      growth.source_dim[d] = static_cast<int>(s);
    }
  }
  ASSERT(std::find(used.begin(), used.end(), false) == used.end(), "weight ", source.name,
         " has a dimension that its successor lacks");
}

std::int64_t block_of(const ParamSpec& param) {
  return param.name.starts_with("block.") ? std::stoll(param.name.substr(6)) : -1;
}

std::int64_t branch_of(const ParamSpec& param) {
  const size_t at = param.name.find(".branch.");
  return at == std::string::npos ? 0 : std::stoll(param.name.substr(at + 8));
}

// A map of a dense layer, in a new block or along a new axis:
// nothing is added to a sum, a chain hands on.
Start new_dense_map(const ModelSpec& from, const ModelSpec& to, const ParamSpec& param) {
  const bool channels =
      has_dim(param, DimKind::axis_in, -1) && has_dim(param, DimKind::axis_out, -1);
  if (branch_of(param) >= from.branches) return Start::init;  // its way out is zero
  if (block_of(param) < from.blocks)
    return to.combine == Combine::parallel ? Start::zero : Start::identity;
  if (to.residual) return Start::init;  // its way out is zero
  if (to.combine != Combine::parallel) return Start::identity;
  const bool first = to.channel_axis
                         ? channels
                         : has_dim(param, DimKind::axis_in, 0) || has_dim(param, DimKind::tap, 0);
  return first ? Start::identity : Start::zero;
}

// Fills of a weight that did not exist.
void start_afresh(const ModelSpec& from, const ModelSpec& to, ParamGrowth& growth) {
  const ParamSpec& param = growth.spec;
  const Box all = whole(param.shape());
  Start start = Start::init;
  // Places, items and modalities are added to tokens that the old model knows too.
  if (param.role == Role::table && param.dims[0].kind != DimKind::symbol) start = Start::zero;
  if (param.role == Role::out || param.role == Role::bias) start = Start::zero;
  const bool layer_map = param.role == Role::map && block_of(param) >= 0;
  const DimKind into = param.dims.back().kind;
  if (layer_map && into != DimKind::hidden) start = new_dense_map(from, to, param);
  if (layer_map && has_line_maps(to) && !to.out) start = Start::zero;
  const bool gated = into == DimKind::hidden && has_dim(param, DimKind::half, -1);
  if (start == Start::zero && gated) {  // without a way out: u = 0, v drawn
    const size_t half = param.dims.size() - 2;
    Box u = all, v = all;
    u.hi[half] = v.lo[half] = kV;
    growth.fills = {{u, Start::zero}, {v, Start::init}};
    return;
  }
  growth.fills = {{all, start}};
}

}  // namespace

std::int64_t axis_size(const ModelSpec& spec, int axis) {
  const auto axes = static_cast<int>(spec.tokens.size());
  return axis < axes ? spec.tokens[static_cast<size_t>(axes - 1 - axis)] : 1;
}

int axis_count(const ModelSpec& spec) {
  return static_cast<int>(has_line_maps(spec) ? joint_axes(spec).size() : spec.tokens.size());
}

std::vector<std::int64_t> unit_kinds(const ModelSpec& spec) {
  const std::int64_t half = spec.hidden / 2;
  const std::int64_t cut = spec.activation == Activation::sort2 ? half : active_units(spec);
  if (spec.wiring != Wiring::mirrored) return {0, cut, spec.hidden};
  if (spec.active <= 0.5) return {0, cut, half, spec.hidden};
  return {0, half, cut, spec.hidden};
}

bool blocks_can_be_identity(const ModelSpec& spec) {
  const bool idempotent =
      spec.activation == Activation::none || spec.activation == Activation::relu ||
      spec.activation == Activation::abs || spec.activation == Activation::hard_tanh ||
      spec.activation == Activation::sort2;
  return spec.map == MapKind::dense && !spec.residual && spec.norm == Norm::none && !spec.gate &&
         !spec.in && !spec.out && spec.branches == 1 && idempotent;
}

ParamGrowth grow_param(const ModelSpec& from, const ModelSpec& to, const ParamSpec& target,
                       const ParamSpec* source) {
  ParamGrowth growth;
  growth.spec = target;
  growth.source_dim.assign(target.dims.size(), -1);
  if (source == nullptr) {
    start_afresh(from, to, growth);
    return growth;
  }
  growth.source = source->name;
  growth.source_shape = source->shape();
  match_dims(*source, growth);
  Cutter(from, to, growth).run();
  // rms over more channels, the new ones zero: the mean square falls by C_old / C_new.
  if (target.role == Role::gain)
    growth.scale = std::sqrt(static_cast<double>(from.channels) / static_cast<double>(to.channels));
  return growth;
}

}  // namespace ortho
