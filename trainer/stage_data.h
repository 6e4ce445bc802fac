// Stage data: what a stage's config means to the loader, and the data a run reads.
#pragma once

#include <cstdint>
#include <string>

#include "dataio/loader.h"
#include "trainer/stage.h"

namespace ortho {

LoaderOptions loader_options(const Stage& stage, std::uint64_t seed, int replica, int replicas);

// The code points of all data sets the run ever reads, ascending: the rows of its text table.
Vocabulary run_vocabulary(const RunConfig& config);

// What must not change between saving and going on in the middle
// of a stage: the order of the data follows from it.
std::string data_identity(const Stage& stage, std::uint64_t seed, std::int64_t samples);

// Whether the next stage goes on in this one's epoch: same data, same windows.
bool same_stream(const Stage& a, const Stage& b);

}  // namespace ortho
