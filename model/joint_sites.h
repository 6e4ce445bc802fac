// JointSite: in which layout each sublayer of a joint model runs, a pure function of spec and mesh.
//
// A sublayer needs its own axis whole: the mesh axis that cuts it at home cuts another token axis
// there, or the batch, since the weights are the same on all ranks. A chain takes the cheapest path
// through such layouts, home at both ends and anywhere between. Parallel sublayers each leave home
// and return. A cut of the channels stays: sublayers gather them and make a part of the units.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "comm/exchange_plan.h"
#include "model/sharding.h"

namespace ortho {

struct JointSite {
  int axis = 0;              // of joint_axes(spec)
  Layout layout;             // of the residual stream; the map works on its rows with all channels
  // Of the map's input, where taps reach back into another rank; in mirrored wiring they reach as
  // far ahead.
  std::optional<Halo> halo;
};

// One for each sublayer in the order in which they run, through all blocks and passes. Error(usage)
// if an axis finds no layout that leaves it whole.
std::vector<JointSite> joint_sites(const ModelSpec& spec, const Sharding& sharding);

// The layouts that are considered, home first: at most about 30, none whose largest part exceeds
// home's and what some axis needs anyway.
std::vector<Layout> joint_candidates(const ModelSpec& spec, const Sharding& sharding);

// Elements of the halo that this rank receives, with so many channels.
std::int64_t halo_elements(const Sharding& sharding, const JointSite& site, std::int64_t channels);

}  // namespace ortho
