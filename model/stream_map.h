// StreamMap: the causal map of one sublayer, some tokens at a time, with what it keeps of earlier ones.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/arena.h"
#include "model/build.h"
#include "model/line_map.h"
#include "model/token_runs.h"

namespace ortho {

// The last `size` tokens of a map's input; token t lies at t mod size.
template <class T>
class Ring {
 public:
  Ring(Arena<T>& arena, std::int64_t size, std::int64_t elements);  // of a token
  const T* at(std::int64_t token) const { return rows_ + token % size_ * elements_; }
  // Tokens first … first + count - 1, count <= size.
  void put(Backend<T>& backend, std::int64_t first, std::int64_t count, const T* x);
  // act(offset, tokens, rows) for each run of those tokens that lies in one piece.
  template <class Act>
  void each_run(std::int64_t first, std::int64_t count, Act act) const {
    for (std::int64_t done = 0; done < count;) {
      const std::int64_t run = std::min(count - done, size_ - (first + done) % size_);
      act(done, run, at(first + done));
      done += run;
    }
  }

 private:
  std::int64_t size_, elements_;
  T* rows_;
};

// Tokens position … position + count - 1 of a stream.
struct StreamPart {
  std::int64_t position, count;
};

template <class T>
class StreamMap {
 public:
  virtual ~StreamMap() = default;
  // h [count][windows, C] -> z [count][windows, G] in the model's order; keeps h. Position 0 begins
  // a stream: what was kept is never read then.
  virtual void run(const StreamPart& part, const T* h, T* z) = 0;
};

// z[t] = sum_d h[t - step_d] * W[d] along a line (model/joint_map.h).
template <class T>
class JointStream final : public StreamMap<T> {
 public:
  // Up to `chunk` tokens at a time.
  JointStream(const Build<T>& build, const LineMap& map, Param<T>& weight, std::int64_t chunk);
  void run(const StreamPart& part, const T* h, T* z) override;

 private:
  Nodes nodes_;  // of a token
  std::int64_t out_;
  LineSteps steps_;
  std::int64_t first_tap_, taps_;  // used are first_tap_ … taps_ - 1, as in JointMap
  Param<T>& weight_;
  Backend<T>& backend_;
  Ring<T> ring_;
};

// z = layer( in(h) ) (model/dense_block_map.h).
template <class T>
class DenseStream final : public StreamMap<T> {
 public:
  DenseStream(const Build<T>& build, const std::string& block, std::int64_t chunk);
  void run(const StreamPart& part, const T* h, T* z) override;

 private:
  struct Part {
    DenseMap map;  // of the whole window
    const T* weight;
    std::unique_ptr<Ring<T>> ring;  // of its input; null: the map along the channels, or sum_'s
  };
  void run_map(const StreamPart& part, const Part& of, const T* x, T* y, bool add);
  Nodes nodes_;  // of a token
  bool chained_;
  Param<T>* in_ = nullptr;
  Backend<T>& backend_;
  std::vector<Part> parts_;       // in running order
  std::unique_ptr<Ring<T>> sum_;  // the input that the maps of a sum share
  std::vector<const T*> taps_;    // where the inputs of one token lie
  T *mapped_ = nullptr, *between_[2] = {};
};

}  // namespace ortho
