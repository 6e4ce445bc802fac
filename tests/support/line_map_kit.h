// One line map of a block on its own, and by plain loops which tokens it connects.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/attention_map.h"
#include "model/joint_map.h"
#include "tests/support/model_kit.h"

namespace ortho::test {

// A way from token `source` to a token: the index of its weight along the line, d or k, and j.
struct Connection {
  std::int64_t source, index, column;
};

// All of them, as docs/layer.md defines them in sections 2 and 3, coordinate by coordinate.
inline std::vector<Connection> connections(const ModelSpec& spec, const std::vector<int>& axes,
                                           std::int64_t token) {
  const Index stride = strides(spec.tokens);
  Shape sizes;
  for (const int axis : axes) sizes.push_back(spec.tokens[static_cast<size_t>(axis)]);
  std::vector<Connection> list;
  for (std::int64_t index = 0; index < elements(sizes); ++index) {
    std::int64_t rest = index, source = token, own = 0, scale = 1;
    for (size_t i = axes.size(); i-- > 0;) {
      const auto axis = static_cast<size_t>(axes[i]);
      const std::int64_t k = rest % sizes[i], j = token / stride[axis] % sizes[i];
      source += spec.wiring == Wiring::causal ? -k * stride[axis] : (k - j) * stride[axis];
      own += j * scale;
      scale *= sizes[i];
      rest /= sizes[i];
    }
    if (source < 0 || (spec.wiring == Wiring::grid_causal && index > own)) continue;
    list.push_back({source, index, spec.wiring == Wiring::causal ? 0 : own});
  }
  return list;
}

// A block of maps alone, the outermost first: no gate, no norm.
inline ModelSpec bare_spec(const Shape& tokens, Wiring wiring) {
  ModelSpec spec;
  spec.tokens = tokens;
  spec.channels = 4;
  spec.hidden = 6;
  spec.gate = false;
  spec.norm = Norm::none;
  spec.wiring = wiring;
  spec.blocks = 1;
  spec.sequence = Sequence::ascending;
  spec.text_symbols = 1;
  return spec;
}

// Map number `number` of the block, with random weights.
template <class T>
struct LineMapKit {
  LineMapKit(const ModelSpec& model, size_t number, std::int64_t windows, Order order)
      : spec(model),
        sharding(spec, windows, Cuts{}, 0, order),
        nodes(sharding.local(sharding.home(), spec.channels)),
        params(param_specs(spec)),
        backend(make_cpu_backend<T>(1)),
        moves(sharding, nullptr, arena),
        build{spec, sharding, params, *backend, arena, moves},
        sites(joint_sites(spec, sharding)),
        name("block.0." + line_map_name(spec, sites.at(number).map)) {
    const JointSite& site = sites.at(number);
    if (site.map.kind == MapKind::attention)
      map = std::make_unique<AttentionMap<T>>(build, site, take_attention_scratch<T>(build, sites),
                                              name);
    else
      map = std::make_unique<JointMap<T>>(build, site, weight(".w1"),
                                          take_joint_scratch<T>(build, sites), name);
    fill_params(params, [](const ParamSpec& of) {
      const Random random(3, of.name);
      return [random](std::int64_t i) { return random.normal(static_cast<std::uint64_t>(i)); };
    });
  }
  Param<T>& weight(const std::string& ending) { return params.at(name + ending); }
  const std::vector<int>& axes(size_t number) const { return sites.at(number).map.axes; }

  ModelSpec spec;
  Sharding sharding;
  Nodes nodes;
  Params<T> params;
  std::unique_ptr<Backend<T>> backend;
  Arena<T> arena;
  Moves<T> moves;
  Build<T> build;
  std::vector<JointSite> sites;
  std::string name;
  std::unique_ptr<BlockMap<T>> map;
};

template <class T>
std::vector<T> random_numbers(std::int64_t count, const std::string& name) {
  const Random random(5, name);
  std::vector<T> x;
  for (std::int64_t i = 0; i < count; ++i)
    x.push_back(static_cast<T>(random.normal(static_cast<std::uint64_t>(i))));
  return x;
}

}  // namespace ortho::test
