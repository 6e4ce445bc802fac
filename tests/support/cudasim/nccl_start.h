// What a communicator does until it is ready; each is called again until it says true.
#pragma once

#include "tests/support/cudasim/communicator.h"

namespace ortho::sim {

std::function<bool(Communicator&)> start_of(int root_process);
std::function<bool(Communicator&)> split_of(const CommunicatorPtr& parent, int color, int key);

}  // namespace ortho::sim
