#include "launch/options.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/support/errors.h"
#include "tests/support/program.h"

namespace ortho {
namespace {

template <class Options>
Options parse(const std::vector<std::string>& arguments) {
  return std::get<Options>(parse_command(arguments));
}

std::string refusal(const std::vector<std::string>& arguments) {
  return message_of([&] { parse_command(arguments); }, ErrorKind::usage);
}

TEST(Options, Pack) {
  const auto o = parse<PackOptions>({"pack",          "i.gz",
                                     "--out",         "d",
                                     "--split",       "tail:0.25",
                                     "--records",     "percent",
                                     "--image-size",  "28x32",
                                     "--labels",      "l.gz",
                                     "--label-names", "ankle boot,bag",
                                     "--max-samples", "4096",
                                     "--cut-samples", "100",
                                     "--trim",        "--order",
                                     "both",          "--keep-going",
                                     "--replace",     "--ending",
                                     ".png",          "--ending",
                                     ".txt"});
  EXPECT_EQ(o.inputs, std::vector<std::string>{"i.gz"});
  EXPECT_EQ(o.labels, "l.gz");
  EXPECT_EQ(o.rule.output, "d");
  EXPECT_EQ(o.rule.split.kind, SplitRule::Kind::tail);
  EXPECT_EQ(o.rule.split.held_out, 0.25);
  EXPECT_EQ(o.rule.text_records, TextRecords::percent);
  EXPECT_EQ(o.rule.order, PartOrder::both);
  EXPECT_EQ(o.rule.import.image_height, 28);
  EXPECT_EQ(o.rule.import.image_width, 32);
  EXPECT_EQ(o.rule.import.cut_samples, 100);
  EXPECT_TRUE(o.rule.import.trim);
  EXPECT_EQ(o.rule.max_samples, 4096);
  EXPECT_EQ(o.rule.label_names, (std::vector<std::string>{"ankle boot", "bag"}));
  EXPECT_EQ(o.rule.endings, (std::vector<std::string>{".png", ".txt"}));
  EXPECT_TRUE(o.rule.keep_going);
  EXPECT_TRUE(o.rule.replace);
}

TEST(Options, PackDefaults) {
  const auto o = parse<PackOptions>({"pack", "a", "b.jsonl", "--out=d"});
  EXPECT_EQ(o.inputs, (std::vector<std::string>{"a", "b.jsonl"}));
  EXPECT_EQ(o.rule.text_records, TextRecords::file);
  EXPECT_EQ(o.rule.split.kind, SplitRule::Kind::hash);
  EXPECT_EQ(o.rule.split.held_out, 0.1);
  EXPECT_EQ(o.rule.order, PartOrder::given);
  EXPECT_EQ(o.rule.import.image_height, 0);
  EXPECT_FALSE(o.rule.keep_going);
  EXPECT_FALSE(o.rule.replace);
}

TEST(Options, PackMistakes) {
  expect_in("see `orthotope pack --help`", refusal({"pack", "--out", "d"}));  // no input
  expect_in("out", refusal({"pack", "a"}));
  expect_in("write it as HxW", refusal({"pack", "a", "--out", "d", "--image-size", "28"}));
  expect_in("write it as HxW", refusal({"pack", "a", "--out", "d", "--image-size", "28x0"}));
  expect_in("write it as HxW", refusal({"pack", "a", "--out", "d", "--image-size", "28x28x3"}));
  expect_in("known: train, valid, test", refusal({"pack", "a", "--out", "d", "--split", "dev"}));
  expect_in("a share from 0 to 1", refusal({"pack", "a", "--out", "d", "--split", "hash:2"}));
  expect_in("known: file, line, percent", refusal({"pack", "a", "--out", "d", "--records", "x"}));
  expect_in("known: given, reversed, both", refusal({"pack", "a", "--out", "d", "--order", "x"}));
  expect_in("needs --labels", refusal({"pack", "a", "--out", "d", "--label-names", "x"}));
  expect_in("2 inputs were given", refusal({"pack", "a", "b", "--out", "d", "--labels", "l"}));
  expect_in("at least 0", refusal({"pack", "a", "--out", "d", "--max-samples=-1"}));
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
  const auto o =
      parse<EvaluateOptions>({"evaluate", "runs/a", "--data", "d", "--data", "e", "--split", "test",
                              "--score", "image:text", "--score", "audio:pixel", "--limit", "100"});
  EXPECT_EQ(o.path, "runs/a");
  EXPECT_EQ(o.data, (std::vector<std::string>{"d", "e"}));
  const std::vector<EvaluateOptions::Score> scores = {{Modality::pixel, Modality::text},
                                                      {Modality::audio, Modality::pixel}};
  EXPECT_EQ(o.scores, scores);
  EXPECT_EQ(o.limit, 100);
  const auto judged =
      parse<EvaluateOptions>({"evaluate", "r", "--score", "audio:image", "--judge", "runs/judge"});
  EXPECT_EQ(judged.judge, "runs/judge");
  expect_in("needs --score", refusal({"evaluate", "r", "--judge", "runs/judge"}));
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
  EXPECT_EQ(o.prompts, std::vector<std::string>{"seven"});
  EXPECT_EQ(o.when_full, WhenFull::slide);
  const auto two = parse<GenerateOptions>(
      {"generate", "r", "--prompt", "a", "--prompt", "b c", "--together", "--when-full", "beyond"});
  EXPECT_EQ(two.prompts, (std::vector<std::string>{"a", "b c"}));
  EXPECT_TRUE(two.together);
  EXPECT_EQ(two.when_full, WhenFull::beyond);
  expect_in("slide, half or beyond", refusal({"generate", "r", "--when-full", "never"}));
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
  expect_in("--order first: confident or random", refusal({"generate", "r", "--order", "first"}));
  expect_in("known: next_token", refusal({"generate", "r", "--objective", "guess"}));
  expect_in("--frames -1", refusal({"generate", "r", "--frames=-1"}));
  expect_in("--rounds -1", refusal({"generate", "r", "--rounds=-1"}));
  expect_in("--temperature", refusal({"generate", "r", "--temperature=-1"}));
}

TEST(Options, PlanAndInspect) {
  const auto plan = parse<PlanOptions>({"plan", "r.yaml", "--ranks", "4", "--set", "seed=2"});
  EXPECT_EQ(plan.config, "r.yaml");
  EXPECT_EQ(plan.ranks, 4);
  EXPECT_EQ(plan.settings, std::vector<std::string>{"seed=2"});
  const auto inspect =
      parse<InspectOptions>({"inspect", "x.h5", "--records", "7", "--config", "--verify"});
  EXPECT_EQ(inspect.path, "x.h5");
  EXPECT_EQ(inspect.records, 7);
  EXPECT_TRUE(inspect.config);
  EXPECT_TRUE(inspect.verify);
  expect_in("--records", refusal({"inspect", "x.h5", "--records=-1"}));
  EXPECT_EQ(plan.symbols, 0);
  EXPECT_EQ(plan.gflops, 0);
  const auto given = parse<PlanOptions>({"plan", "r.yaml", "--symbols", "65", "--gflops", "1.5"});
  EXPECT_EQ(given.symbols, 65);
  EXPECT_EQ(given.gflops, 1.5);
  expect_in("--symbols", refusal({"plan", "r.yaml", "--symbols=-1"}));
  expect_in("--gflops", refusal({"plan", "r.yaml", "--gflops", "nan"}));
  expect_in("--gflops -1", refusal({"plan", "r.yaml", "--gflops=-1"}));
  expect_in("--ranks", refusal({"plan", "r.yaml", "--ranks", "99999999"}));
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

TEST(Program, ExitCodes) {
  EXPECT_EQ(run_program("--help").code, 0);
  EXPECT_EQ(run_program("pack --help").code, 0);
  const Outcome unknown = run_program("trian");
  EXPECT_EQ(unknown.code, 64);
  expect_in("did you mean train?", unknown.output);
  EXPECT_EQ(run_program("").code, 64);
  EXPECT_EQ(run_program("plan").code, 64);
}

}  // namespace
}  // namespace ortho
