// The C API of FFmpeg's libraries, its objects under owners, its error codes as exceptions.
#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libavutil/mathematics.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
}

#include <string>

#include "core/handle.h"

namespace ortho {

struct FrameTraits {
  using Type = AVFrame*;
  static AVFrame* null() { return nullptr; }
  static void close(AVFrame* frame) { av_frame_free(&frame); }
};
struct PacketTraits {
  using Type = AVPacket*;
  static AVPacket* null() { return nullptr; }
  static void close(AVPacket* packet) { av_packet_free(&packet); }
};
struct CodecTraits {
  using Type = AVCodecContext*;
  static AVCodecContext* null() { return nullptr; }
  static void close(AVCodecContext* codec) { avcodec_free_context(&codec); }
};
struct ScalerTraits {
  using Type = SwsContext*;
  static SwsContext* null() { return nullptr; }
  static void close(SwsContext* scaler) { sws_freeContext(scaler); }
};
using Frame = Handle<FrameTraits>;
using Packet = Handle<PacketTraits>;
using Codec = Handle<CodecTraits>;
using Scaler = Handle<ScalerTraits>;

Frame new_frame();
Packet new_packet();

// From now on what the libraries complain of is kept for check_av, and not printed.
void keep_complaints();

// Error(data) with `what` was done, the code in words and the libraries' last complaint, when the
// code is negative. Returns it else.
int check_av(int code, const std::string& what);

}  // namespace ortho
