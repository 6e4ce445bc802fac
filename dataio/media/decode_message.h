// What `pack` and its worker orthotope-decode say to each other: a request, then an answer.
//
//   request: RequestHead, then the bytes of the file
//   answer:  AnswerHead, then its payload: parts, each a PartHead and its bytes, or an error's words
// The worker reads hostile files, so its answer counts as hostile too: every field is checked.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dataio/media/wav.h"
#include "dataio/record.h"

namespace ortho {

// What to make of a file.
struct MediaRule {
  std::int64_t frame_height = 0, frame_width = 0;  // of a film's frames, pixels; 0: as they are
  std::array<std::uint32_t, 2> frame_rate = {0,
                                             1};  // frames a second, a fraction; 0: all there are
  std::int64_t max_frames = 0;                    // a film and its sound are cut there; 0: not
  Channels channels = Channels::mean;
  std::int64_t seconds = 120;  // of computing, and of waiting, for one file
  bool operator==(const MediaRule&) const = default;
};

constexpr std::uint64_t kMaxMediaBytes = std::uint64_t{1} << 30;   // of a file
constexpr std::uint64_t kMaxAnswerBytes = std::uint64_t{1} << 30;  // of its parts
constexpr std::uint64_t kMaxReasonBytes = 4096;                    // of an error's words

struct RequestHead {
  std::uint32_t magic;
  std::uint32_t channels;
  std::int64_t frame_height, frame_width, max_frames, seconds;
  std::uint32_t frame_rate[2];
  std::uint64_t nbytes;
};

struct AnswerHead {
  std::uint32_t magic;
  std::uint32_t refused;  // 0: parts, 1: words
  std::uint64_t nbytes;   // of the payload
  std::uint32_t crc32c;   // of the payload
  std::uint32_t zero;
};

RequestHead request_head(const MediaRule& rule, std::uint64_t nbytes);
// Error(internal) when the head is none: the worker was not started by `pack`.
MediaRule rule_of(const RequestHead& head);

std::vector<std::uint8_t> parts_payload(std::span<const Part> parts);
AnswerHead answer_head(bool refused, std::span<const std::uint8_t> payload);

// What is wrong with the head, or with the payload it announced, in words; empty when nothing is.
std::string head_fault(const AnswerHead& head);
std::string payload_fault(const AnswerHead& head, std::span<const std::uint8_t> payload);

// The parts of a payload: images, sounds and films. Error(data) naming `name` when it is none.
std::vector<Part> parts_from(std::span<const std::uint8_t> payload, const std::string& name);

// An error's words, with what is not printable ASCII replaced: they may quote the hostile file.
std::string reason_from(std::span<const std::uint8_t> payload);

}  // namespace ortho
