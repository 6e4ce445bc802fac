#include "dataio/media/decode_message.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "dataio/crc32c.h"

namespace ortho {
namespace {

constexpr std::uint32_t kRequest = 0x5145524F;  // "OREQ"
constexpr std::uint32_t kAnswer = 0x534E414F;   // "OANS"
constexpr std::size_t kMaxParts = 2;            // a film and its sound

struct PartHead {
  std::uint32_t kind, dtype;
  std::uint32_t shape[4];
  std::uint32_t rate[2];
  std::uint64_t nbytes;
};

template <class Value>
void append(std::vector<std::uint8_t>& out, const Value* values, std::size_t count) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(values);
  out.insert(out.end(), bytes, bytes + count * sizeof(Value));
}

std::string part_head_fault(const PartHead& head, std::uint64_t left) {
  if (head.kind >= kPartKinds) return text("a part of kind ", head.kind);
  if (head.dtype > static_cast<std::uint32_t>(DType::i16))
    return text("a part of type ", head.dtype);
  const auto kind = static_cast<PartKind>(head.kind);
  if (kind == PartKind::text || kind == PartKind::label)
    return text("a ", part_kind_name(kind), " part");
  const auto dtype = static_cast<DType>(head.dtype);
  const std::array<std::uint32_t, 4> shape = std::to_array(head.shape);
  const std::string fault = part_fault(kind, dtype, shape, std::to_array(head.rate));
  if (!fault.empty()) return fault;
  if (kind == PartKind::audio && shape[3] != 1) return text("a sound of ", shape[3], " channels");
  if (head.nbytes != part_bytes(shape, dtype) || head.nbytes > left)
    return text("a part of ", head.nbytes, " bytes and shape ", list_text(shape), " with ", left,
                " bytes left");
  return {};
}

}  // namespace

RequestHead request_head(const MediaRule& rule, std::uint64_t nbytes) {
  return {kRequest,
          static_cast<std::uint32_t>(rule.channels),
          rule.frame_height,
          rule.frame_width,
          rule.max_frames,
          rule.seconds,
          {rule.frame_rate[0], rule.frame_rate[1]},
          nbytes};
}

MediaRule rule_of(const RequestHead& head) {
  const bool good = head.magic == kRequest && head.nbytes <= kMaxMediaBytes && head.channels <= 1 &&
                    head.frame_height >= 0 && head.frame_width >= 0 && head.max_frames >= 0 &&
                    head.seconds > 0 && head.frame_rate[1] > 0;
  ASSERT(good, "what came is no request of orthotope pack");
  return {head.frame_height,
          head.frame_width,
          std::to_array(head.frame_rate),
          head.max_frames,
          static_cast<Channels>(head.channels),
          head.seconds};
}

std::vector<std::uint8_t> parts_payload(std::span<const Part> parts) {
  std::vector<std::uint8_t> payload;
  for (const Part& part : parts) {
    PartHead head{};
    head.kind = static_cast<std::uint32_t>(part.kind);
    head.dtype = static_cast<std::uint32_t>(part.dtype);
    std::copy(part.shape.begin(), part.shape.end(), head.shape);
    std::copy(part.rate.begin(), part.rate.end(), head.rate);
    head.nbytes = part.bytes.size();
    append(payload, &head, 1);
    append(payload, part.bytes.data(), part.bytes.size());
  }
  return payload;
}

AnswerHead answer_head(bool refused, std::span<const std::uint8_t> payload) {
  return {kAnswer, refused ? 1U : 0U, payload.size(), crc32c(payload.data(), payload.size()), 0};
}

std::string head_fault(const AnswerHead& head) {
  if (head.magic != kAnswer || head.refused > 1 || head.zero != 0)
    return "an answer of no known form";
  const std::uint64_t most =
      head.refused != 0 ? kMaxReasonBytes : kMaxAnswerBytes + kMaxParts * sizeof(PartHead);
  if (head.nbytes > most) return text("an answer of ", head.nbytes, " bytes, at most ", most);
  return {};
}

std::string payload_fault(const AnswerHead& head, std::span<const std::uint8_t> payload) {
  const std::uint32_t sum = crc32c(payload.data(), payload.size());
  if (payload.size() != head.nbytes || sum != head.crc32c)
    return text("an answer of ", payload.size(), " bytes with checksum ", crc32c_text(sum),
                ", announced were ", head.nbytes, " with ", crc32c_text(head.crc32c));
  return {};
}

std::vector<Part> parts_from(std::span<const std::uint8_t> payload, const std::string& name) {
  const auto refuse = [&](const std::string& fault) {
    fail(ErrorKind::data, text(name, ": orthotope-decode answered with ", fault));
  };
  std::vector<Part> parts;
  while (!payload.empty()) {
    if (parts.size() == kMaxParts) refuse(text("more than ", kMaxParts, " parts"));
    PartHead head;
    if (payload.size() < sizeof head) refuse(text(payload.size(), " bytes that are no part"));
    std::memcpy(&head, payload.data(), sizeof head);
    payload = payload.subspan(sizeof head);
    const std::string fault = part_head_fault(head, payload.size());
    if (!fault.empty()) refuse(fault);
    Part part{static_cast<PartKind>(head.kind),
              static_cast<DType>(head.dtype),
              std::to_array(head.shape),
              std::to_array(head.rate),
              {}};
    part.bytes.assign(payload.begin(), payload.begin() + static_cast<std::ptrdiff_t>(head.nbytes));
    payload = payload.subspan(head.nbytes);
    parts.push_back(std::move(part));
  }
  if (parts.empty()) refuse("no part");
  return parts;
}

std::string reason_from(std::span<const std::uint8_t> payload) {
  std::string reason(payload.begin(), payload.end());
  for (char& c : reason)
    if (c < ' ' || c > '~') c = '?';
  return reason;
}

}  // namespace ortho
