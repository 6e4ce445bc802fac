// Decoder: the worker program orthotope-decode, kept running, file after file.
//
// It reads JPEG, GIF, Ogg, FLAC, MP3, MP4 and WebM with FFmpeg's libraries, which are not linked
// into this program. It gets the bytes of a file, opens nothing, and is held to limits of memory
// and time: a crash, a hang or a garbled answer costs that one file, and the next one gets a new
// worker.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dataio/media/decode_message.h"

namespace ortho {

class Decoder {
 public:
  explicit Decoder(std::string program);  // its path; started when first needed
  ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  // An image; a sound; a film, then its sound if it has one. Error(data) naming `name` with the
  // reason when the file is refused or the worker fails; Error(usage) when there is no such program.
  std::vector<Part> decode(std::span<const std::uint8_t> bytes, const std::string& name,
                           const MediaRule& rule);

  int starts() const { return starts_; }  // of the worker, so far

 private:
  class Worker;
  std::string program_;
  std::unique_ptr<Worker> worker_;
  int starts_ = 0;
};

}  // namespace ortho
