// What growth asks of dense layers as a whole: which weights of two stages go on with each other.
//
// Only model/grow.cc and grow_check.cc use it. The weight of a tied map is named by the size of its
// axis; the same map of a stage that ties nothing is named by the axis.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "model/params.h"

namespace ortho {

// Error(usage) unless all weights of tied layers find what they go on with.
void check_tied(const ModelSpec& from, const ModelSpec& to);
// Error(usage) unless the heads of `to` are those of `from`, and further ones of the same width.
void check_heads(const ModelSpec& from, const ModelSpec& to);

// The weight of `from` that `target`, of another name, goes on with: a tied one, with its dimensions
// called as the target's.
std::optional<ParamSpec> tied_source(const ModelSpec& from, const ParamSpec& target,
                                     const std::map<std::string, const ParamSpec*>& by_name);

}  // namespace ortho
