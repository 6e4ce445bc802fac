#include "decode/film.h"

#include <algorithm>

#include "core/error.h"

namespace ortho {
namespace {

constexpr AVRational kRateUnknown = {25, 1};

AVRational stream_rate(const AVStream* stream) {
  for (const AVRational rate : {stream->avg_frame_rate, stream->r_frame_rate})
    if (rate.num > 0 && rate.den > 0) return rate;
  return kRateUnknown;
}

}  // namespace

Film::Film(const AVStream* stream, const MediaRule& rule)
    : stream_(stream), rule_(rule), maker_(stream), held_(new_frame()), rate_(stream_rate(stream)) {
  if (rule.frame_rate[0] == 0) return;
  rate_ = {static_cast<int>(rule.frame_rate[0]), static_cast<int>(rule.frame_rate[1])};
  if (rate_.num <= 0 || rate_.den <= 0) fail(ErrorKind::data, "the frame rate asked for is none");
}

void Film::take(AVFrame* frame) {
  if (frame->decode_error_flags != 0 || (frame->flags & AV_FRAME_FLAG_CORRUPT) != 0)
    fail(ErrorKind::data, text("frame ", taken_, " is damaged"));
  std::int64_t time = frame->best_effort_timestamp;
  if (time == AV_NOPTS_VALUE) time = held_time_ + held_span_;
  if (taken_ == 0) first_time_ = time;
  if (taken_ > 0) show_until(time);
  const std::int64_t frame_span =
      av_rescale_q(1, av_inv_q(stream_rate(stream_)), stream_->time_base);
  held_time_ = time;
  held_span_ =
      std::max<std::int64_t>(frame->pkt_duration > 0 ? frame->pkt_duration : frame_span, 1);
  av_frame_unref(held_.get());
  av_frame_move_ref(held_.get(), frame);
  ++taken_;
}

void Film::show_until(std::int64_t time) {
  if (rule_.frame_rate[0] == 0) return append();
  const AVRational period = av_inv_q(rate_);
  std::int64_t span = 0;
  if (__builtin_sub_overflow(time, first_time_, &span)) fail(ErrorKind::data, "its times are wild");
  while (!cut_ && av_compare_ts(frames_, period, span, stream_->time_base) < 0) append();
}

void Film::append() {
  if (cut_) return;
  if (rule_.max_frames > 0 && frames_ == rule_.max_frames) {
    cut_ = true;
    return;
  }
  Image image = maker_.make(*held_.get());
  if (rule_.frame_height > 0 && rule_.frame_width > 0)
    image = resize(image, rule_.frame_height, rule_.frame_width);
  if (frames_ == 0) {
    height_ = image.height;
    width_ = image.width;
  }
  if (image.height != height_ || image.width != width_)
    fail(ErrorKind::data,
         text("frame ", taken_ - 1, " has ", image.width, " x ", image.height,
              " pixels, those before it ", width_, " x ", height_, ": give --frame-size"));
  if (bytes_.size() + image.rgb.size() > kMaxAnswerBytes)
    fail(ErrorKind::data, text("its frames take more than ", kMaxAnswerBytes >> 20,
                               " MiB: give --frame-size, --frames-per-second or --max-frames"));
  bytes_.insert(bytes_.end(), image.rgb.begin(), image.rgb.end());
  ++frames_;
}

std::int64_t Film::samples(std::int64_t rate) const {
  return av_rescale_rnd(frames_, rate * rate_.den, rate_.num, AV_ROUND_UP);
}

Part Film::finish(bool has_sound) {
  if (taken_ == 0) fail(ErrorKind::data, "it holds no frame");
  const bool image = taken_ == 1 && !has_sound;
  if (image) {
    rule_ = {};
    append();
  } else {
    show_until(held_time_ + held_span_);
    if (frames_ == 0) append();  // shorter than a frame of the rate asked for
  }
  Part part;
  part.kind = image ? PartKind::image : PartKind::video;
  part.shape = {static_cast<std::uint32_t>(frames_), static_cast<std::uint32_t>(height_),
                static_cast<std::uint32_t>(width_), 3};
  if (!image)
    part.rate = {static_cast<std::uint32_t>(rate_.num), static_cast<std::uint32_t>(rate_.den)};
  part.bytes = std::move(bytes_);
  return part;
}

}  // namespace ortho
