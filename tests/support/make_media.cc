// make_media FOLDER: writes small films, pictures and sounds with FFmpeg's encoders, for tests.
//
// Frames: the left half (200, 60 + 10 k, 40), the right half (40, 60 + 10 k, 200) for frame k.
// Sound: a sine of 500 Hz at half the full scale, the same on both channels. A format whose encoder
// is not installed is left out.
#include <cmath>
#include <cstdio>
#include <exception>
#include <numbers>
#include <vector>

#include "core/error.h"
#include "decode/libav.h"

namespace ortho {
namespace {

constexpr int kWidth = 32, kHeight = 16, kFrames = 10, kFramesPerSecond = 10;

struct Made {
  const char* name;
  const char* picture;  // encoder, or nullptr
  AVPixelFormat pixels;
  const char* sound;  // encoder, or nullptr
  int rate;           // samples a second
  int frames;
  bool turned;  // a quarter, by the display matrix
};

constexpr Made kFiles[] = {
    {"one.jpg", "mjpeg", AV_PIX_FMT_YUVJ444P, nullptr, 0, 1, false},
    {"one.gif", "gif", AV_PIX_FMT_RGB8, nullptr, 0, 1, false},
    {"film.gif", "gif", AV_PIX_FMT_RGB8, nullptr, 0, kFrames, false},
    {"film.mp4", "mpeg4", AV_PIX_FMT_YUV420P, "aac", 44100, kFrames, false},
    {"turned.mp4", "mpeg4", AV_PIX_FMT_YUV420P, nullptr, 0, kFrames, true},
    {"film.webm", "libvpx", AV_PIX_FMT_YUV420P, "libvorbis", 48000, kFrames, false},
    {"sound.ogg", nullptr, AV_PIX_FMT_NONE, "libvorbis", 44100, kFrames, false},
    {"sound.flac", nullptr, AV_PIX_FMT_NONE, "flac", 8000, kFrames, false},
    {"sound.mp3", nullptr, AV_PIX_FMT_NONE, "libmp3lame", 44100, kFrames, false},
};

Codec open_encoder(const AVCodec* encoder, const Made& made) {
  Codec codec(avcodec_alloc_context3(encoder));
  AVCodecContext* c = codec.get();
  c->flags |= AV_CODEC_FLAG_BITEXACT | AV_CODEC_FLAG_GLOBAL_HEADER;
  if (encoder->type == AVMEDIA_TYPE_VIDEO) {
    c->width = kWidth;
    c->height = kHeight;
    c->pix_fmt = made.pixels;
    c->time_base = {1, kFramesPerSecond};
    c->framerate = {kFramesPerSecond, 1};
    c->color_range = made.pixels == AV_PIX_FMT_YUVJ444P ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
    c->bit_rate = 4'000'000;
    c->gop_size = 5;
    c->qmin = 1;
    c->qmax = 3;
  } else {
    c->sample_rate = made.rate;
    c->time_base = {1, made.rate};
    c->sample_fmt = encoder->sample_fmts[0];
    c->bit_rate = 128'000;
    av_channel_layout_default(&c->ch_layout, 2);
  }
  check_av(avcodec_open2(c, encoder, nullptr), encoder->name);
  return codec;
}

// One output file with its streams and encoders.
class Writer {
 public:
  Writer(const std::string& path, const Made& made) : made_(made) {
    check_av(avformat_alloc_output_context2(&format_, nullptr, nullptr, path.c_str()), path);
    format_->flags |= AVFMT_FLAG_BITEXACT;
    if (made.picture != nullptr) picture_ = add(made.picture);
    if (made.sound != nullptr) sound_ = add(made.sound);
    check_av(avio_open(&format_->pb, path.c_str(), AVIO_FLAG_WRITE), path);
    check_av(avformat_write_header(format_, nullptr), path);
  }
  ~Writer() {
    avio_closep(&format_->pb);
    avformat_free_context(format_);
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void write() {
    if (picture_.get() != nullptr) {
      for (int k = 0; k < made_.frames; ++k) encode(picture_, 0, picture_frame(k).get());
      encode(picture_, 0, nullptr);
    }
    if (sound_.get() != nullptr) write_sound();
    check_av(av_write_trailer(format_), made_.name);
  }

 private:
  Codec add(const char* name) {
    Codec codec = open_encoder(avcodec_find_encoder_by_name(name), made_);
    AVStream* stream = avformat_new_stream(format_, nullptr);
    stream->time_base = codec.get()->time_base;
    stream->avg_frame_rate = codec.get()->framerate;
    check_av(avcodec_parameters_from_context(stream->codecpar, codec.get()), name);
    if (made_.turned) {
      std::uint8_t* matrix =
          av_stream_new_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, 9 * sizeof(std::int32_t));
      av_display_rotation_set(reinterpret_cast<std::int32_t*>(matrix), 90);
    }
    return codec;
  }

