// AttentionStream: causal attention of one sublayer, some tokens at a time, with the keys and
// values that its taps still reach.
//
// They lie in one piece, as the backend wants them. The room is twice the reach: when it is full,
// what is still heard moves to its beginning, so that a token costs the same wherever it stands.
#pragma once

#include <string>
#include <vector>

#include "model/stream_map.h"
#include "tensor/attention.h"

namespace ortho {

template <class T>
class AttentionStream final : public StreamMap<T> {
 public:
  // `prefix` leads the names of its weights. Up to `chunk` tokens at a time.
  AttentionStream(const Build<T>& build, const LineMap& map, const std::string& prefix,
                  std::int64_t chunk);
  void run(const StreamPart& part, const T* h, T* z) override;

 private:
  void make_room(const StreamPart& part);
  void choose_sources(const StreamPart& part);
  Nodes nodes_;  // of a token
  std::int64_t units_, gated_;
  Param<T>&query_, &key_, &value_, &bias_;
  Backend<T>& backend_;
  std::vector<std::int64_t> steps_;  // how far back each tap reaches, ascending
  std::int64_t room_;                // tokens of keys and values
  std::int64_t first_ = 0;           // the stream's token that lies first there
  std::vector<std::int32_t> sources_;
  Attention attention_;
  T *q_, *k_, *v_, *log_sum_;
};

}  // namespace ortho
