#include "model/grow.h"

#include <algorithm>
#include <map>

#include "core/error.h"
#include "model/block.h"
#include "model/grow_layers.h"
#include "model/grow_rules.h"
#include "model/line_map.h"
#include "model/resize.h"
#include "model/shrink.h"

namespace ortho {
namespace {

// A sum over a wider map gains only zeros, but may be taken in another order, and so may one that
// other ranks share: float's 2^-24 times the square root of the thousands of roundings on the way,
// with a margin of 10.
constexpr double kRounding = 2e-5;
// The smallest mean square of a residual stream that the bound for rms counts on: a quarter of what
// the symbol table alone starts with (0.2 squared).
constexpr double kSmallestStream = 0.01;

// ---- what is promised ----

bool adds_modalities(const GrowPlan& plan) {
  return std::any_of(plan.to.modalities.begin(), plan.to.modalities.end(),
                     [&](Modality modality) { return !has_modality(plan.from, modality); });
}

// Norms that one token passes on its way through the model.
std::int64_t norms(const ModelSpec& spec) {
  const std::int64_t per_block = has_line_maps(spec) ? std::ssize(line_maps(spec)) : 1;
  return spec.refeeds * spec.blocks * spec.branches * per_block + 1;
}

void loosen(Promise& promise, double by, const std::string& why) {
  promise.tolerance += by;
  promise.reason += (promise.reason.empty() ? "" : "; ") + why;
}

Promise find_promise(const GrowPlan& plan) {
  const ModelSpec &from = plan.from, &to = plan.to;
  Promise promise;
  if (shrinks(from, to)) {
    promise.kind = PromiseKind::none;
    promise.reason = "the new model lacks a part of the old one";
    return promise;
  }
  if (from.refeeds != to.refeeds) {
    promise.kind = PromiseKind::none;
    promise.reason = text("refeeds ", from.refeeds, " -> ", to.refeeds,
                          ": the stack's output passes through it another number of times");
    return promise;
  }
  if (to.density < from.density) {
    promise.kind = PromiseKind::none;
    promise.reason = text("density ", from.density, " -> ", to.density, ": connections close");
    return promise;
  }
  const bool rms_widened = from.channels != to.channels && to.norm == Norm::rms;
  if (rms_widened && !to.residual) {
    promise.kind = PromiseKind::none;
    promise.reason = text("channels ", from.channels, " -> ", to.channels,
                          " with norm: rms and residual: false: where the stream is as small as "
                          "rms's epsilon, the wider mean changes it");
    return promise;
  }
  if (context(from) != context(to) && from.wiring == Wiring::mirrored) {
    promise.kind = PromiseKind::none;
    promise.reason = text(
        "tokens ", shape_text(from.tokens), " -> ", shape_text(to.tokens),
        " with wiring: mirrored: tokens see those that now come after the old window's end. What "
        "is "
        "new adds nothing: the model is the old one with its taps running on through the longer "
        "window");
    return promise;
  }
  if (context(from) != context(to))
    promise.kind = from.wiring == Wiring::causal ? PromiseKind::window_start : PromiseKind::halves;
  else if (adds_modalities(plan))
    promise.kind = PromiseKind::old_modalities;
  if (from.channels != to.channels || from.hidden != to.hidden || from.weights != to.weights ||
      from.density != to.density || promise.kind == PromiseKind::halves)
    loosen(promise, kRounding, "sums gain zeros and may be taken in another order");
  if (rms_widened) {
    const double wider = static_cast<double>(to.channels) / static_cast<double>(from.channels) - 1;
    loosen(promise, static_cast<double>(norms(to)) * wider * kNormEpsilon / kSmallestStream,
           "rms over more channels sees its epsilon grow by C_new / C_old");
  }
  return promise;
}

// ---- lines for people ----

template <class V>
void add_change(std::vector<std::string>& lines, const char* what, V from, V to,
                const std::string& rule) {
  if (from != to) lines.push_back(text(what, " ", from, " -> ", to, ": ", rule));
}

void add_axis_lines(GrowPlan& plan, const ModelSpec& from) {
  const ModelSpec& to = plan.to;
  const int old_axes = axis_count(from);
  for (int axis = 0; axis < axis_count(to); ++axis) {
    const std::int64_t old_size = axis_size(from, axis), size = axis_size(to, axis);
    if (axis < old_axes && old_size != size)
      plan.lines.push_back(text("token axis ", axis, " lengthened ", old_size, " -> ", size, ": ",
                                carries(to.wiring)
                                    ? "its new taps start at zero"
                                    : "its maps are block-diagonal, other axes repeat theirs"));
    if (axis < old_axes) continue;
    std::string rule = "its sublayers, one per block, start at zero";
    if (to.map == MapKind::dense)
      rule = to.combine == Combine::single     ? "it has no map of its own"
             : to.combine == Combine::parallel ? "its maps start at zero"
                                               : "its maps start as the identity";
    plan.lines.push_back(text("token axis ", axis, " (size ", size, ") added outermost: ", rule));
  }
}

void add_end_lines(GrowPlan& plan, const ModelSpec& from) {
  const ModelSpec& to = plan.to;
  for (const Modality modality : to.modalities)
    if (!has_modality(from, modality))
      plan.lines.push_back(text("modality ", modality_name(modality),
                                " added: its tables and heads are new, the others are kept"));
  if (has_modality(from, Modality::text))
    add_change(plan.lines, "text symbols", from.text_symbols, to.text_symbols,
               "rows and columns appended");
  add_change(plan.lines, "words", from.words, to.words, "rows of zeros appended");
  const std::string wrap = "new rows repeat the old ones";
  add_change(plan.lines, "text places", from.places.text, to.places.text, wrap);
  add_change(plan.lines, "rows", from.places.row, to.places.row, wrap);
  add_change(plan.lines, "columns", from.places.column, to.places.column, wrap);
  add_change(plan.lines, "frames", from.places.frame, to.places.frame, wrap);
  add_change(plan.lines, "audio places", from.places.audio, to.places.audio, wrap);
  add_change(plan.lines, "items", from.items, to.items, wrap);
  add_change(plan.lines, "identity tokens", from.identity, to.identity,
             "drawn; they stand before each window from now on");
  if (from.modality_table != to.modality_table)
    plan.lines.push_back("modality table added: it starts at zero");
  if (from.place_heads != to.place_heads) plan.lines.push_back("place heads added: drawn");
  if (from.item_head != to.item_head) plan.lines.push_back("item head added: drawn");
  if (from.modality_head != to.modality_head) plan.lines.push_back("modality head added: drawn");
}

// What was taken away to leave `from`, and what is added to it.
void add_lines(GrowPlan& plan, const ModelSpec& from) {
  const ModelSpec& to = plan.to;
  plan.lines = shrink_lines(plan.from, from);
  add_axis_lines(plan, from);
  add_change(plan.lines, "blocks", from.blocks, to.blocks,
             blocks_can_be_identity(to) ? "the new ones start as the identity"
                                        : "the new ones' ways out start at zero");
  add_change(plan.lines, "channels", from.channels, to.channels,
             to.norm == Norm::rms ? "new ones start at zero, gains are scaled by sqrt(C_old/C_new)"
                                  : "new ones start at zero");
  add_change(plan.lines, "hidden", from.hidden, to.hidden, "the new units' ways out start at zero");
  if (from.weights != to.weights)
    plan.lines.push_back(
        "weights replicated: every axis, channel, position or line that now has its own gets a "
        "copy");
  add_change(plan.lines, "heads", from.heads, to.heads, "the new ones' ways out start at zero");
  add_change(plan.lines, "branches", from.branches, to.branches,
             "the new ones' ways out start at zero");
  add_change(plan.lines, "radius", from.radius, to.radius, "new taps start at zero");
  if (from.bias != to.bias) plan.lines.push_back("biases added: they start at zero");
  add_change(plan.lines, "refeeds", from.refeeds, to.refeeds, "outputs change");
  add_change(plan.lines, "density", from.density, to.density,
             to.density > from.density ? "opened connections start beside zero"
                                       : "closed connections become zero");
  if (from.mask != to.mask) plan.lines.push_back("mask: another choice from now on");
  add_change(plan.lines, "dropout", from.dropout, to.dropout, "only training sees it");
  add_end_lines(plan, from);
}

// ---- the window of `halves` ----

// Old windows side by side along each axis of the new window, outermost first.
Shape parts_along(const GrowPlan& plan) {
  Shape parts = plan.to.tokens;
  const size_t added = parts.size() - plan.from.tokens.size();
  for (size_t i = added; i < parts.size(); ++i) parts[i] /= plan.from.tokens[i - added];
  return parts;
}

Index coordinates(const Shape& shape, std::int64_t flat) {
  Index at(shape.size());
  for (size_t axis = shape.size(); axis-- > 0;) {
    at[axis] = flat % shape[axis];
    flat /= shape[axis];
  }
  return at;
}

std::map<std::string, const ParamSpec*> by_name(const std::vector<ParamSpec>& params) {
  std::map<std::string, const ParamSpec*> names;
  for (const ParamSpec& param : params) names.emplace(param.name, &param);
  return names;
}

}  // namespace

bool shrinks(const ModelSpec& from, const ModelSpec& to) {
  return !(common_part(from, to) == from);
}

GrowPlan plan_growth(const ModelSpec& from, const ModelSpec& to, const Kept& kept) {
  check_spec(from);
  check_resizing(from, to);
  const ModelSpec common = common_part(from, to);
  check_shrink(from, to, common);
  check_growth(common, to);
  GrowPlan plan{from, to, {}, {}, {}};
  const std::vector<ParamSpec> old_params = param_specs(from), left = param_specs(common);
  const auto whole_weights = by_name(old_params), parts = by_name(left);
  for (const ParamSpec& target : param_specs(to)) {
    const auto same = parts.find(target.name);
    const std::optional<ParamSpec> tied =
        same == parts.end() ? tied_source(common, target, parts) : std::nullopt;
    const ParamSpec* source = tied ? &*tied : same == parts.end() ? nullptr : same->second;
    ParamGrowth growth = grow_param(common, to, target, source);
    if (source != nullptr) {
      growth.cutout =
          cut_out(from, common, kept, *whole_weights.at(source->name), *parts.at(source->name));
      if (target.role == Role::gain) growth.scale *= kept_gain(from, common, kept);
    }
    plan.params.push_back(std::move(growth));
  }
  plan.promise = find_promise(plan);
  add_lines(plan, common);
  return plan;
}

void loosen_for(const Cuts& before, const Cuts& after, Promise& promise) {
  if (promise.kind == PromiseKind::none || before.channels == after.channels) return;
  loosen(promise, kRounding,
         text("the channels were cut into ", before.channels, " parts and are into ",
              after.channels, ": other sums"));
}

std::int64_t promise_parts(const GrowPlan& plan) {
  return plan.promise.kind == PromiseKind::halves ? context(plan.to) / context(plan.from) : 1;
}

std::int64_t promised_token(const GrowPlan& plan, std::int64_t part, std::int64_t token) {
  ASSERT(part >= 0 && part < promise_parts(plan) && token >= 0 && token < context(plan.from),
         "part ", part, ", token ", token);
  if (plan.promise.kind != PromiseKind::halves) return token;
  const Shape &old_tokens = plan.from.tokens, &tokens = plan.to.tokens;
  const Index where = coordinates(parts_along(plan), part), inside = coordinates(old_tokens, token);
  const Index step = strides(tokens);
  const size_t added = tokens.size() - old_tokens.size();
  std::int64_t flat = 0;
  for (size_t axis = 0; axis < tokens.size(); ++axis) {
    const bool old_axis = axis >= added;
    const std::int64_t size = old_axis ? old_tokens[axis - added] : 1;
    flat += (where[axis] * size + (old_axis ? inside[axis - added] : 0)) * step[axis];
  }
  return flat;
}

std::string promise_text(const Promise& promise) {
  if (promise.kind == PromiseKind::none) return "no promise: " + promise.reason;
  std::string where = "logits unchanged";
  if (promise.kind == PromiseKind::old_modalities) where = "the old modalities' logits unchanged";
  if (promise.kind == PromiseKind::window_start)
    where = "logits of old-length input at the start of the window unchanged";
  if (promise.kind == PromiseKind::halves)
    where = "logits of old windows side by side unchanged: f([x, y]) = [f(x), f(y)]";
  if (promise.tolerance == 0) return where + " exactly";
  return text(where, " to ", promise.tolerance, " of the largest (", promise.reason, ")");
}

}  // namespace ortho
