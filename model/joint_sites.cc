#include "model/joint_sites.h"

#include <algorithm>
#include <cmath>

#include "comm/chain.h"
#include "core/error.h"

namespace ortho {
namespace {

constexpr double kMostCandidates = 32;

bool leaves_whole(const Layout& layout, const std::vector<int>& axes) {
  return std::all_of(axes.begin(), axes.end(), [&](int axis) { return layout.parts(axis) == 1; });
}

bool fits(const NodeShape& nodes, const Layout& layout) {
  for (size_t axis = 0; axis < nodes.shape.size(); ++axis)
    if (layout.parts(static_cast<int>(axis)) > nodes.shape[axis]) return false;
  return true;
}

// What mesh axis `m` may cut: what it cuts at home, then the other token axes and the batch, evenly
// cut ones first and among them those that nothing else cuts.
std::vector<int> cut_options(const NodeShape& nodes, const Layout& home, size_t m) {
  const int own = home.cuts()[m], ranks = home.mesh().axes()[m].ranks;
  std::vector<int> options = {own};
  if (own >= nodes.token_axes()) return options;  // the batch stays cut: no map works along it
  for (int axis = 0; axis < nodes.token_axes(); ++axis)
    if (axis != own) options.push_back(axis);
  options.push_back(nodes.batch_axis());
  const auto badness = [&](int axis) {
    const std::int64_t size = nodes.shape[static_cast<size_t>(axis)];
    const std::int64_t parts = std::int64_t{home.parts(axis)} * ranks;
    return (size < parts ? 4 : 0) + (size % parts != 0 ? 2 : 0) + (home.parts(axis) > 1 ? 1 : 0);
  };
  std::stable_sort(options.begin() + 1, options.end(),
                   [&](int a, int b) { return badness(a) < badness(b); });
  return options;
}

// Every choice of an option a mesh axis, the first of all of them first.
std::vector<std::vector<int>> all_choices(const std::vector<std::vector<int>>& options) {
  std::vector<std::vector<int>> choices = {{}};
  for (const std::vector<int>& own : options) {
    std::vector<std::vector<int>> longer;
    for (const std::vector<int>& choice : choices)
      for (const int option : own) {
        longer.push_back(choice);
        longer.back().push_back(option);
      }
    choices = std::move(longer);
  }
  return choices;
}

// The axes that each line map of a block needs whole.
std::vector<std::vector<int>> axes_needed(const ModelSpec& spec) {
  std::vector<std::vector<int>> whole;
  for (const LineMap& map : line_maps(spec))
    if (!spec.tokens.empty()) whole.push_back(whole_axes(spec, map));
  return whole;
}

// Drops the layouts whose largest part exceeds home's and that which some map needs anyway: the
// moves may get cheaper there, but the maps wait for the largest part.
void keep_balanced(const NodeShape& nodes, const std::vector<std::vector<int>>& whole,
                   std::vector<Layout>& layouts) {
  const auto largest = [&](const Layout& layout) { return elements(layout.box(nodes.shape, 0)); };
  std::int64_t limit = largest(layouts.front());
  for (const std::vector<int>& axes : whole) {
    std::int64_t least = elements(nodes.shape);
    for (const Layout& layout : layouts)
      if (leaves_whole(layout, axes)) least = std::min(least, largest(layout));
    limit = std::max(limit, least);
  }
  std::erase_if(layouts, [&](const Layout& layout) { return largest(layout) > limit; });
}

// Taps of a map reach back over the innermost cut axis outside it.
std::optional<Halo> tap_halo(const ModelSpec& spec, const Layout& layout, const LineMap& map) {
  const Shape axes = joint_axes(spec);
  const int innermost = map.axes.back();
  const std::int64_t rows =
      LineSteps(axes, map)[line_reach(spec, map)] / strides(axes)[static_cast<size_t>(innermost)];
  if (!carries(spec.wiring) || rows == 0) return std::nullopt;
  for (int first = map.axes.front(); first-- > 0;)
    if (layout.parts(first) > 1) return Halo{first, innermost, rows};
  return std::nullopt;
}

// Seconds of the halo of each of a block's maps in a layout, [map][candidate].
std::vector<std::vector<double>> halo_costs(const ModelSpec& spec, const Sharding& sharding,
                                            const std::vector<LineMap>& block,
                                            const std::vector<Layout>& candidates,
                                            const LinkCost& link) {
  const NodeShape nodes = sharding.nodes(spec.channels);
  std::vector<std::vector<double>> sec(block.size());
  for (size_t i = 0; i < block.size() && nodes.token_axes() > 0; ++i)
    for (const Layout& layout : candidates) {
      sec[i].push_back(0);
      const std::optional<Halo> halo = tap_halo(spec, layout, block[i]);
      if (!halo || !leaves_whole(layout, whole_axes(spec, block[i]))) continue;
      for (const int rank : {0, layout.mesh().ranks() - 1})
        sec[i].back() =
            std::max(sec[i].back(), plan_sec(plan_halo(nodes, sharding.whole_channels(layout),
                                                       *halo, rank, int{sizeof(float)}),
                                             link));
      if (spec.wiring == Wiring::mirrored) sec[i].back() *= 2;  // one halo behind, one ahead
    }
  return sec;
}

}  // namespace

std::vector<Layout> joint_candidates(const ModelSpec& spec, const Sharding& sharding) {
  const NodeShape nodes = sharding.nodes(spec.channels);
  const Layout& home = sharding.home();
  std::vector<std::vector<int>> options;
  int movable = 0;  // mesh axes with a choice
  for (size_t m = 0; m < home.cuts().size(); ++m) {
    options.push_back(cut_options(nodes, home, m));
    if (options.back().size() > 1) ++movable;
  }
  size_t most = 1;
  while (movable > 0 && std::pow(static_cast<double>(most + 1), movable) <= kMostCandidates) ++most;
  for (std::vector<int>& own : options)
    if (own.size() > most) own.resize(most);

  std::vector<Layout> layouts;
  for (std::vector<int>& cuts : all_choices(options)) {
    Layout layout(home.mesh(), std::move(cuts));
    if (fits(nodes, layout)) layouts.push_back(std::move(layout));
  }
  const std::vector<std::vector<int>> whole = axes_needed(spec);
  // With 1 channel: so they are not cut.
  for (const std::vector<int>& axes : whole) {
    Layout lines = lines_layout(sharding.nodes(1), home, axes, true);
    const auto same = [&](const Layout& other) { return other.cuts() == lines.cuts(); };
    if (std::none_of(layouts.begin(), layouts.end(), same)) layouts.push_back(std::move(lines));
  }
  keep_balanced(nodes, whole, layouts);
  return layouts;
}

std::vector<JointSite> joint_sites(const ModelSpec& spec, const Sharding& sharding) {
  const NodeShape nodes = sharding.nodes(spec.channels);
  const std::vector<LineMap> block = line_maps_in_order(spec);
  std::vector<size_t> maps;  // of the block, through all blocks and passes
  for (std::int64_t i = 0; i < spec.blocks * spec.refeeds; ++i)
    for (size_t map = 0; map < block.size(); ++map) maps.push_back(map);

  const std::vector<Layout> candidates = joint_candidates(spec, sharding);
  const LinkCost link;
  const std::vector<std::vector<double>> halo_sec =
      halo_costs(spec, sharding, block, candidates, link);
  // The layouts of the maps of `chain`, from home to home.
  const auto path = [&](const std::vector<size_t>& chain) {
    std::vector<std::vector<int>> whole;
    for (const size_t map : chain) whole.push_back(whole_axes(spec, block[map]));
    const auto halo = [&](size_t position, size_t candidate) {
      return halo_sec[chain[position]][candidate];
    };
    return cheapest_chain(nodes, candidates, whole, 0, 0, link, int{sizeof(float)}, halo).layouts;
  };

  std::vector<size_t> chosen(maps.size(), 0);
  const bool anywhere = sharding.ranks() > 1 && !spec.tokens.empty();
  if (anywhere && spec.combine == Combine::parallel) {
    for (size_t i = 0; i < maps.size(); ++i)
      chosen[i] = i < block.size() ? path({i})[0] : chosen[i - block.size()];
  } else if (anywhere) {
    chosen = path(maps);
  }
  std::vector<JointSite> sites;
  for (size_t i = 0; i < maps.size(); ++i) {
    const Layout& layout = candidates[chosen[i]];
    sites.push_back({block[maps[i]], layout, tap_halo(spec, layout, block[maps[i]])});
  }
  return sites;
}

Shape site_axes(const ModelSpec& spec, const Sharding& sharding, const JointSite& site) {
  return spec.tokens.empty() ? joint_axes(spec) : sharding.local_tokens(site.layout);
}

std::int64_t halo_elements(const Sharding& sharding, const JointSite& site, std::int64_t channels) {
  if (!site.halo) return 0;
  const NodeShape nodes = sharding.nodes(channels);
  const Halo& halo = *site.halo;
  const Box own = sharding.box(sharding.whole_channels(site.layout), channels);
  Shape part = extent(flat_box(nodes, halo.first, halo.last, own));
  part[static_cast<size_t>(halo.first)] = halo.rows;
  return elements(part);
}

}  // namespace ortho
