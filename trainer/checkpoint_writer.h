// Checkpoint writer: saves behind the training. A save goes through three moments, each agreed:
//
//   begin     every rank copies what it owns into its shadow, and a thread of its own writes it
//   publish   all files are written and read back: rank 0's thread writes the MANIFEST, tidies up
//   end       the checkpoint is there, or all ranks say why not, and training goes on
//
// The threads talk to no other rank and touch nothing but their files. One save runs at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "comm/channel.h"
#include "core/error.h"
#include "trainer/checkpoint_manifest.h"
#include "trainer/config.h"
#include "trainer/run_state.h"
#include "trainer/snapshot.h"

namespace ortho {

class CheckpointWriter {
 public:
  // The channel outlives it. `folder` is OUT/checkpoints.
  CheckpointWriter(Channel& channel, std::string folder, const CheckpointConfig& config);
  ~CheckpointWriter();  // waits for its thread; a save under way stays unfinished
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  // Takes the memory for a copy of such a state now, so that begin() need not.
  void make_room(const RunState& state);

  // Begins to save `state`, after an earlier save has ended. `held_out`: its loss, if it was just
  // measured. With checkpoint.behind false it is save(). Collective, like all below.
  void begin(RunState& state, const RunConfig& config, std::optional<double> held_out = {});

  // Saves `state` and returns when it is there; sets state.saved. Without a copy, and a failure is
  // everyone's Error: an older checkpoint of the same step then stays as it was.
  void save(RunState& state, const RunConfig& config, std::optional<double> held_out = {});

  bool pending() const { return moment_ != Moment::none; }  // a save has begun and not ended
  bool busy() const { return busy_; }  // this rank's thread works. Not Collective

  // When no rank is busy: the next moment of the pending save. A save that failed on any rank is
  // said; Error(disk) when checkpoint.may_fail were so before it.
  void advance();
  void finish();            // waits until nothing is pending
  void give_up() noexcept;  // the same when the run ends by an error: another one is only said

 private:
  enum class Moment { none, writing, publishing };

  // A save on its way; the same on all ranks but for `mine`.
  struct Save {
    std::string name, path;
    CheckpointManifest manifest;
    CheckpointFile mine;
  };

  void start(const RunState& state, const RunConfig& config, std::optional<double> held_out,
             bool copied);
  void bearing(const std::function<void()>& act);
  void next_moment();
  void run(Moment moment);  // this rank's share of it, in the thread
  void drop();
  void join();

  Channel& channel_;
  std::string folder_;
  CheckpointConfig config_;
  Buffer<float> shadow_;
  Snapshot snapshot_;
  Save save_;
  Moment moment_ = Moment::none;
  std::int64_t failed_in_row_ = 0;
  std::thread thread_;
  std::atomic<bool> busy_ = false;
  std::optional<Error> failure_;  // of the thread; read when it has been joined
};

}  // namespace ortho
