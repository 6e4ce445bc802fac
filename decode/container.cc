#include "decode/container.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "core/error.h"
#include "dataio/media/image.h"
#include "dataio/media/media_format.h"

namespace ortho {
namespace {

constexpr int kIoBytes = 1 << 15;  // of the buffer between our bytes and the demuxer
constexpr int kMaxStreams = 16;
constexpr int kStrict = AV_EF_EXPLODE | AV_EF_CRCCHECK | AV_EF_BITSTREAM | AV_EF_BUFFER;
constexpr const char* kCodecs =
    "png,mjpeg,gif,vorbis,opus,flac,theora,mp3,mp3float,aac,h264,hevc,mpeg4,vp8,vp9,av1,libdav1d,"
    "pcm_u8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_f32le";

// FFmpeg's name of the demuxer.
const char* demuxer(MediaFormat format) {
  switch (format) {
    case MediaFormat::png:
      return "png_pipe";
    case MediaFormat::jpeg:
      return "jpeg_pipe";
    case MediaFormat::gif:
      return "gif";
    case MediaFormat::ogg:
      return "ogg";
    case MediaFormat::flac:
      return "flac";
    case MediaFormat::mp3:
      return "mp3";
    case MediaFormat::mp4:
      return "mp4";
    case MediaFormat::webm:
      return "matroska";
    case MediaFormat::none:
      break;
  }
  fail(ErrorKind::data, "it is none of the formats that are decoded");
}

struct Options {
  AVDictionary* list = nullptr;
  Options() = default;
  ~Options() { av_dict_free(&list); }
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;
  void set(const char* name, const char* value) {
    check_av(av_dict_set(&list, name, value, 0), name);
  }
  void set(const char* name, std::int64_t value) {
    check_av(av_dict_set_int(&list, name, value, 0), name);
  }
};

}  // namespace

Container::Container(std::span<const std::uint8_t> bytes) : bytes_(bytes) {
  try {
    open();
    choose();
  } catch (...) {
    close();
    throw;
  }
}

Container::~Container() { close(); }

void Container::close() {
  avformat_close_input(&format_);
  if (io_ != nullptr) av_freep(&io_->buffer);  // perhaps another than the one we gave
  avio_context_free(&io_);
}

void Container::open() {
  auto* buffer = static_cast<unsigned char*>(av_malloc(kIoBytes));
  if (buffer == nullptr) throw std::bad_alloc();
  io_ = avio_alloc_context(buffer, kIoBytes, 0, this, read_bytes, nullptr, seek);
  if (io_ == nullptr) av_free(buffer);
  format_ = avformat_alloc_context();
  if (io_ == nullptr || format_ == nullptr) throw std::bad_alloc();
  format_->pb = io_;
  format_->max_streams = kMaxStreams;
  format_->error_recognition = kStrict;
  const AVInputFormat* input = av_find_input_format(demuxer(media_format(bytes_)));
  ASSERT(input != nullptr, "FFmpeg's libraries were built without this format");
  Options options;
  options.set("codec_whitelist", kCodecs);
  options.set("protocol_whitelist", "");  // a file that names other files gets none
  check_av(avformat_open_input(&format_, nullptr, input, &options.list), "its head cannot be read");
}

// The first film and the first sound; finds out what their headers leave open.
void Container::choose() {
  Options probe[kMaxStreams];
  AVDictionary* lists[kMaxStreams] = {};
  for (unsigned i = 0; i < std::min<unsigned>(format_->nb_streams, kMaxStreams); ++i) {
    probe[i].set("max_pixels", kMaxPixels);
    lists[i] = probe[i].list;
  }
  const int code = avformat_find_stream_info(format_, format_->nb_streams > 0 ? lists : nullptr);
  for (int i = 0; i < kMaxStreams; ++i) probe[i].list = lists[i];  // what it did not take
  check_av(code, "its streams cannot be read");
  for (unsigned i = 0; i < format_->nb_streams; ++i) {
    AVStream* stream = format_->streams[i];
    const AVMediaType type = stream->codecpar->codec_type;
    const bool cover = (stream->disposition & AV_DISPOSITION_ATTACHED_PIC) != 0;
    AVStream** wanted = type == AVMEDIA_TYPE_VIDEO && !cover ? &film_
                        : type == AVMEDIA_TYPE_AUDIO         ? &sound_
                                                             : nullptr;
    stream->discard = AVDISCARD_ALL;
    if (wanted == nullptr || *wanted != nullptr) continue;
    *wanted = stream;
    stream->discard = AVDISCARD_DEFAULT;
  }
  if (film_ == nullptr && sound_ == nullptr)
    fail(ErrorKind::data, "it holds neither pictures nor sound");
}

bool Container::read(AVPacket* packet) {
  while (true) {
    av_packet_unref(packet);
    const int code = av_read_frame(format_, packet);
    if (code == AVERROR_EOF) return false;
    check_av(code, "a part of it cannot be read");
    const AVStream* stream = format_->streams[packet->stream_index];
    if (stream == film_ || stream == sound_) return true;
  }
}

int Container::read_bytes(void* self, std::uint8_t* to, int size) {
  auto* container = static_cast<Container*>(self);
  const std::int64_t left = static_cast<std::int64_t>(container->bytes_.size()) - container->at_;
  const std::int64_t count = std::min<std::int64_t>(left, size);
  if (count <= 0) return AVERROR_EOF;
  std::memcpy(to, container->bytes_.data() + container->at_, static_cast<std::size_t>(count));
  container->at_ += count;
  return static_cast<int>(count);
}

std::int64_t Container::seek(void* self, std::int64_t offset, int whence) {
  auto* container = static_cast<Container*>(self);
  const auto size = static_cast<std::int64_t>(container->bytes_.size());
  if ((whence & AVSEEK_SIZE) != 0) return size;
  const int from = whence & ~AVSEEK_FORCE;
  const std::int64_t base = from == SEEK_SET ? 0 : from == SEEK_CUR ? container->at_ : size;
  std::int64_t target = 0;
  if (__builtin_add_overflow(base, offset, &target) || target < 0 || target > size)
    return AVERROR(EINVAL);
  return container->at_ = target;
}

Codec open_codec(const AVStream* stream) {
  const AVCodec* decoder = avcodec_find_decoder(stream->codecpar->codec_id);
  if (decoder == nullptr)
    fail(ErrorKind::data,
         text("there is no decoder for its ", avcodec_get_name(stream->codecpar->codec_id)));
  Codec codec(avcodec_alloc_context3(decoder));
  if (codec.get() == nullptr) throw std::bad_alloc();
  check_av(avcodec_parameters_to_context(codec.get(), stream->codecpar), "its codec's parameters");
  codec.get()->pkt_timebase = stream->time_base;
  codec.get()->thread_count = 1;
  codec.get()->max_pixels = kMaxPixels;
  codec.get()->err_recognition = kStrict;
  codec.get()->flags |= AV_CODEC_FLAG_BITEXACT;
  Options options;
  options.set("codec_whitelist", kCodecs);
  check_av(avcodec_open2(codec.get(), decoder, &options.list),
           text("its ", decoder->name, " stream cannot be opened"));
  return codec;
}

}  // namespace ortho
