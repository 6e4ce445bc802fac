// SoundTrack: decoded pieces of sound to one part: mono samples of 16 bits at the source's rate.
#pragma once

#include <vector>

#include "dataio/media/decode_message.h"
#include "decode/libav.h"

namespace ortho {

class SoundTrack {
 public:
  explicit SoundTrack(Channels channels) : channels_(channels) {}

  void take(const AVFrame& frame);

  std::int64_t rate() const { return rate_; }  // samples a second; 0 before the first piece
  std::int64_t samples() const { return static_cast<std::int64_t>(samples_.size()); }

  Part finish(std::int64_t most) const;  // the first `most` samples; at least one is there

 private:
  Channels channels_;
  std::int64_t rate_ = 0;
  std::vector<std::int16_t> samples_;
};

}  // namespace ortho
