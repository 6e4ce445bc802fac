// Snapshot: what one rank writes of a RunState, held so that training can go on meanwhile.
//
// Weights and moments that the rank owns lie in a shadow buffer, copied once, or where training
// has them; all else is small and copied. Writing it needs neither the state nor a channel, so a
// thread of its own can.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tensor/box.h"
#include "tensor/buffer.h"
#include "trainer/run_state.h"

namespace ortho {

struct Snapshot {
  struct Piece {
    std::string array;
    Shape shape;  // of the whole array
    Box box;      // that these numbers are
    const float* first;
  };
  template <class T>
  using Named = std::vector<std::pair<std::string, T>>;

  std::vector<Piece> pieces;
  // What all ranks hold, of the first rank alone.
  Named<std::vector<std::int64_t>> lists;
  Named<std::vector<double>> curves;
  Named<std::string> texts;
  Named<std::int64_t> integers;
  Named<double> reals;

  std::int64_t bytes() const;  // of the pieces
};

// Numbers that a shadow of this rank's own part needs.
std::int64_t shadow_elements(const RunState& state);

// The rank's own weights and moments. With a shadow of shadow_elements() they are copied there;
// without one they stay where they are, and the state must not change before all is written.
Snapshot take_snapshot(const RunState& state, Buffer<float>* shadow);

// Adds what no rank owns.
void add_run(Snapshot& snapshot, const RunState& state, const std::string& config,
             const std::string& parent);

// Writes, syncs, reads back; returns the file's bytes. Error(disk) leaves no file.
std::int64_t write_snapshot(const Snapshot& snapshot, const std::string& path);

}  // namespace ortho
