// JointSite: in which layout each sublayer with a line map runs, a pure function of spec and mesh.
//
// A sublayer needs its own axes whole: the mesh axis that cuts one at home cuts another token axis
// there, or the batch, since the weights are the same on all ranks. A chain takes the cheapest path
// through such layouts, home at both ends and anywhere between. Parallel sublayers each leave home
// and return. A cut of the channels stays: sublayers gather them and make a part of the units.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "comm/exchange_plan.h"
#include "model/line_map.h"
#include "model/sharding.h"

namespace ortho {

struct JointSite {
  LineMap map;
  Layout layout;  // of the residual stream; the map works on its rows with all channels
  // Of the map's input, where taps reach back into another rank; in mirrored wiring they reach as
  // far ahead.
  std::optional<Halo> halo;
};

// One for each sublayer in the order in which they run, through all blocks and passes. Error(usage)
// if a map finds no layout that leaves its axes whole.
std::vector<JointSite> joint_sites(const ModelSpec& spec, const Sharding& sharding);

// The layouts that are considered, home first: at most about 30, none whose largest part exceeds
// home's and what some map needs anyway.
std::vector<Layout> joint_candidates(const ModelSpec& spec, const Sharding& sharding);

// The token axes of the part that this rank holds there; one axis of size 1 when there is none.
Shape site_axes(const ModelSpec& spec, const Sharding& sharding, const JointSite& site);

// Elements of the halo that this rank receives, with so many channels.
std::int64_t halo_elements(const Sharding& sharding, const JointSite& site, std::int64_t channels);

}  // namespace ortho
