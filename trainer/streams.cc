#include "trainer/streams.h"

#include <algorithm>

#include "core/error.h"
#include "trainer/resume.h"
#include "trainer/stage_data.h"

namespace ortho {

Streams::Streams(const Stage& stage, std::uint64_t seed, const Sharding& sharding,
                 const RunState& state) {
  std::vector<std::int64_t> samples;
  for (const Objective objective : objectives_of(stage.config.objective)) {
    const Stream& stream = streams_.emplace_back(
        objective, loader_options(stage, objective, seed, sharding), stage.config.data.train);
    samples.push_back(SampleList(stream.data, stream.options.window).samples());
  }
  identity_ = data_identity(stage, seed, samples);
  check_identity(state, identity_);
  for (Stream& stream : streams_)
    stream.loader.emplace(stream.data, state.vocabulary, stream.options,
                          state.cursors[static_cast<size_t>(stream.objective)]);
}

std::vector<Objective> Streams::objectives() const {
  std::vector<Objective> all;
  for (const Stream& stream : streams_) all.push_back(stream.objective);
  return all;
}

std::int64_t Streams::skipped() const {
  std::int64_t records = 0;
  for (const Stream& stream : streams_) records += stream.loader->skipped();
  return records;
}

size_t Streams::index(Objective objective) const {
  const auto found = std::find_if(streams_.begin(), streams_.end(), [&](const Stream& stream) {
    return stream.objective == objective;
  });
  ASSERT(found != streams_.end(), "the stage is not trained on ", objective_name(objective));
  return static_cast<size_t>(found - streams_.begin());
}

}  // namespace ortho
