// Stage data: what a stage's config means to the loader, and the data a run reads.
#pragma once

#include <cstdint>
#include <string>

#include "dataio/loader.h"
#include "trainer/objectives.h"
#include "trainer/stage.h"

namespace ortho {

// For one of the stage's objectives. Replica `replica` of `replicas` gets its part of each batch
// (model/sharding.h).
LoaderOptions loader_options(const Stage& stage, Objective objective, std::uint64_t seed,
                             int replica, int replicas);

// For a rank: its replica's windows, and of those the tokens that it holds at home.
// The mean of a diffusion window's loss needs all its targets, so there it holds whole windows.
LoaderOptions loader_options(const Stage& stage, Objective objective, std::uint64_t seed,
                             const Sharding& sharding);

// The code points of all data sets the run ever reads, ascending: the rows of its text table. Their
// most frequent words, as many as the stage with the largest word table has rows.
Vocabulary run_vocabulary(const RunConfig& config);

// What must not change between saving and going on in the middle
// of a stage: the order of the data follows from it. `samples`: of each of its objectives.
std::string data_identity(const Stage& stage, std::uint64_t seed,
                          const std::vector<std::int64_t>& samples);

// The content of all data sets the run ever reads: "data/text 1c02fa9b, …", the checksum of each
// manifest, which holds those of its shards; of a shard given alone its size.
std::string data_content(const RunConfig& config);

// Whether the next stage goes on in this one's epoch of an objective: same data, same windows.
bool same_stream(const Stage& a, const Stage& b, Objective objective);

}  // namespace ortho
