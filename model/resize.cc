#include "model/resize.h"

#include <utility>

#include "core/error.h"

namespace ortho {

bool resizes(const ModelSpec& spec) {
  return spec.map == MapKind::dense && spec.combine == Combine::single && spec.single_size > 0 &&
         mapped_axes(spec).front() < static_cast<int>(spec.tokens.size());
}

ModelSpec resized(const ModelSpec& spec) {
  ModelSpec between = spec;
  std::int64_t& size = between.tokens[static_cast<size_t>(mapped_axes(spec).front())];
  std::swap(size, between.single_size);
  between.identity = 0;  // tokens here are none of the window's
  return between;
}

Sharding resized(const ModelSpec& spec, const Sharding& sharding) {
  return {resized(spec), sharding.windows(), sharding.cuts(), sharding.rank()};
}

std::string back_prefix(const std::string& block) { return block + ".back"; }

void check_resizing(const ModelSpec& from, const ModelSpec& to) {
  if (!resizes(from)) return;
  const std::string why = text(" with single_size ", from.single_size,
                               ": the two maps of a resized axis keep their shapes. Keep ");
  REQUIRE(from.tokens == to.tokens, "model.tokens ", shape_text(from.tokens), " -> ",
          shape_text(to.tokens), why, shape_text(from.tokens), '.');
  REQUIRE(from.hidden == to.hidden, "model.hidden ", from.hidden, " -> ", to.hidden, why,
          from.hidden, '.');
  REQUIRE(from.channels == to.channels, "model.channels ", from.channels, " -> ", to.channels, why,
          from.channels, '.');
  REQUIRE(from.weights == to.weights && from.heads == to.heads, "model.weights or heads", why,
          "both.");
  REQUIRE(to.residual || from.blocks >= to.blocks, "model.blocks ", from.blocks, " -> ", to.blocks,
          " with single_size and residual: false: a resized block is never the identity. Keep ",
          from.blocks, '.');
}

template <class T>
WayBack<T>::WayBack(const Build<T>& build, const std::string& block)
    : spec_(resized(build.spec)),
      sharding_(resized(build.spec, build.sharding)),
      rows_(sharding_.rows(sharding_.home())),
      layer_({spec_, sharding_, build.params, build.backend, build.arena, build.moves},
             layer_layouts(spec_, sharding_, build.spec.hidden, single_output(spec_)),
             build.spec.hidden, back_prefix(block), single_output(spec_)),
      result_(build.arena.take(layer_.output().elements(), "the way back")),
      gradient_(build.arena.take(layer_.output().elements(), "its gradient")) {}

template class WayBack<float>;
template class WayBack<double>;

}  // namespace ortho
