#include "dataio/media/idx.h"

#include <iomanip>

#include "core/error.h"
#include "dataio/media/gzip.h"

namespace ortho {
namespace {

constexpr std::uint32_t kImagesMagic = 0x00000803, kLabelsMagic = 0x00000801;

std::uint32_t word_at(std::span<const std::uint8_t> bytes, std::size_t at) {
  return std::uint32_t{bytes[at]} << 24 | std::uint32_t{bytes[at + 1]} << 16 |
         std::uint32_t{bytes[at + 2]} << 8 | bytes[at + 3];
}

std::string hex(std::uint32_t word) {
  std::ostringstream out;
  out << std::hex << std::setw(8) << std::setfill('0') << word;
  return out.str();
}

void put_word(std::vector<std::uint8_t>& out, std::int64_t word) {
  for (const int shift : {24, 16, 8, 0}) out.push_back(static_cast<std::uint8_t>(word >> shift));
}

// Checks the magic number and that there are `sizes` counts behind it; gives the counts.
std::vector<std::int64_t> header(std::span<const std::uint8_t> plain, const std::string& name,
                                 std::uint32_t magic, std::size_t sizes) {
  const std::size_t header_bytes = 4 + 4 * sizes;
  if (plain.size() < header_bytes)
    fail(ErrorKind::data, text(name, " is not an IDX file: it has ", plain.size(),
                               " bytes, the header alone takes ", header_bytes));
  if (word_at(plain, 0) != magic)
    fail(ErrorKind::data, text(name, " is not IDX ", magic == kImagesMagic ? "images" : "labels",
                               " of unsigned bytes: its magic number is ", hex(word_at(plain, 0)),
                               ", expected ", hex(magic)));
  std::vector<std::int64_t> counts;
  for (std::size_t i = 0; i < sizes; ++i) counts.push_back(word_at(plain, 4 + 4 * i));
  return counts;
}

// `bytes` themselves, or unpacked into `store` when they are compressed.
std::span<const std::uint8_t> unpacked(std::span<const std::uint8_t> bytes, const std::string& name,
                                       std::vector<std::uint8_t>& store) {
  if (!is_gzip(bytes)) return bytes;
  store = gunzip(bytes, name);
  return store;
}

[[noreturn]] void fail_size(const std::string& name, const std::string& fields, std::size_t have,
                            const std::string& need) {
  fail(ErrorKind::data, text(name, ": the IDX header says ", fields, ", which takes ", need,
                             " bytes, but ", have, " bytes follow it"));
}

}  // namespace

bool is_idx_images(std::span<const std::uint8_t> plain) {
  return plain.size() >= 4 && word_at(plain, 0) == kImagesMagic;
}

IdxImages decode_idx_images(std::span<const std::uint8_t> bytes, const std::string& name) {
  std::vector<std::uint8_t> store;
  const auto plain = unpacked(bytes, name, store);
  const auto counts = header(plain, name, kImagesMagic, 3);
  const std::int64_t pixels = checked_pixels(counts[2], counts[1], name + " (rows, columns)");
  const std::size_t have = plain.size() - 16;
  // Both factors are below 2^32, so the product fits in 64 bits unsigned.
  const auto need = static_cast<std::uint64_t>(counts[0]) * static_cast<std::uint64_t>(pixels);
  if (need != have)
    fail_size(name, text("count ", counts[0], ", rows ", counts[1], ", columns ", counts[2]), have,
              text(need));
  return {counts[0], counts[1], counts[2], {plain.begin() + 16, plain.end()}};
}

std::vector<std::uint8_t> decode_idx_labels(std::span<const std::uint8_t> bytes,
                                            const std::string& name) {
  std::vector<std::uint8_t> store;
  const auto plain = unpacked(bytes, name, store);
  const auto counts = header(plain, name, kLabelsMagic, 1);
  const std::size_t have = plain.size() - 8;
  if (static_cast<std::size_t>(counts[0]) != have)
    fail_size(name, text("count ", counts[0]), have, text(counts[0]));
  return {plain.begin() + 8, plain.end()};
}

Image idx_image(const IdxImages& images, std::int64_t index) {
  ASSERT(index >= 0 && index < images.count, index, " of ", images.count);
  const std::int64_t pixels = images.rows * images.columns;
  Image image{images.columns, images.rows, {}};
  image.rgb.reserve(static_cast<std::size_t>(3 * pixels));
  for (std::int64_t i = index * pixels; i < (index + 1) * pixels; ++i)
    image.rgb.insert(image.rgb.end(), 3, images.grey[static_cast<std::size_t>(i)]);
  return image;
}

std::vector<std::uint8_t> encode_idx_images(const IdxImages& images) {
  std::vector<std::uint8_t> out;
  put_word(out, kImagesMagic);
  for (const std::int64_t size : {images.count, images.rows, images.columns}) put_word(out, size);
  out.insert(out.end(), images.grey.begin(), images.grey.end());
  return out;
}

std::vector<std::uint8_t> encode_idx_labels(std::span<const std::uint8_t> labels) {
  std::vector<std::uint8_t> out;
  put_word(out, kLabelsMagic);
  put_word(out, static_cast<std::int64_t>(labels.size()));
  out.insert(out.end(), labels.begin(), labels.end());
  return out;
}

}  // namespace ortho
