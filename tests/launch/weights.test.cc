// export and apply as a user runs them.
#include <gtest/gtest.h>

#include <filesystem>

#include "dataio/npy.h"
#include "tests/support/program.h"
#include "tests/support/temp_folder.h"

namespace ortho {
namespace {

const std::string kGoldenFolder = std::string(ORTHO_SOURCE_DIR) + "/tests/golden/";

TEST(ApplyProgram, WritesWhatThePapersLayerYields) {
  const TempFolder folder;
  for (int axis = 0; axis < 3; ++axis)
    std::filesystem::copy(text(kGoldenFolder, "3x2x4.w.separate.", axis, ".npy"),
                          folder / text("axis_", axis, ".npy"));
  const std::string y = folder / "y.npy";
  for (const char* order : {"ascending", "descending"}) {
    const Outcome outcome =
        run_program(text("apply --axes 3,2,4 --weights ", folder / "", " --input ", kGoldenFolder,
                         "3x2x4.x.npy --output ", y, " --combine sequential --sequence ", order));
    ASSERT_EQ(outcome.code, 0) << outcome.output;
    const Npy is = read_npy(y),
              expected = read_npy(text(kGoldenFolder, "3x2x4.y.separate.", order, ".npy"));
    ASSERT_EQ(is.shape, expected.shape);
    for (size_t i = 0; i < is.values.size(); ++i)
      EXPECT_NEAR(is.values[i], expected.values[i], 1e-12) << i;  // other order of sums in double
  }
}

TEST(ApplyProgram, SaysWhatIsWrong) {
  const Outcome outcome = run_program("apply --axes 3,x --weights w --input x.npy --output y.npy");
  EXPECT_EQ(outcome.code, 64) << outcome.output;
  EXPECT_NE(outcome.output.find("--axes 3,x"), std::string::npos) << outcome.output;
  const Outcome missing = run_program("apply --axes 3 --weights w --input no.npy --output y.npy");
  EXPECT_NE(missing.output.find("no.npy is no file"), std::string::npos) << missing.output;
}

}  // namespace
}  // namespace ortho
