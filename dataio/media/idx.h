// IDX: the format of MNIST's files, unsigned bytes only, plain or gzip-compressed.
//
// - images: 00 00 08 03; count, rows, columns as big-endian u32; count * rows * columns bytes
// - labels: 00 00 08 01; count; count bytes
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dataio/media/image.h"

namespace ortho {

struct IdxImages {
  std::int64_t count = 0, rows = 0, columns = 0;
  std::vector<std::uint8_t> grey;  // [count][rows][columns]
};

bool is_idx_images(std::span<const std::uint8_t> plain);  // by its first four bytes, uncompressed

// Error(data) naming `name`, the field, what it says and what it should say. The file must be
// exactly as long as its header says.
IdxImages decode_idx_images(std::span<const std::uint8_t> bytes, const std::string& name);
std::vector<std::uint8_t> decode_idx_labels(std::span<const std::uint8_t> bytes,
                                            const std::string& name);

Image idx_image(const IdxImages& images, std::int64_t index);  // R = G = B

std::vector<std::uint8_t> encode_idx_images(const IdxImages& images);
std::vector<std::uint8_t> encode_idx_labels(std::span<const std::uint8_t> labels);

}  // namespace ortho
