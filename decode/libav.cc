#include "decode/libav.h"

#include <array>
#include <cstdio>
#include <new>

#include "core/error.h"

namespace ortho {
namespace {

// The last complaint of this program's one thread; the callback has no argument of ours.
std::string& complaint() {
  static std::string words;
  return words;
}

void keep_complaint(void*, int level, const char* format, va_list arguments) {
  if (level > AV_LOG_ERROR) return;
  std::array<char, 256> line{};
  std::vsnprintf(line.data(), line.size(), format, arguments);
  complaint() = line.data();
  while (complaint().ends_with('\n') || complaint().ends_with('.')) complaint().pop_back();
}

template <class Pointer>
Pointer allocated(Pointer pointer) {
  if (pointer == nullptr) throw std::bad_alloc();
  return pointer;
}

}  // namespace

Frame new_frame() { return Frame(allocated(av_frame_alloc())); }
Packet new_packet() { return Packet(allocated(av_packet_alloc())); }

void keep_complaints() { av_log_set_callback(keep_complaint); }

int check_av(int code, const std::string& what) {
  const std::string said = std::exchange(complaint(), {});
  if (code >= 0) return code;
  if (code == AVERROR(ENOMEM)) throw std::bad_alloc();
  std::array<char, AV_ERROR_MAX_STRING_SIZE> words{};
  av_strerror(code, words.data(), words.size());
  fail(ErrorKind::data,
       text(what, ": ", words.data(), said.empty() ? "" : text(" (FFmpeg: ", said, ')')));
}

}  // namespace ortho
