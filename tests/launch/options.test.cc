#include "launch/options.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>

#include "core/error.h"

namespace ortho {
namespace {

template <class Options>
Options parse(const std::vector<std::string>& arguments) {
  return std::get<Options>(parse_command(arguments));
}

std::string refusal(const std::vector<std::string>& arguments) {
  try {
    parse_command(arguments);
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 64);
    return error.what();
  }
  return "accepted";
}

void expect_in(const std::string& part, const std::string& whole_text) {
  EXPECT_NE(whole_text.find(part), std::string::npos) << whole_text;
}

TEST(Options, Pack) {
  const auto o = parse<PackOptions>(
      {"pack",          "a.png",    "list.jsonl", "--out",         "d",
       "--split",       "test",     "--records",  "percent",       "--image-size",
       "28x32",         "--labels", "l.gz",       "--label-names", "ankle boot,bag",
       "--max-samples", "4096",     "--held-out", "0.25",          "--keep-going",
       "--name",        "n"});
  EXPECT_EQ(o.inputs, (std::vector<std::string>{"a.png", "list.jsonl"}));
  EXPECT_EQ(o.out, "d");
  EXPECT_EQ(o.split, "test");
  EXPECT_EQ(o.records, PackOptions::Records::percent);
  EXPECT_EQ(o.image_height, 28);
  EXPECT_EQ(o.image_width, 32);
  EXPECT_EQ(o.labels, "l.gz");
  EXPECT_EQ(o.label_names, (std::vector<std::string>{"ankle boot", "bag"}));
  EXPECT_EQ(o.max_samples, 4096);
  EXPECT_EQ(o.held_out, 0.25);
  EXPECT_TRUE(o.keep_going);
  EXPECT_EQ(o.name, "n");
}

TEST(Options, PackDefaults) {
  const auto o = parse<PackOptions>({"pack", "a", "--out=d"});
  EXPECT_EQ(o.records, PackOptions::Records::file);
  EXPECT_EQ(o.held_out, 0.1);
  EXPECT_EQ(o.image_height, 0);
  EXPECT_FALSE(o.keep_going);
  EXPECT_TRUE(o.split.empty());
}

TEST(Options, PackMistakes) {
  expect_in("see `orthotope pack --help`", refusal({"pack", "--out", "d"}));  // no input
  expect_in("out", refusal({"pack", "a"}));
  expect_in("write it as HxW", refusal({"pack", "a", "--out", "d", "--image-size", "28"}));
  expect_in("write it as HxW", refusal({"pack", "a", "--out", "d", "--image-size", "28x0"}));
  expect_in("write it as HxW", refusal({"pack", "a", "--out", "d", "--image-size", "28x28x3"}));
  expect_in("one of train, valid, test", refusal({"pack", "a", "--out", "d", "--split", "dev"}));
  expect_in("one of file, line, percent", refusal({"pack", "a", "--out", "d", "--records", "x"}));
  expect_in("0 to below 1", refusal({"pack", "a", "--out", "d", "--held-out", "1"}));
  expect_in("needs --labels", refusal({"pack", "a", "--out", "d", "--label-names", "x"}));
}

TEST(Options, Train) {
  const auto o = parse<TrainOptions>({"train", "run.yaml", "--set", "seed=2", "--set", "out=x"});
  EXPECT_EQ(o.config, "run.yaml");
  EXPECT_EQ(o.settings, (std::vector<std::string>{"seed=2", "out=x"}));
  expect_in("config", refusal({"train"}));
  expect_in("too many positional", refusal({"train", "a.yaml", "b.yaml"}));
  expect_in("--stes", refusal({"train", "a.yaml", "--stes", "x"}));
  expect_in("--se", refusal({"train", "a.yaml", "--se", "x=1"}));  // no abbreviations
}

TEST(Options, Evaluate) {
  const auto o = parse<EvaluateOptions>({"evaluate", "runs/a", "--data", "d", "--data", "e",
                                         "--split", "test", "--score", "image:text", "--score",
                                         "audio:pixel", "--limit", "100", "--shuffled"});
  EXPECT_EQ(o.path, "runs/a");
  EXPECT_EQ(o.data, (std::vector<std::string>{"d", "e"}));
  const std::vector<EvaluateOptions::Score> scores = {{Modality::pixel, Modality::text},
                                                      {Modality::audio, Modality::pixel}};
  EXPECT_EQ(o.scores, scores);
  EXPECT_EQ(o.limit, 100);
  EXPECT_TRUE(o.shuffled);
  expect_in("FROM:TO", refusal({"evaluate", "r", "--score", "image"}));
  expect_in("unknown modality 'smell'", refusal({"evaluate", "r", "--score", "smell:text"}));
  expect_in("must be at least 0", refusal({"evaluate", "r", "--limit=-1"}));
}

TEST(Options, Generate) {
  const auto o = parse<GenerateOptions>(
      {"generate",      "runs/a", "--modality",   "pixel", "--prompt", "seven", "--tokens", "784",
       "--temperature", "0.5",    "--top-k",      "40",    "--top-p",  "0.9",   "--seed",   "3",
       "--out",         "o.png",  "--image-size", "8x9"});
  EXPECT_EQ(o.modality, Modality::pixel);
  EXPECT_EQ(o.prompt, "seven");
  EXPECT_EQ(o.tokens, 784);
  EXPECT_EQ(o.temperature, 0.5);
  EXPECT_EQ(o.top_k, 40);
  EXPECT_EQ(o.top_p, 0.9);
  EXPECT_EQ(o.seed, 3);
  EXPECT_EQ(o.out, "o.png");
  EXPECT_EQ(o.image_width, 9);
  expect_in("needs --out", refusal({"generate", "r", "--modality", "audio"}));
  expect_in("not both", refusal({"generate", "r", "--prompt", "a", "--prompt-file", "b"}));
  expect_in("--top-p", refusal({"generate", "r", "--top-p", "0"}));
  expect_in("--temperature", refusal({"generate", "r", "--temperature=-1"}));
}

TEST(Options, PlanAndInspect) {
  const auto plan = parse<PlanOptions>({"plan", "r.yaml", "--ranks", "4", "--set", "seed=2"});
  EXPECT_EQ(plan.config, "r.yaml");
  EXPECT_EQ(plan.ranks, 4);
  EXPECT_EQ(plan.settings, std::vector<std::string>{"seed=2"});
  EXPECT_EQ(plan.symbols, 0);
  EXPECT_EQ(plan.gflops, 0);
  const auto given = parse<PlanOptions>({"plan", "r.yaml", "--symbols", "65", "--gflops", "1.5"});
  EXPECT_EQ(given.symbols, 65);
  EXPECT_EQ(given.gflops, 1.5);
  expect_in("--symbols", refusal({"plan", "r.yaml", "--symbols=-1"}));
  expect_in("--gflops", refusal({"plan", "r.yaml", "--gflops", "nan"}));
  expect_in("--gflops -1", refusal({"plan", "r.yaml", "--gflops=-1"}));
  expect_in("--ranks", refusal({"plan", "r.yaml", "--ranks", "99999999"}));
  EXPECT_EQ(parse<InspectOptions>({"inspect", "x.h5"}).path, "x.h5");
  expect_in("--ranks", refusal({"plan", "r.yaml", "--ranks", "0"}));
}

TEST(Options, HelpOfEveryCommand) {
  for (const char* command : {"pack", "train", "evaluate", "generate", "plan", "inspect"}) {
    const auto help = parse<ShowText>({command, "--help"}).text;
    EXPECT_EQ(help.find(std::string("orthotope ") + command), 0u) << help;
    expect_in(command, parse<ShowText>({"--help"}).text);
  }
  expect_in("optimizer.lr = 0.004", parse<ShowText>({"train", "--help"}).text);
}

TEST(Options, UnknownCommand) {
  expect_in("unknown command 'trian'; did you mean train?", refusal({"trian", "x"}));
  expect_in("no command given", refusal({}));
}

// Exit code and what the program printed on both outputs.
std::pair<int, std::string> run(const std::string& arguments) {
  FILE* pipe = popen((std::string(ORTHO_BINARY) + " " + arguments + " 2>&1").c_str(), "r");
  std::string output;
  std::array<char, 256> buffer;
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) output += buffer.data();
  return {WEXITSTATUS(pclose(pipe)), output};
}

TEST(Program, ExitCodes) {
  EXPECT_EQ(run("--help").first, 0);
  EXPECT_EQ(run("pack --help").first, 0);
  const auto [code, output] = run("trian");
  EXPECT_EQ(code, 64);
  expect_in("did you mean train?", output);
  EXPECT_EQ(run("").first, 64);
  EXPECT_EQ(run("plan").first, 64);
}

}  // namespace
}  // namespace ortho
