#include "launch/run_file.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/file.h"
#include "tests/support/errors.h"
#include "tests/support/temp_folder.h"

namespace ortho {
namespace {

class RunFile : public testing::Test {
 protected:
  void SetUp() override {
    write_file_durably(path_, R"(data: {train: a}
batch: {windows: 2}
stages:
  - {name: one, until: {steps: 5}}
  - {name: two, tokens: [2], until: {steps: 6}}
optimizer: {lr: 1e-3}
)");
  }

  std::string refusal(const std::vector<std::string>& settings) {
    return message_of([&] { read_run_file(path_, settings); }, ErrorKind::usage);
  }

  const TempFolder folder_;  // tests run side by side
  const std::string path_ = folder_ / "run_file_test.yaml";
};

TEST_F(RunFile, DefaultThenFileThenSettings) {
  const RunConfig c = read_run_file(path_, {"optimizer.beta1=0.8", "stages.1.until.steps=10"});
  EXPECT_EQ(c.optimizer.beta2, 0.99);
  EXPECT_EQ(c.optimizer.lr, 1e-3);
  EXPECT_EQ(c.optimizer.beta1, 0.8);
  EXPECT_EQ(c.stages[0].until.steps, 5);
  EXPECT_EQ(c.stages[1].until.steps, 10);
  EXPECT_EQ(read_run_file(path_, {"optimizer.lr=2e-3", "optimizer.lr=3e-3"}).optimizer.lr, 3e-3);
}

TEST_F(RunFile, SettingsAreYaml) {
  const RunConfig c = read_run_file(
      path_, {"stages.1.tokens=[2, 2]", "data.train=x=y.h5", "batch={tokens: 64}", "out='a b'"});
  EXPECT_EQ(c.stages[1].model.tokens, (Shape{2, 2}));
  EXPECT_EQ(c.data.train, std::vector<std::string>{"x=y.h5"});
  EXPECT_EQ(c.batch, (BatchConfig{0, 64}));
  EXPECT_EQ(c.out, "a b");
}

TEST_F(RunFile, SettingsReachTheStagesThatInherit) {
  EXPECT_EQ(read_run_file(path_, {"model.channels=64"}).stages[1].model.channels, 64);
}

TEST_F(RunFile, MistakesNameTheSetting) {
  const auto expect_in = [](const std::string& part, const std::string& whole_text) {
    EXPECT_NE(whole_text.find(part), std::string::npos) << whole_text;
  };
  expect_in("--set optimizer.rl=1: unknown field optimizer.rl", refusal({"optimizer.rl=1"}));
  expect_in("--set optimizer.lr=-1: optimizer.lr is '-1'", refusal({"optimizer.lr=-1"}));
  expect_in("write it as --set optimizer.lr=0.002", refusal({"optimizer.lr"}));
  expect_in("2 is no element of the list", refusal({"stages.2.name=x"}));
  expect_in("no valid YAML", refusal({"out=[1"}));
  expect_in("2 mistakes", refusal({"sede=1", "thread=2"}));
}

TEST_F(RunFile, NamesAFileThatIsNotThere) {
  try {
    read_run_file("/nowhere/run.yaml", {});
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 64);
    EXPECT_NE(std::string(error.what()).find("/nowhere/run.yaml"), std::string::npos);
  }
}

}  // namespace
}  // namespace ortho
