// Picture: a decoded frame as an Image: RGB of eight bits, upright, transparency on white.
//
// The frame names its colour matrix and range; where it does not, pictures of 720 lines and more
// count as BT.709, others as BT.601. The same bytes on every machine: the scaler runs bit-exact.
#pragma once

#include "dataio/media/image.h"
#include "decode/libav.h"

namespace ortho {

class PictureMaker {
 public:
  // `stream` may carry a rotation; a frame's own goes first.
  explicit PictureMaker(const AVStream* stream) : stream_(stream) {}

  // Error(data) when the frame is turned by anything but quarters.
  Image make(const AVFrame& frame);

 private:
  const std::int32_t* matrix(const AVFrame& frame) const;  // 3 x 3, as FFmpeg stores it, or nullptr

  const AVStream* stream_;
  Scaler scaler_;  // kept while frames look alike
};

}  // namespace ortho
