// Tests that must go wrong: mpi_kit.cmake runs them one at a time and looks at what comes out.
#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <thread>

#include "comm/mpi.h"

namespace ortho {
namespace {

TEST(Kit, Passes) { EXPECT_EQ(make_world_channel()->max(1), 1); }

TEST(Kit, FailsOnRank1) { EXPECT_NE(make_world_channel()->rank(), 1) << "meant to fail"; }

TEST(Kit, HangsOnRank1) {
  const std::unique_ptr<Channel> world = make_world_channel();
  if (world->rank() == 1) std::this_thread::sleep_for(std::chrono::hours(1));
  world->barrier();
}

TEST(Kit, ThrowsOnRank1) {
  if (make_world_channel()->rank() == 1) throw std::runtime_error("thrown on purpose");
}

}  // namespace
}  // namespace ortho
