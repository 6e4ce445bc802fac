// Gzip: bytes that may or may not be compressed, to plain bytes. Through zlib.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ortho {

bool is_gzip(std::span<const std::uint8_t> bytes);  // starts with 1F 8B

// All members of a gzip file, one after the other, their checksums verified. Error(data) naming
// `name` when damaged, truncated, or larger than `max_bytes` unpacked.
std::vector<std::uint8_t> gunzip(std::span<const std::uint8_t> bytes, const std::string& name,
                                 std::uint64_t max_bytes = std::uint64_t{1} << 32);

std::vector<std::uint8_t> gzip(std::span<const std::uint8_t> bytes);

}  // namespace ortho
