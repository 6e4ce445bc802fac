// Film: decoded frames, one after the other, to a part: an image, or a film at the rate asked for.
//
// At a given rate, frame k of the part is the one that a screen shows at time k / rate: frames are
// left out or repeated. Without one, all frames are kept and the part names their mean rate.
#pragma once

#include <cstdint>

#include "dataio/media/decode_message.h"
#include "decode/picture.h"

namespace ortho {

class Film {
 public:
  Film(const AVStream* stream, const MediaRule& rule);

  void take(AVFrame* frame);  // moves it out

  bool cut() const { return cut_; }  // max_frames are there, and more would come
  // Samples of a sound at `rate` that last as long as the frames so far, rounded up.
  std::int64_t samples(std::int64_t rate) const;

  // A single frame without a sound is an image, of its own size. Call it once.
  Part finish(bool has_sound);

 private:
  void show_until(std::int64_t time);  // in units of the stream's time base, from the first frame
  void append();                       // the held frame

  const AVStream* stream_;
  MediaRule rule_;
  PictureMaker maker_;
  Frame held_;
  std::int64_t taken_ = 0, first_time_ = 0, held_time_ = 0, held_span_ = 0;
  AVRational rate_;  // of the part
  std::int64_t frames_ = 0, height_ = 0, width_ = 0;
  bool cut_ = false;
  std::vector<std::uint8_t> bytes_;
};

}  // namespace ortho
