#include "decode/media.h"

#include <limits>
#include <optional>

#include "core/error.h"
#include "decode/container.h"
#include "decode/film.h"
#include "decode/sound_track.h"

namespace ortho {
namespace {

// Gives all frames that are ready after `packet`, or, for nullptr, the last ones.
template <class Take>
void decode_packet(AVCodecContext* codec, const AVPacket* packet, AVFrame* frame, Take take) {
  check_av(avcodec_send_packet(codec, packet), "a part of it is damaged");
  while (true) {
    const int code = avcodec_receive_frame(codec, frame);
    if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return;
    check_av(code, "a part of it is damaged");
    take(frame);
    av_frame_unref(frame);
  }
}

// One file on its way to parts.
class MediaReader {
 public:
  MediaReader(std::span<const std::uint8_t> bytes, const MediaRule& rule)
      : container_(bytes), sound_(rule.channels), frame_(new_frame()) {
    if (container_.film() != nullptr) {
      film_codec_ = open_codec(container_.film());
      film_.emplace(container_.film(), rule);
    }
    if (container_.sound() != nullptr) sound_codec_ = open_codec(container_.sound());
  }

  std::vector<Part> read() {
    const Packet packet = new_packet();
    while (!enough() && container_.read(packet.get())) {
      const bool film = film_ && packet.get()->stream_index == container_.film()->index;
      if (film && film_->cut()) continue;
      take(film, packet.get());
    }
    if (!enough() && film_ && !film_->cut()) take(true, nullptr);
    if (!enough() && container_.sound() != nullptr) take(false, nullptr);
    return parts();
  }

 private:
  void take(bool film, const AVPacket* packet) {
    if (film)
      decode_packet(film_codec_.get(), packet, frame_.get(),
                    [this](AVFrame* frame) { film_->take(frame); });
    else
      decode_packet(sound_codec_.get(), packet, frame_.get(),
                    [this](AVFrame* frame) { sound_.take(*frame); });
  }

  // The film is cut, and there is sound for all that is kept of it.
  bool enough() const {
    if (!film_ || !film_->cut()) return false;
    if (container_.sound() == nullptr) return true;
    return sound_.rate() > 0 && sound_.samples() >= film_->samples(sound_.rate());
  }

  std::vector<Part> parts() {
    std::vector<Part> parts;
    const bool heard = sound_.samples() > 0;
    if (film_) parts.push_back(film_->finish(heard));
    const bool cut = film_ && film_->cut();
    if (heard)
      parts.push_back(sound_.finish(cut ? film_->samples(sound_.rate())
                                        : std::numeric_limits<std::int64_t>::max()));
    if (parts.empty()) fail(ErrorKind::data, "it holds neither pictures nor sound");
    return parts;
  }

  Container container_;
  Codec film_codec_, sound_codec_;
  std::optional<Film> film_;
  SoundTrack sound_;
  Frame frame_;
};

}  // namespace

std::vector<Part> decode_media(std::span<const std::uint8_t> bytes, const MediaRule& rule) {
  return MediaReader(bytes, rule).read();
}

}  // namespace ortho
