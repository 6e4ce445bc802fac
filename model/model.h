// Model: embedding, stack and heads over one batch shape;
// forward, loss and gradients of all weights.
//
// Weights live in Params and outlast the model: a model is the working memory and the order of work
// for one stage.
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
  // `windows`: B of this rank, at least 1; Error(usage) when T * B passes 2^31 - 1. With a measuring arena nothing but memory_bytes() may be called.
  Model(const ModelSpec& spec, std::int64_t windows, Params<T>& params, Backend<T>& backend,
        Arena<T>& arena);

  const ModelSpec& spec() const { return spec_; }
  const Nodes& nodes() const { return nodes_; }

  // Adds the batch's gradients to Params; returns the batch's sums.
  // `normaliser`: scored targets of all ranks.
  TermSums train(const Batch& batch, const TermWeights& weights, double normaliser,
                 const DropoutKey& dropout);
  TermSums score(const Batch& batch);  // without dropout and gradients

  // For generation and promises: run once, then ask for logits at rows t * B + b. See Head::logits.
  void run(const Batch& batch);
  Head<T>& head() { return head_; }

 private:
  ModelSpec spec_;
  Nodes nodes_;
  Embed<T> embed_;
  Stack<T> stack_;
  Head<T> head_;
  T* gradient_;
};

}  // namespace ortho
