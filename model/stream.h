// Stream: a causal model token by token, at a cost per token that no earlier token adds to.
//
// A causal map needs of its input at token t only the tokens t - d * stride. Each map of each pass
// keeps its own in a ring of (s - 1) * stride tokens and what is pushed at once, so that a pushed
// token passes every layer once. The sums are those of Stack, in the same order. Weights by offset
// let a stream go on behind the context T; others know no place there.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/embed.h"
#include "model/head.h"
#include "model/stream_map.h"

namespace ortho {

constexpr std::int64_t kStreamChunk = 64;  // tokens of a prompt that pass the layers together

// Why there is no stream of such a model; "" if there is.
std::string stream_refusal(const ModelSpec& spec);
// Whether a stream may be longer than the context.
bool streams_beyond(const ModelSpec& spec);

template <class T>
class Stream {
 public:
  // On one rank. `params` are whole and outlive it. On a measuring arena nothing may be run.
  Stream(const ModelSpec& spec, std::int64_t windows, Params<T>& params, Backend<T>& backend,
         Arena<T>& arena, std::int64_t chunk = kStreamChunk);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  const ModelSpec& spec() const { return spec_; }
  std::int64_t windows() const { return windows_; }
  std::int64_t position() const { return position_; }  // tokens of a window since begin()
  void begin() { position_ = 0; }                      // before the first token of a window
  void push(std::span<const Token> tokens);            // [any number][windows]
  // Of the last token: row w is window w.
  const T* output() const { return last_; }
  Head<T>& head() { return head_; }

 private:
  // As in Sublayer: y += out( f( map( norm(x) ) + b1 ) ) + b2.
  struct Part {
    Param<T>* gain = nullptr;
    Param<T>* way_out = nullptr;
    Param<T>* map_bias = nullptr;
    Param<T>* out_bias = nullptr;
    std::unique_ptr<StreamMap<T>> map;
  };
  using Step = std::vector<Part>;  // parts that read the same x
  void add_joint_steps(const Build<T>& build, std::int64_t chunk);
  void add_dense_steps(const Build<T>& build, std::int64_t chunk);
  Part part_of(Params<T>& params, const std::string& prefix) const;
  void push_together(std::span<const Token> tokens, Embed<T>& embed, std::int64_t count);
  void run(const Part& part, std::int64_t count, const T* x, T* y);

  ModelSpec spec_;
  std::int64_t windows_, chunk_;
  Gate gate_;
  Backend<T>& backend_;
  std::unique_ptr<Embed<T>> embed_chunk_, embed_token_;
  Head<T> head_;  // of one token
  std::vector<Step> steps_;
  std::int64_t position_ = 0;
  T *x_ = nullptr, *y_ = nullptr;  // [chunk][windows][C]
  T *h_ = nullptr, *stats_ = nullptr, *z_ = nullptr, *q_ = nullptr;
  const T* last_ = nullptr;
};

}  // namespace ortho
