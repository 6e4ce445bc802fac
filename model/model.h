// Model: embedding, stack and heads over one batch shape; forward, loss and gradients of weights.
//
// Weights live in Params and outlast the model: a model is the working memory and the order of work
// for one stage. On several ranks every function is Collective over `world`, if it says nothing
// else; ranks of one replica (model/sharding.h) give the same batch, whole windows, and each works
// on its part of the nodes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/embed.h"
#include "model/head.h"
#include "model/stack.h"

namespace ortho {

template <class T>
class Model {
 public:
  // `params` are laid out by param_layouts(spec, sharding). `world` outlives the model; it may be
  // null on one rank. Built on a measuring arena it holds no memory, and nothing may be run.
  Model(const ModelSpec& spec, const Sharding& sharding, Params<T>& params, Backend<T>& backend,
        Arena<T>& arena, Channel* world = nullptr);
  // On one rank.
  Model(const ModelSpec& spec, std::int64_t windows, Params<T>& params, Backend<T>& backend,
        Arena<T>& arena);
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const ModelSpec& spec() const { return spec_; }
  const Sharding& sharding() const { return sharding_; }
  const Nodes& nodes() const { return nodes_; }  // of a batch: all tokens of the replica's windows
  const Moves<T>& moves() const { return moves_; }

  // Adds the batch's gradients to Params; returns the sums over this rank's tokens.
  // `normaliser`: scored targets of all ranks.
  TermSums train(const Batch& batch, const TermWeights& weights, double normaliser,
                 const DropoutKey& dropout);
  TermSums score(const Batch& batch);  // without dropout and gradients

  // score and run may leave out passes from here on: see Settling. 0: all passes.
  void settle_at(double tolerance) { settling_.tolerance = tolerance; }
  std::int64_t passes() const { return settling_.passes; }  // that score or run took last

  // From here on score and run keep the share of largest magnitude of each token's hidden units; the
  // others are 0. Error(usage) where the channels are cut: no rank sees all units.
  void keep_active(double share);

  // For generation and promises: run once, then ask for logits at rows t * B + b of the batch. See
  // Head::logits. Collective over the ranks of a replica alone: each may generate at its own pace.
  void run(const Batch& batch);
  // The same with several prompts in each window, which begin at these tokens (model/segments.h).
  void run(const Batch& batch, std::span<const std::int64_t> starts);
  Head<T>& head() { return head_; }

 private:
  DropoutKey inference() const;
  ModelSpec spec_;
  Sharding sharding_;
  Nodes nodes_;
  Moves<T> moves_;
  std::unique_ptr<Channel> replica_;  // the ranks with the same batch; null if this one is alone
  std::unique_ptr<Channel> alike_;    // the ranks with the same tokens; null if this one is alone
  Segments segments_;                 // of the batch that is run
  Build<T> build_;
  Embed<T> embed_;
  Stack<T> stack_;
  Head<T> head_;
  Settling settling_;
  T* gradient_;
  double active_nodes_ = 1;
};

}  // namespace ortho