  void encode(const Codec& codec, int stream, const AVFrame* frame) {
    check_av(avcodec_send_frame(codec.get(), frame), made_.name);
    const Packet packet = new_packet();
    while (avcodec_receive_packet(codec.get(), packet.get()) == 0) {
      packet.get()->stream_index = stream;
      if (packet.get()->duration == 0 && stream == 0 && made_.picture != nullptr)
        packet.get()->duration = 1;
      av_packet_rescale_ts(packet.get(), codec.get()->time_base,
                           format_->streams[stream]->time_base);
      check_av(av_interleaved_write_frame(format_, packet.get()), made_.name);
    }
  }

  Frame picture_frame(int k) const {
    std::vector<std::uint8_t> rgb;
    for (int i = 0; i < kWidth * kHeight; ++i) {
      const bool left = i % kWidth < kWidth / 2;
      for (const int value : {left ? 200 : 40, 60 + 10 * k, left ? 40 : 200})
        rgb.push_back(static_cast<std::uint8_t>(value));
    }
    Frame frame = new_frame();
    frame.get()->width = kWidth;
    frame.get()->height = kHeight;
    frame.get()->format = made_.pixels;
    frame.get()->pts = k;
    check_av(av_frame_get_buffer(frame.get(), 0), "frame");
    const Scaler scaler(sws_getContext(kWidth, kHeight, AV_PIX_FMT_RGB24, kWidth, kHeight,
                                       made_.pixels, SWS_BILINEAR | SWS_ACCURATE_RND, nullptr,
                                       nullptr, nullptr));
    const std::uint8_t* planes[1] = {rgb.data()};
    const int strides[1] = {kWidth * 3};
    sws_scale(scaler.get(), planes, strides, 0, kHeight, frame.get()->data, frame.get()->linesize);
    return frame;
  }

  void write_sound() {
    AVCodecContext* c = sound_.get();
    const int piece = c->frame_size > 0 ? c->frame_size : 1024;
    const int all = made_.rate * made_.frames / kFramesPerSecond;
    for (int start = 0; start < all; start += piece) {
      const Frame frame = new_frame();
      frame.get()->nb_samples = std::min(piece, all - start);
      frame.get()->format = c->sample_fmt;
      frame.get()->sample_rate = made_.rate;
      frame.get()->pts = start;
      check_av(av_channel_layout_copy(&frame.get()->ch_layout, &c->ch_layout), "layout");
      check_av(av_frame_get_buffer(frame.get(), 0), "frame");
      for (int i = 0; i < frame.get()->nb_samples; ++i)
        put(frame.get(), i, std::sin(2 * std::numbers::pi * 500 * (start + i) / made_.rate) / 2);
      encode(sound_, format_->nb_streams == 2 ? 1 : 0, frame.get());
    }
    encode(sound_, format_->nb_streams == 2 ? 1 : 0, nullptr);
  }

  static void put(AVFrame* frame, int index, double value) {
    for (int channel = 0; channel < 2; ++channel) {
      if (frame->format == AV_SAMPLE_FMT_S16)
        reinterpret_cast<std::int16_t*>(frame->data[0])[2 * index + channel] =
            static_cast<std::int16_t>(std::lround(value * 32768));
      else if (frame->format == AV_SAMPLE_FMT_S16P)
        reinterpret_cast<std::int16_t*>(frame->data[channel])[index] =
            static_cast<std::int16_t>(std::lround(value * 32768));
      else if (frame->format == AV_SAMPLE_FMT_S32P)
        reinterpret_cast<std::int32_t*>(frame->data[channel])[index] =
            static_cast<std::int32_t>(std::lround(value * 2147483648.0));
      else
        reinterpret_cast<float*>(frame->data[channel])[index] = static_cast<float>(value);
    }
  }

  const Made& made_;
  AVFormatContext* format_ = nullptr;
  Codec picture_, sound_;
};

bool installed(const char* encoder) {
  return encoder == nullptr || avcodec_find_encoder_by_name(encoder) != nullptr;
}

}  // namespace
}  // namespace ortho

int main(int argc, char** argv) {
  try {
    REQUIRE(argc == 2, "usage: make_media FOLDER");
    ortho::keep_complaints();
    for (const ortho::Made& made : ortho::kFiles)
      if (ortho::installed(made.picture) && ortho::installed(made.sound))
        ortho::Writer(std::string(argv[1]) + "/" + made.name, made).write();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "make_media: %s\n", error.what());
    return 1;
  }
}
