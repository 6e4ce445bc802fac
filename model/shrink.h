// Shrinking: what a smaller model keeps of a larger one.
//
// The part that both models have is cut out of the old weights, and growth starts from there, so
// one stage may take away here and add there. Blocks: the first ones stay. Token axes: coordinates
// and taps 0 …, and 0 of an axis that is removed. Hidden units: those with the largest norm of
// weights in times norm of weights out; channels: those that are written most. No promise.
#pragma once

#include <map>

#include "model/grow.h"

namespace ortho {

// What `from` and `to` both have: the smaller of each size.
ModelSpec common_part(const ModelSpec& from, const ModelSpec& to);

// Error(usage) naming both values where nothing sensible is left of `from` in `common`.
void check_shrink(const ModelSpec& from, const ModelSpec& to, const ModelSpec& common);

// The units and channels that stay when hidden or channels get fewer. Of `from`'s weights; the same
// on all ranks, if all read the same weights. Reads what leads in and out, a slice at a time.
Kept choose_kept(const ModelSpec& from, const ModelSpec& to, const BoxSource<float>& weights);

// What weight `part` of the common model is of the old one's `source`; no shape when it is all.
Cutout cut_out(const ModelSpec& from, const ModelSpec& common, const Kept& kept,
               const ParamSpec& source, const ParamSpec& part);

// Times a gain: under rms a channel keeps its size if the others were as `kept` says.
double kept_gain(const ModelSpec& from, const ModelSpec& common, const Kept& kept);

// "blocks 2 -> 1: the last ones are removed"
std::vector<std::string> shrink_lines(const ModelSpec& from, const ModelSpec& common);

// A source of the cut-out weight, from one of the whole weight.
template <class T>
BoxSource<T> cut_source(const Cutout& cutout, const BoxSource<T>& whole_weight);
Regions cut_regions(const Cutout& cutout, const Regions& regions);

}  // namespace ortho
