#include "trainer/checkpoint_writer.h"

#include <array>
#include <exception>
#include <sstream>
#include <utility>

#include "comm/agree.h"
#include "core/log.h"
#include "trainer/checkpoint_folder.h"

namespace ortho {

CheckpointWriter::CheckpointWriter(Channel& channel, std::string folder,
                                   const CheckpointConfig& config)
    : channel_(channel), folder_(std::move(folder)), config_(config) {}

CheckpointWriter::~CheckpointWriter() { join(); }

void CheckpointWriter::make_room(const RunState& state) {
  const std::int64_t elements = shadow_elements(state);
  if (!config_.behind || shadow_.size() == elements) return;
  ASSERT(!pending(), "the shadow is in use");
  shadow_ = {};  // frees, before the new one is there
  shadow_ = Buffer<float>(elements, "the copy that checkpoints are written from");
}

void CheckpointWriter::start(const RunState& state, const RunConfig& config,
                             std::optional<double> held_out, bool copied) {
  save_ = {};
  save_.name = checkpoint_name(state.step);
  save_.path = folder_ + "/" + save_.name;
  save_.manifest = {state.step, state.stage, mesh_text(state.sharding.mesh()), held_out, {}};
  agree(channel_, [&] {
    if (copied) make_room(state);
    snapshot_ = take_snapshot(state, copied ? &shadow_ : nullptr);
    if (channel_.rank() == 0)
      add_run(snapshot_, state, config_text(config), parent_of(folder_, save_.name));
  });
  std::array<std::int64_t, 1> bytes = {snapshot_.bytes()};
  channel_.sum(std::span<std::int64_t>(bytes));
  int attempt = 0;
  agree(channel_, [&] {
    if (channel_.rank() != 0) return;
    attempt = begin_checkpoint(save_.path);
    require_room(save_.path, bytes[0]);
  });
  attempt = static_cast<int>(channel_.max(attempt));
  save_.mine = {rank_file_name(channel_.rank(), attempt), 0};
  run(Moment::writing);
}

void CheckpointWriter::begin(RunState& state, const RunConfig& config,
                             std::optional<double> held_out) {
  if (!config_.behind) return save(state, config, held_out);
  finish();
  bearing([&] { start(state, config, held_out, true); });
}

void CheckpointWriter::save(RunState& state, const RunConfig& config,
                            std::optional<double> held_out) {
  finish();
  try {
    start(state, config, held_out, false);
    while (pending()) next_moment();
  } catch (const SharedError&) {
    drop();
    throw;
  }
  state.saved = save_.path;
}

void CheckpointWriter::advance() {
  bearing([this] { next_moment(); });
}

void CheckpointWriter::finish() {
  while (pending()) advance();
}

void CheckpointWriter::give_up() noexcept {
  try {
    finish();
  } catch (const std::exception& error) {
    if (channel_.rank() == 0) warn(error.what());
  }
}

// One step of a save; of its failures a few in a row are only said.
void CheckpointWriter::bearing(const std::function<void()>& act) {
  try {
    act();
    if (!pending()) failed_in_row_ = 0;
  } catch (const SharedError& error) {
    drop();
    if (error.kind() != ErrorKind::disk || ++failed_in_row_ > config_.may_fail) throw;
    if (channel_.rank() == 0)
      warn(text("the checkpoint of step ", save_.manifest.step,
                " could not be saved: ", error.what(), ". Training goes on; of ", config_.may_fail,
                " saves in a row that may fail this is number ", failed_in_row_));
  }
}

void CheckpointWriter::next_moment() {
  join();
  agree(channel_, [this] {
    if (failure_) throw *failure_;
  });
  if (moment_ == Moment::publishing) {
    moment_ = Moment::none;
    return;
  }
  for (const std::string& entry : channel_.gather(text(save_.mine.name, ' ', save_.mine.bytes))) {
    CheckpointFile file;
    std::istringstream(entry) >> file.name >> file.bytes;
    save_.manifest.files.push_back(file);
  }
  run(Moment::publishing);
}

void CheckpointWriter::run(Moment moment) {
  moment_ = moment;
  if (moment == Moment::publishing && channel_.rank() != 0) return;
  busy_ = true;
  thread_ = std::thread([this, moment] {
    try {
      if (moment == Moment::writing) {
        save_.mine.bytes = write_snapshot(snapshot_, save_.path + "/" + save_.mine.name);
      } else {
        write_checkpoint_manifest(save_.path, save_.manifest);
        tidy_checkpoints(folder_, save_.name, config_);
      }
    } catch (const Error& error) {
      failure_ = error;
    } catch (const std::exception& error) {
      failure_ = Error(ErrorKind::internal, error.what());
    }
    busy_ = false;
  });
}

// Ends a save that failed, on all ranks.
void CheckpointWriter::drop() {
  join();
  moment_ = Moment::none;
  failure_.reset();
  agree(channel_, [this] {
    if (channel_.rank() == 0) drop_attempt(save_.path);
  });
}

void CheckpointWriter::join() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace ortho
