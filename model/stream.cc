#include "model/stream.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "model/attention_stream.h"
#include "model/block.h"
#include "model/joint_sites.h"

namespace ortho {
namespace {

// The ends of a model that gets `tokens` tokens at a time.
template <class T>
struct Ends {
  Ends(const ModelSpec& whole, std::int64_t tokens, std::int64_t windows, Params<T>& params,
       Backend<T>& backend, Arena<T>& arena)
      : spec(whole),
        sharding((spec.tokens = {tokens}, spec), windows),
        moves(sharding, nullptr, arena),
        build{spec, sharding, params, backend, arena, moves} {}
  ModelSpec spec;
  Sharding sharding;
  Moves<T> moves;  // none: one rank holds everything
  Build<T> build;
};

}  // namespace

std::string stream_refusal(const ModelSpec& spec) {
  if (spec.wiring != Wiring::causal)
    return "its wiring is not causal, so that a new token changes those before it";
  return "";
}

bool streams_beyond(const ModelSpec& spec) {
  return spec.weights != Weights::by_position && spec.weights != Weights::separate;
}

template <class T>
Stream<T>::Stream(const ModelSpec& spec, std::int64_t windows, Params<T>& params,
                  Backend<T>& backend, Arena<T>& arena, std::int64_t chunk)
    : spec_(spec),
      windows_(windows),
      chunk_(std::min(chunk, context(spec))),
      gate_{spec.activation, spec.gate, active_units(spec)},
      backend_(backend),
      embed_chunk_(
          std::make_unique<Embed<T>>(Ends<T>(spec, chunk_, windows, params, backend, arena).build)),
      embed_token_(
          std::make_unique<Embed<T>>(Ends<T>(spec, 1, windows, params, backend, arena).build)),
      head_(Ends<T>(spec, 1, windows, params, backend, arena).build) {
  const std::string refusal = stream_refusal(spec);
  REQUIRE(refusal.empty(), "this model does not run token by token: ", refusal);
  const Sharding sharding(spec_, windows);
  Moves<T> moves(sharding, nullptr, arena);
  const Build<T> build{spec_, sharding, params, backend, arena, moves};
  if (has_line_maps(spec))
    add_joint_steps(build, chunk_);
  else
    add_dense_steps(build, chunk_);
  const std::int64_t rows = chunk_ * windows;
  x_ = arena.take(rows * spec.channels, "residual stream");
  y_ = arena.take(rows * spec.channels, "residual stream");
  if (spec.norm != Norm::none) h_ = arena.take(rows * spec.channels, "normed input");
  if (spec.norm != Norm::none) stats_ = arena.take(2 * rows, "norm statistics");
  z_ = arena.take(rows * gated_width(spec), "map output");
  q_ = arena.take(rows * spec.hidden, "f's output");
}

template <class T>
typename Stream<T>::Part Stream<T>::part_of(Params<T>& params, const std::string& prefix) const {
  Part part;
  if (spec_.norm != Norm::none) part.gain = &params.at(prefix + ".gain");
  if (spec_.out) part.way_out = &params.at(prefix + (has_line_maps(spec_) ? ".w2" : ".out"));
  if (spec_.bias) part.map_bias = &params.at(prefix + ".b1");
  if (spec_.bias && spec_.out) part.out_bias = &params.at(prefix + ".b2");
  return part;
}

template <class T>
void Stream<T>::add_joint_steps(const Build<T>& build, std::int64_t chunk) {
  const size_t maps = line_maps(spec_).size();
  const std::vector<JointSite> sites = joint_sites(spec_, build.sharding);
  for (size_t i = 0; i < sites.size(); ++i) {
    const auto block = static_cast<std::int64_t>(i / maps) % spec_.blocks;
    const std::string along = '.' + line_map_name(spec_, sites[i].map);
    if (spec_.combine != Combine::parallel || i % maps == 0) steps_.emplace_back();
    for (std::int64_t branch = 0; branch < spec_.branches; ++branch) {
      const std::string prefix = block_name(block, branch) + along;
      Part part = part_of(build.params, prefix);
      if (sites[i].map.kind == MapKind::attention)
        part.map = std::make_unique<AttentionStream<T>>(build, sites[i].map, prefix, chunk);
      else
        part.map = std::make_unique<JointStream<T>>(build, sites[i].map,
                                                    build.params.at(prefix + ".w1"), chunk);
      steps_.back().push_back(std::move(part));
    }
  }
}

template <class T>
void Stream<T>::add_dense_steps(const Build<T>& build, std::int64_t chunk) {
  for (std::int64_t i = 0; i < spec_.blocks * spec_.refeeds; ++i) {
    steps_.emplace_back();
    for (std::int64_t branch = 0; branch < spec_.branches; ++branch) {
      const std::string prefix = block_name(i % spec_.blocks, branch);
      Part part = part_of(build.params, prefix);
      part.map = std::make_unique<DenseStream<T>>(build, prefix, chunk);
      steps_.back().push_back(std::move(part));
    }
  }
}

template <class T>
void Stream<T>::push(std::span<const Token> tokens) {
  const auto windows = static_cast<size_t>(windows_);
  ASSERT(!tokens.empty() && tokens.size() % windows == 0, tokens.size(), " tokens for ", windows_,
         " windows");
  const auto count = static_cast<std::int64_t>(tokens.size() / windows);
  REQUIRE(streams_beyond(spec_) || position_ + count <= context(spec_), position_ + count,
          " tokens in a context of ", context(spec_),
          ": weights by position have none for a place behind it");
  for (std::int64_t done = 0; done < count;) {
    const bool together = count - done >= chunk_;
    const std::int64_t run = together ? chunk_ : 1;
    push_together(
        tokens.subspan(static_cast<size_t>(done) * windows, static_cast<size_t>(run) * windows),
        together ? *embed_chunk_ : *embed_token_, run);
    done += run;
  }
  head_.forward_rows(last_);
}

template <class T>
void Stream<T>::push_together(std::span<const Token> tokens, Embed<T>& embed, std::int64_t count) {
  Batch batch = {count, windows_, 0, {tokens.begin(), tokens.end()}, {}};
  embed.forward(batch, x_);
  const std::int64_t elements = count * windows_ * spec_.channels;
  for (const Step& step : steps_) {
    if (spec_.residual)
      backend_.copy(elements, x_, y_);
    else
      backend_.zero(elements, y_);
    for (const Part& part : step) run(part, count, x_, y_);
    std::swap(x_, y_);
  }
  position_ += count;
  last_ = x_ + elements - windows_ * spec_.channels;
}

template <class T>
void Stream<T>::run(const Part& part, std::int64_t count, const T* x, T* y) {
  const Nodes nodes = {count, windows_, spec_.channels, tensor_order(spec_)};
  const Nodes hidden = nodes.with_channels(spec_.hidden);
  if (part.gain) backend_.norm(spec_.norm, nodes, kNormEpsilon, x, part.gain->value, h_, stats_);
  part.map->run({position_, count}, part.gain ? h_ : x, z_);
  if (part.map_bias)
    backend_.add_bias(nodes.with_channels(gated_width(spec_)), part.map_bias->value, z_);
  backend_.activate(gate_, hidden, z_, q_);
  if (part.way_out)
    backend_.channel_map(hidden, spec_.channels, q_, part.way_out->value, y, true);
  else
    backend_.add(hidden.elements(), q_, y);
  if (part.out_bias) backend_.add_bias(nodes, part.out_bias->value, y);
}

template class Stream<float>;
template class Stream<double>;

}  // namespace ortho
