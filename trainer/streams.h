// Streams: the training data of a stage, a loader for each of its objectives.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "dataio/loader.h"
#include "trainer/run_state.h"
#include "trainer/stage.h"

namespace ortho {

class Streams {
 public:
  // This rank's part, from where `state` left off. Error(usage) when the data are not those that
  // the state was saved with.
  Streams(const Stage& stage, std::uint64_t seed, const Sharding& sharding, const RunState& state);

  Batch next(Objective objective) { return streams_[index(objective)].loader->next(); }
  std::vector<std::string> window_names(Objective objective) const {
    return streams_[index(objective)].loader->window_names();
  }
  Cursor cursor(Objective objective) const { return streams_[index(objective)].loader->cursor(); }
  const LoaderOptions& options(Objective objective) const {
    return streams_[index(objective)].options;
  }
  std::vector<Objective> objectives() const;
  const std::string& identity() const { return identity_; }  // data_identity()
  std::int64_t skipped() const;                              // records that fit no window

 private:
  struct Stream {
    Stream(Objective which, const LoaderOptions& how, const std::vector<std::string>& paths)
        : objective(which), options(how), data(paths, Split::train) {}
    Objective objective;
    LoaderOptions options;
    Dataset data;  // of its own: loaders read on threads of their own
    std::optional<Loader> loader;
  };
  size_t index(Objective objective) const;
  std::deque<Stream> streams_;
  std::string identity_;
};

}  // namespace ortho
