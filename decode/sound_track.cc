#include "decode/sound_track.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.h"

namespace ortho {
namespace {

constexpr std::int64_t kMaxRate = 10'000'000;  // samples per second, as for WAV
constexpr int kMaxChannels = 256;

template <class Value>
double value_at(const std::uint8_t* bytes, std::int64_t index) {
  Value value;
  std::memcpy(&value, bytes + static_cast<std::size_t>(index) * sizeof(Value), sizeof(Value));
  return static_cast<double>(value);
}

// One sample of one channel in units of 16 bits, not rounded.
double sample_at(const AVFrame& frame, AVSampleFormat packed, int channel, std::int64_t index) {
  const bool planar = av_sample_fmt_is_planar(static_cast<AVSampleFormat>(frame.format)) != 0;
  const std::uint8_t* bytes = frame.extended_data[planar ? channel : 0];
  const std::int64_t at = planar ? index : index * frame.ch_layout.nb_channels + channel;
  switch (packed) {
    case AV_SAMPLE_FMT_U8:
      return (value_at<std::uint8_t>(bytes, at) - 128) * 256;
    case AV_SAMPLE_FMT_S16:
      return value_at<std::int16_t>(bytes, at);
    case AV_SAMPLE_FMT_S32:
      return value_at<std::int32_t>(bytes, at) / 65536;
    case AV_SAMPLE_FMT_FLT:
      return value_at<float>(bytes, at) * 32768;
    case AV_SAMPLE_FMT_DBL:
      return value_at<double>(bytes, at) * 32768;
    default:
      fail(ErrorKind::data, text("samples of format ", av_get_sample_fmt_name(packed)));
  }
}

}  // namespace

void SoundTrack::take(const AVFrame& frame) {
  const int channels = frame.ch_layout.nb_channels;
  if (frame.decode_error_flags != 0 || (frame.flags & AV_FRAME_FLAG_CORRUPT) != 0)
    fail(ErrorKind::data, text("its sound is damaged behind sample ", samples_.size()));
  if (frame.sample_rate < 1 || frame.sample_rate > kMaxRate || channels < 1 ||
      channels > kMaxChannels)
    fail(ErrorKind::data, text("a sound of ", channels, " channels with ", frame.sample_rate,
                               " samples per second"));
  if (rate_ != 0 && rate_ != frame.sample_rate)
    fail(ErrorKind::data,
         text("its sound goes from ", rate_, " to ", frame.sample_rate, " samples per second"));
  rate_ = frame.sample_rate;
  if ((samples_.size() + static_cast<std::size_t>(frame.nb_samples)) * 2 > kMaxAnswerBytes)
    fail(ErrorKind::data, text("its sound takes more than ", kMaxAnswerBytes >> 20, " MiB"));
  const auto packed = av_get_packed_sample_fmt(static_cast<AVSampleFormat>(frame.format));
  const int used = channels_ == Channels::first ? 1 : channels;
  for (std::int64_t i = 0; i < frame.nb_samples; ++i) {
    double sum = 0;
    for (int channel = 0; channel < used; ++channel) sum += sample_at(frame, packed, channel, i);
    if (std::isnan(sum)) fail(ErrorKind::data, "a sample of its sound is not a number");
    samples_.push_back(
        static_cast<std::int16_t>(std::lround(std::clamp(sum / used, -32768.0, 32767.0))));
  }
}

Part SoundTrack::finish(std::int64_t most) const {
  ASSERT(!samples_.empty() && most > 0);
  const auto count = static_cast<std::size_t>(std::min(samples(), most));
  Part part;
  part.kind = PartKind::audio;
  part.dtype = DType::i16;
  part.shape = {static_cast<std::uint32_t>(count), 1, 1, 1};
  part.rate = {static_cast<std::uint32_t>(rate_), 1};
  part.bytes.resize(2 * count);
  std::memcpy(part.bytes.data(), samples_.data(), part.bytes.size());
  return part;
}

}  // namespace ortho
