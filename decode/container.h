// Container: the bytes of a media file, opened as one of the formats we read; its packets.
//
// The format follows from the signature, never from probing. Nothing but these bytes is read: there
// is no protocol, and decoders that are not on the list do not open.
#pragma once

#include <cstdint>
#include <span>

#include "decode/libav.h"

namespace ortho {

class Container {
 public:
  explicit Container(std::span<const std::uint8_t> bytes);  // which must outlive it
  ~Container();
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;

  AVStream* film() const { return film_; }    // nullptr: none. Cover pictures are none.
  AVStream* sound() const { return sound_; }  // nullptr: none

  // The next packet of the two; false at the end.
  bool read(AVPacket* packet);

 private:
  static int read_bytes(void* self, std::uint8_t* to, int size);
  static std::int64_t seek(void* self, std::int64_t offset, int whence);
  void open();
  void choose();
  void close();

  std::span<const std::uint8_t> bytes_;
  std::int64_t at_ = 0;
  AVIOContext* io_ = nullptr;
  AVFormatContext* format_ = nullptr;
  AVStream* film_ = nullptr;
  AVStream* sound_ = nullptr;
};

// A decoder of one thread for the stream, which refuses what is damaged instead of mending it.
Codec open_codec(const AVStream* stream);

}  // namespace ortho
