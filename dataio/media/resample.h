// Resample: a sound at another rate, by a sinc under a Kaiser window.
//
// The band up to 0.9 of the lower rate's half is kept within 0.1 dB, what would fold back into it is
// 80 dB down. Sample 0 stays at time 0; the length becomes ceil(samples * new rate / old rate).
#pragma once

#include <cstdint>

#include "dataio/media/wav.h"

namespace ortho {

// Error(usage) when the two rates are in no ratio of small numbers, such as 44,100 to 8,000.
Sound resample(const Sound& sound, std::int64_t rate);

}  // namespace ortho
