#include "launch/options.h"

#include <charconv>
#include <sstream>
#include <string_view>
#include <tuple>
#include <utility>

#include "core/error.h"
#include "launch/options_listing.h"
#include "trainer/objectives.h"

namespace ortho {

// Stores the arguments into the variables that the listing names; true when help was asked for.
bool store(const Listing& listing, const Words& arguments) {
  const std::string hint = text("; see `orthotope ", listing.name, " --help`");
  try {
    po::options_description all;
    all.add(listing.named).add(listing.hidden);
    namespace style = po::command_line_style;
    po::variables_map values;
    po::store(po::command_line_parser(arguments)
                  .options(all)
                  .positional(listing.places)
                  .style(style::unix_style &
                         ~style::allow_guessing)  // no abbreviations: they change meaning
                  .run(),
              values);
    if (values.count("help") > 0) return true;
    po::notify(values);
    return false;
  } catch (const po::error& error) {
    fail(ErrorKind::usage, text("orthotope ", listing.name, ": ", error.what(), hint));
  }
}

std::string help_text(const Listing& listing, const std::string& usage, const std::string& about) {
  std::ostringstream out;
  out << "orthotope " << listing.name << ' ' << usage << "\n\n" << about << "\n\n" << listing.named;
  return out.str();
}

void check_count(const char* option, std::int64_t value, std::int64_t least) {
  REQUIRE(value >= least, option, ' ', value, ": must be at least ", least);
}

std::pair<std::int64_t, std::int64_t> image_size(const char* option, const std::string& word) {
  std::int64_t height = 0, width = 0;
  const char* end = word.data() + word.size();
  auto [at, error] = std::from_chars(word.data(), end, height);
  bool good = error == std::errc{} && at != end && *at == 'x';
  if (good) {
    const auto rest = std::from_chars(at + 1, end, width);
    good = rest.ec == std::errc{} && rest.ptr == end;
  }
  REQUIRE(good && height >= 1 && height <= 65536 && width >= 1 && width <= 65536, option, ' ', word,
          ": write it as HxW, each 1 to 65536, for example 28x28");
  return {height, width};
}

void list_settings(Listing& listing, Words& settings) {
  listing.option("set", po::value(&settings)->composing()->value_name("A.B=VALUE"),
                 "set a field of the run file, as often as needed: stages.1.until.steps=10");
}

namespace {

// --- values that Boost cannot read by itself ---

// "image" and "words" are what people say for pixel and text.
Modality modality_word(const std::string& word) {
  if (word == "image") return Modality::pixel;
  if (word == "words") return Modality::text;
  return modality_from_name(word);
}

EvaluateOptions::Score score_word(const std::string& word) {
  const size_t colon = word.find(':');
  REQUIRE(colon != std::string::npos, "--score ", word,
          ": write it as FROM:TO, for example image:text");
  return {modality_word(word.substr(0, colon)), modality_word(word.substr(colon + 1))};
}

void check_split(const std::string& split) {
  REQUIRE(split.empty() || split == "train" || split == "valid" || split == "test", "--split ",
          split, ": one of train, valid, test");
}

// --- the commands ---

void list_passes(Listing& listing, Passes& passes) {
  listing.option("refeeds", po::value(&passes.refeeds)->default_value(0, "as trained"),
                 "passes through the stack");
  listing.option("settle", po::value(&passes.settle)->default_value(0, "never"),
                 "stop when a pass changes the stream by less than this share of its size");
}

void check_passes(const Passes& passes) {
  REQUIRE(passes.refeeds >= 0 && passes.refeeds <= 4096, "--refeeds ", passes.refeeds,
          ": 1 to 4096");
  REQUIRE(passes.settle >= 0 && passes.settle < 1, "--settle ", passes.settle, ": 0 to below 1");
}

Command parse_evaluate(const Words& arguments) {
  EvaluateOptions o;
  Words scores;
  Listing listing("evaluate");
  listing.argument("path", po::value(&o.path)->required(), 1);
  listing.option("data", po::value(&o.data)->composing()->value_name("DIR"),
                 "packed data set; the run's own if not given");
  listing.option("split", po::value(&o.split),
                 "train, valid or test; the run's held_out if not given");
  listing.option("score", po::value(&scores)->composing()->value_name("FROM:TO"),
                 "exact matches of an item predicted from another: image:text; with shuffled pairs "
                 "as the control");
  listing.option("judge", po::value(&o.judge)->value_name("RUN"),
                 "another run, of one_shot, that names in words what the answers of --score show: "
                 "right when it names the true item alike");
  listing.option("active-nodes", po::value(&o.active_nodes)->default_value(1.0, "1"),
                 "share of each token's hidden units, the largest, that stay");
  listing.option("limit", po::value(&o.limit)->default_value(0),
                 "records or windows to score; 0 = all");
  list_passes(listing, o.passes);
  if (store(listing, arguments))
    return ShowText{help_text(listing, "RUN [options]",
                              "Scores a run folder or a checkpoint on held-out data.")};
  for (const auto& word : scores) o.scores.push_back(score_word(word));
  REQUIRE(o.judge.empty() || !o.scores.empty(), "--judge ", o.judge, " needs --score FROM:TO");
  check_split(o.split);
  check_count("--limit", o.limit, 0);
  check_passes(o.passes);
  return o;
}

WhenFull when_full_word(const std::string& word) {
  REQUIRE(word == "slide" || word == "half" || word == "beyond", "--when-full ", word,
          ": slide, half or beyond");
  return word == "slide" ? WhenFull::slide : word == "half" ? WhenFull::half : WhenFull::beyond;
}

void check_generate(const GenerateOptions& o) {
  if (!o.objective.empty()) objective_from_name(o.objective);  // checks
  check_count("--rounds", o.rounds, 0);
  check_count("--tokens", o.tokens, 0);
  check_count("--top-k", o.top_k, 0);
  check_passes(o.passes);
  check_count("--seed", o.seed, 0);
  REQUIRE(o.temperature >= 0, "--temperature ", o.temperature, ": must not be negative");
  REQUIRE(o.top_p > 0 && o.top_p <= 1, "--top-p ", o.top_p, ": above 0, up to 1");
  REQUIRE(o.prompts.empty() || o.prompt_file.empty(), "give --prompt or --prompt-file, not both");
}

Command parse_generate(const Words& arguments) {
  GenerateOptions o;
  std::string modality, size, when_full, places, order;
  Listing listing("generate");
  listing.argument("path", po::value(&o.path)->required(), 1);
  listing.option("modality", po::value(&modality)->default_value("text"),
                 "what to make: text, pixel or audio");
  listing.option("prompt", po::value(&o.prompts)->composing(), "words to begin with; repeatable");
  listing.option("prompt-file", po::value(&o.prompt_file)->value_name("FILE"),
                 "a text, image or audio file to begin with");
  listing.option("together", po::bool_switch(&o.together),
                 "several prompts share one window, each with an equal part of the room");
  listing.option("tokens", po::value(&o.tokens)->default_value(0),
                 "tokens to make; 0 = until the end");
  listing.option("when-full", po::value(&when_full)->default_value("slide"),
                 "slide = read the last T tokens for each; half = begin anew; beyond = go on");
  listing.option("places", po::value(&places)->default_value("rule"),
                 "places of new tokens: rule = counted on; heads = chosen by the model's heads");
  listing.option("active-nodes", po::value(&o.active_nodes)->default_value(1.0, "1"),
                 "share of each token's hidden units, the largest, that stay");
  listing.option("temperature", po::value(&o.temperature)->default_value(1.0, "1"),
                 "0 = always the likeliest");
  listing.option("top-k", po::value(&o.top_k)->default_value(0),
                 "draw from the k likeliest; 0 = all");
  listing.option("top-p", po::value(&o.top_p)->default_value(1.0, "1"),
                 "draw from the likeliest that make up this share");
  listing.option("seed", po::value(&o.seed)->default_value(1), "of the draws");
  listing.option("objective", po::value(&o.objective)->value_name("NAME"),
                 "next_token, one_shot or diffusion; as the stage was trained if not given");
  listing.option("rounds", po::value(&o.rounds)->default_value(0),
                 "diffusion: rounds that fill in a window; 0 = a token a round");
  listing.option("order", po::value(&order)->default_value("confident"),
                 "diffusion: which tokens a round keeps: confident, random");
  listing.option("out", po::value(&o.out)->value_name("FILE"),
                 "where to write: .txt, .png, .wav; text also to standard output");
  listing.option("image-size", po::value(&size)->value_name("HxW"),
                 "size of an image; the training data's if not given");
  listing.option("frames", po::value(&o.frames)->default_value(0),
                 "pixel: images of a film, FILE-0001.png and on; 0: the training data's");
  list_passes(listing, o.passes);
  if (store(listing, arguments))
    return ShowText{help_text(listing, "RUN [options]",
                              "Makes a text, an image (PNG), a film (one PNG a frame) or a sound "
                              "(WAV) with a run folder or a checkpoint.")};
  check_generate(o);
  o.modality = modality_word(modality);
  REQUIRE(order == "confident" || order == "random", "--order ", order, ": confident or random");
  if (order == "random") o.order = UnmaskRule::Order::random;
  REQUIRE(o.frames >= 0, "--frames ", o.frames, ": at least 1, or 0 for the training data's");
  if (!size.empty()) std::tie(o.image_height, o.image_width) = image_size("--image-size", size);
  o.when_full = when_full_word(when_full);
  REQUIRE(places == "rule" || places == "heads", "--places ", places, ": rule or heads");
  o.places_by_heads = places == "heads";
  REQUIRE(o.modality == Modality::text || !o.out.empty(), "--modality ", modality,
          " needs --out FILE");
  return o;
}

Command parse_inspect(const Words& arguments) {
  InspectOptions o;
  Listing listing("inspect");
  listing.argument("path", po::value(&o.path)->required(), 1);
  listing.option("records", po::value(&o.records)->default_value(3),
                 "records of a shard or data set to show");
  listing.option("config", po::bool_switch(&o.config), "print the config of a checkpoint or run");
  listing.option("verify", po::bool_switch(&o.verify), "read everything, check every checksum");
  if (store(listing, arguments))
    return ShowText{help_text(listing, "PATH [options]",
                              "Shows what is in a shard, a data set, a checkpoint or a run.")};
  check_count("--records", o.records, 0);
  return o;
}

struct Verb {
  const char* name;
  const char* about;
  Command (*parse)(const Words&);
};

// For `run` on other hosts, not for people.
constexpr Verb kInnerVerbs[] = {{"host-check", "", parse_host_check}, {"sweep", "", parse_sweep}};

constexpr Verb kVerbs[] = {
    {"pack", "raw text, images and audio into shards", parse_pack},
    {"plan", "what a run will cost", parse_plan},
    {"probe", "how fast this machine is", parse_probe},
    {"train", "a run, stage by stage", parse_train},
    {"run", "starts train on one host or many, and again after a failure", parse_run},
    {"evaluate", "scores on held-out data", parse_evaluate},
    {"generate", "text, an image or a sound", parse_generate},
    {"inspect", "what is in a file", parse_inspect},
    {"verify", "whether what is on disk is whole", parse_verify},
    {"rehearse", "a run in small, with faults, on this machine", parse_rehearse},
    {"export", "weights as plain arrays", parse_export},
    {"apply", "one layer on arrays", parse_apply},
};

std::string overview() {
  std::string out =
      "orthotope COMMAND [options]: multidimensional networks that grow while they train\n\n";
  for (const auto& verb : kVerbs)
    out += text("  ", verb.name, std::string(10 - std::string_view(verb.name).size(), ' '),
                verb.about, '\n');
  return out + "\n`orthotope COMMAND --help` explains one.\n";
}

}  // namespace

Command parse_command(const std::vector<std::string>& arguments) {
  REQUIRE(!arguments.empty(), "no command given\n", overview());
  const std::string& name = arguments.front();
  if (name == "--help" || name == "-h" || name == "help") return ShowText{overview()};
  const Words rest(arguments.begin() + 1, arguments.end());
  for (const auto& verb : kInnerVerbs)
    if (name == verb.name) return verb.parse(rest);
  Words known;
  for (const auto& verb : kVerbs) {
    if (name == verb.name) return verb.parse(rest);
    known.push_back(verb.name);
  }
  const std::string near = nearest(name, known);
  fail(ErrorKind::usage,
       text("unknown command '", name, '\'', near.empty() ? "" : text("; did you mean ", near, '?'),
            '\n', overview()));
}

}  // namespace ortho
