// A run with position heads, from training to every way of generating, through the program.
#include "dataio/media/png.h"
#include "tests/support/errors.h"
#include "tests/support/program.h"
#include "tests/support/run_kit.h"

namespace ortho {
namespace {

class GenerateProgram : public testing::Test {
 protected:
  void train(const std::string& name, const std::string& settings) {
    const std::string path = kit_.write_yaml(name);
    const Outcome done = run_program(
        text("train ", path, " --set 'stages=[{name: all, tokens: [4, 4], until: {steps: 3}}]' ",
             settings));
    ASSERT_EQ(done.code, 0) << done.output;
  }
  Outcome generate(const std::string& name, const std::string& options,
                   const std::string& tokens = "5") {
    return run_program(text("generate ", kit_ / name, " --tokens ", tokens, " ", options));
  }
  RunKit kit_;
};

TEST_F(GenerateProgram, WithPositionHeads) {
  train("heads",
        "--set model.places.text=8 --set model.items=2 --set model.place_heads=true "
        "--set model.item_head=true --set loss.place=0.5");
  const std::string metrics = read_file((kit_ / "heads") + "/metrics.jsonl");
  EXPECT_NE(metrics.find("\"place\": "), std::string::npos) << metrics;
  EXPECT_NE(metrics.find("\"item\": "), std::string::npos) << metrics;
  const Outcome scored = run_program("evaluate " + (kit_ / "heads"));
  EXPECT_NE(scored.output.find("place "), std::string::npos) << scored.output;
  const Outcome inspected = run_program("inspect " + (kit_ / "heads"));
  EXPECT_NE(inspected.output.find("weight/head.place.text"), std::string::npos) << inspected.output;

  const Outcome one = generate("heads", "--prompt 'count o'");
  EXPECT_EQ(one.code, 0) << one.output;
  const Outcome two = generate("heads", "--prompt 'count o' --prompt 'cou'");
  EXPECT_EQ(two.output.find(one.output), 0u) << two.output;  // beside another it says the same
  const Outcome together = generate("heads", "--prompt 'coun' --prompt 'co' --together");
  const Outcome apart = generate("heads", "--prompt 'coun' --prompt 'co'");
  EXPECT_EQ(together.output, apart.output);  // 5 tokens for each fit into 16
  for (const char* options : {"--prompt cou --when-full beyond", "--prompt cou --when-full half",
                              "--prompt cou --places heads"}) {
    const Outcome more = generate("heads", options, "60");
    EXPECT_EQ(more.code, 0) << options << more.output;
  }
}

TEST_F(GenerateProgram, OneShotWithEveryDraw) {
  train("answers",
        "--set 'objective={one_shot: 1}' --set model.wiring=grid --set data.train=" + kit_.media() +
            " --set stages.0.tokens=[8,8] --set "
            "'model.modalities=[text, pixel, audio]' --set one_shot.output=text");
  const auto answer = [&](const std::string& options) {
    const Outcome made = generate("answers", "--prompt-file " + (kit_ / "raw/0.ppm ") + options);
    EXPECT_EQ(made.code, 0) << made.output;
    return made.output;
  };
  const std::string drawn = answer("");
  EXPECT_EQ(answer(""), drawn);
  EXPECT_NE(answer("--seed 5"), drawn);
  const std::string likeliest = answer("--temperature 0");
  EXPECT_EQ(answer("--top-k 1"), likeliest);
  EXPECT_EQ(answer("--top-p 0.0001"), likeliest);
  const Outcome film =
      generate("answers", "--prompt a --modality pixel --image-size 2x3 --frames 3 --out " +
                              (kit_ / "film.png"));
  EXPECT_NE(film.output.find("3 frames of 3 x 2 pixels"), std::string::npos) << film.output;
  for (const char* frame : {"film-0001.png", "film-0002.png", "film-0003.png"}) {
    const Image image = decode_png(read_bytes(kit_ / frame), frame);
    EXPECT_EQ(image.width, 3);
    EXPECT_EQ(image.height, 2);
  }
  EXPECT_FALSE(file_exists(kit_ / "film-0004.png"));
  EXPECT_FALSE(file_exists(kit_ / "film.png"));
  const Outcome together = generate("answers", "--prompt a --prompt r --together");
  EXPECT_NE(together.output.find("wiring: causal"), std::string::npos) << together.output;
}

}  // namespace
}  // namespace ortho
