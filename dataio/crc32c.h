// CRC32C (Castagnoli): reflected polynomial 0x82f63b78,
// start and end inverted. "123456789" -> e3069283.
//
// One sum depends on the last, so a single stream waits three cycles an instruction: where the CPU
// has the instruction (SSE 4.2), three stretches run at once and are joined by "what the first sum
// becomes after N zero bytes", which is linear and comes from a table. Needs x86-64 to compile, not
// SSE 4.2 to run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace ortho {

// Of `size` bytes. `before` is the sum of what comes
// before them, so sums may be built piece by piece.
std::uint32_t crc32c(const void* data, std::size_t size, std::uint32_t before = 0);

// The same without the instruction: for CPUs that lack it, and for the test that both agree.
std::uint32_t crc32c_by_table(const void* data, std::size_t size, std::uint32_t before = 0);

std::string crc32c_text(std::uint32_t sum);  // "e3069283"

}  // namespace ortho
