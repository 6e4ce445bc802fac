#include "tests/support/hostile_media.h"

namespace ortho {
namespace {

// A share of what hostile_many runs: no crash, no hang, no silent wrong record.
TEST(HostileFiles, AreRefusedOrGiveValidParts) {
  HostileMedia hostile;
  hostile.run(1, 600);
  for (const std::string& fault : hostile.faults()) ADD_FAILURE() << fault;
  for (const std::string& lost : hostile.lost()) ADD_FAILURE() << lost;
  // Damage that nothing ever sees, or that nothing survives, would be no test of either.
  int accepted = 0, refused = 0;
  for (const auto& [name, counts] : hostile.counts()) {
    accepted += counts.accepted;
    refused += counts.refused;
  }
  EXPECT_GT(accepted, 60);
  EXPECT_GT(refused, 60);
}

}  // namespace
}  // namespace ortho
