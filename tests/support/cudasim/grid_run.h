// Runs one kernel: its blocks one after the other, the threads of a block as fibers.
//
// Threads run until they wait at a barrier or shuffle; who goes on is drawn. Shared memory is 0xff
// at the start of every block.
#pragma once

#include <string>

#include "tests/support/cudasim/draw.h"
#include "tests/support/cudasim/launch.h"

namespace ortho::sim {

// "" or what was wrong: then the rest of the grid did not run.
std::string run_grid(const Kernel& kernel, Draw& draw);

}  // namespace ortho::sim
