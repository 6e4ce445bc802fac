#include "launch/options.h"

#include <charconv>
#include <sstream>
#include <string_view>
#include <tuple>
#include <utility>

#include "core/error.h"
#include "launch/options_listing.h"
#include "trainer/config.h"

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

namespace {

// --- values that Boost cannot read by itself ---

std::pair<std::int64_t, std::int64_t> image_size(const std::string& word) {
  std::int64_t height = 0, width = 0;
  const char* end = word.data() + word.size();
  auto [at, error] = std::from_chars(word.data(), end, height);
  bool good = error == std::errc{} && at != end && *at == 'x';
  if (good) {
    const auto rest = std::from_chars(at + 1, end, width);
    good = rest.ec == std::errc{} && rest.ptr == end;
  }
  REQUIRE(good && height >= 1 && height <= 65536 && width >= 1 && width <= 65536, "--image-size ",
          word, ": write it as HxW, each 1 to 65536, for example 28x28");
  return {height, width};
}

Words split_words(const std::string& joined, char separator) {
  Words words;
  std::istringstream stream(joined);
  for (std::string word; std::getline(stream, word, separator);) words.push_back(word);
  return words;
}

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

constexpr std::int64_t kMostRanks = 1 << 20;  // as mesh.batch
constexpr double kMostGflops = 1e9;           // an exaflop a rank

// --- the commands ---

constexpr const char* kAboutPack =
    "Packs raw files into shards. INPUT: text, PNG, PPM, PGM, PAM, WAV, IDX images (each also "
    ".gz),\n"
    "folders of these, and lists (.jsonl) with a record a line, paths from the list's folder:\n"
    "  {\"parts\": [{\"file\": \"a.png\"}, {\"text\": \"ankle boot\"}], \"split\": \"train\"}";

void list_pack(Listing& listing, PackOptions& o) {
  PackRule& rule = o.rule;
  listing.argument("input", po::value(&o.inputs)->required(), -1);
  listing.option("out", po::value(&rule.output)->required()->value_name("DIR"),
                 "folder of the data set");
  listing.option("labels", po::value(&o.labels)->value_name("FILE"),
                 "IDX file with a label for each image of the one INPUT");
  listing.option("ending", po::value(&rule.endings)->composing()->value_name(".E"),
                 "in folders take only names that end so; as often as needed");
  listing.option("max-samples", po::value(&rule.max_samples)->default_value(0),
                 "skip and list records with longer audio; 0 = none");
  listing.option("cut-samples", po::value(&rule.import.cut_samples)->default_value(0),
                 "cut audio behind so many samples; 0 = do not");
  listing.option("trim", po::bool_switch(&rule.import.trim),
                 "drop silence (below 1 % of full scale) at both ends of audio");
  listing.option("keep-going", po::bool_switch(&rule.keep_going),
                 "skip damaged files and list them in DIR/SKIPPED");
  listing.option("replace", po::bool_switch(&rule.replace), "replace a data set that is in DIR");
}

Command parse_pack(const Words& arguments) {
  PackOptions o;
  std::string split, records, size, names, order;
  Listing listing("pack");
  list_pack(listing, o);
  listing.option("split", po::value(&split)->default_value("hash:0.1")->value_name("RULE"),
                 "where records go that a list does not place: train, valid, test; hash:0.1 (a "
                 "tenth of the files, or of an IDX file's images, is valid); tail:0.1 (the last "
                 "tenth of each text or IDX file)");
  listing.option(
      "records", po::value(&records)->default_value("file"),
      "a record of a text: file (all of it), line, percent (between lines that hold a % alone)");
  listing.option("order", po::value(&order)->default_value("given"),
                 "of the parts of a record: given, reversed, both (every second record reversed)");
  listing.option("image-size", po::value(&size)->value_name("HxW"), "resize images");
  listing.option("label-names", po::value(&names)->value_name("A,B,C"),
                 "the words of labels 0, 1, 2 …");
  if (store(listing, arguments))
    return ShowText{help_text(listing, "INPUT… --out DIR [options]", kAboutPack)};
  PackRule& rule = o.rule;
  rule.split = split_rule_from(split);
  rule.text_records = text_records_from_name(records);
  rule.order = part_order_from_name(order);
  if (!size.empty()) std::tie(rule.import.image_height, rule.import.image_width) = image_size(size);
  rule.label_names = split_words(names, ',');
  check_count("--max-samples", rule.max_samples, 0);
  check_count("--cut-samples", rule.import.cut_samples, 0);
  REQUIRE(o.labels.empty() || o.inputs.size() == 1, "--labels ", o.labels,
          " belongs to one IDX file of images, but ", o.inputs.size(), " inputs were given");
  REQUIRE(rule.label_names.empty() || !o.labels.empty(), "--label-names needs --labels FILE");
  return o;
}

void list_settings(Listing& listing, Words& settings) {
  listing.option("set", po::value(&settings)->composing()->value_name("A.B=VALUE"),
                 "set a field of the run file, as often as needed: stages.1.until.steps=10");
}

Command parse_train(const Words& arguments) {
  TrainOptions o;
  Listing listing("train");
  listing.argument("config", po::value(&o.config)->required(), 1);
  list_settings(listing, o.settings);
  if (store(listing, arguments))
    return ShowText{
        help_text(listing, "RUN.yaml [options]",
                  "Trains all stages of a run, under mpirun on all its ranks. Goes on from "
                  "the newest checkpoint\nof the run folder when there is one.") +
        "\nFields of RUN.yaml:\n" + config_help()};
  return o;
}

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
  listing.option("limit", po::value(&o.limit)->default_value(0),
                 "records or windows to score; 0 = all");
  list_passes(listing, o.passes);
  if (store(listing, arguments))
    return ShowText{help_text(listing, "RUN [options]",
                              "Scores a run folder or a checkpoint on held-out data.")};
  for (const auto& word : scores) o.scores.push_back(score_word(word));
  check_split(o.split);
  check_count("--limit", o.limit, 0);
  check_passes(o.passes);
  return o;
}

Command parse_generate(const Words& arguments) {
  GenerateOptions o;
  std::string modality, size;
  Listing listing("generate");
  listing.argument("path", po::value(&o.path)->required(), 1);
  listing.option("modality", po::value(&modality)->default_value("text"),
                 "what to make: text, pixel or audio");
  listing.option("prompt", po::value(&o.prompt), "words to begin with");
  listing.option("prompt-file", po::value(&o.prompt_file)->value_name("FILE"),
                 "a text, image or audio file to begin with");
  listing.option("tokens", po::value(&o.tokens)->default_value(0),
                 "tokens to make; 0 = until the end");
  listing.option("temperature", po::value(&o.temperature)->default_value(1.0, "1"),
                 "0 = always the likeliest");
  listing.option("top-k", po::value(&o.top_k)->default_value(0),
                 "draw from the k likeliest; 0 = all");
  listing.option("top-p", po::value(&o.top_p)->default_value(1.0, "1"),
                 "draw from the likeliest that make up this share");
  listing.option("seed", po::value(&o.seed)->default_value(1), "of the draws");
  listing.option("out", po::value(&o.out)->value_name("FILE"),
                 "where to write: .txt, .png, .wav; text also to standard output");
  listing.option("image-size", po::value(&size)->value_name("HxW"),
                 "size of an image; the training data's if not given");
  list_passes(listing, o.passes);
  if (store(listing, arguments))
    return ShowText{help_text(
        listing, "RUN [options]",
        "Makes a text, an image (PNG) or a sound (WAV) with a run folder or a checkpoint.")};
  o.modality = modality_word(modality);
  if (!size.empty()) std::tie(o.image_height, o.image_width) = image_size(size);
  check_count("--tokens", o.tokens, 0);
  check_count("--top-k", o.top_k, 0);
  check_passes(o.passes);
  check_count("--seed", o.seed, 0);
  REQUIRE(o.temperature >= 0, "--temperature ", o.temperature, ": must not be negative");
  REQUIRE(o.top_p > 0 && o.top_p <= 1, "--top-p ", o.top_p, ": above 0, up to 1");
  REQUIRE(o.prompt.empty() || o.prompt_file.empty(), "give --prompt or --prompt-file, not both");
  REQUIRE(o.modality == Modality::text || !o.out.empty(), "--modality ", modality,
          " needs --out FILE");
  return o;
}

Command parse_plan(const Words& arguments) {
  PlanOptions o;
  Listing listing("plan");
  listing.argument("config", po::value(&o.config)->required(), 1);
  listing.option("ranks", po::value(&o.ranks)->default_value(1), "ranks to plan for");
  listing.option("symbols", po::value(&o.symbols)->default_value(0, "256")->value_name("N"),
                 "distinct code points of the text, where the data sets are not packed yet");
  listing.option("gflops", po::value(&o.gflops)->default_value(0, "measured")->value_name("X"),
                 "training GFLOP/s of one rank");
  list_settings(listing, o.settings);
  if (store(listing, arguments))
    return ShowText{
        help_text(listing, "RUN.yaml [options]",
                  "Prints weights, memory, messages, FLOPs, time and growth of each stage, without "
                  "training.\nRefuses what train would refuse. Needs no MPI.")};
  check_count("--ranks", o.ranks, 1);
  REQUIRE(o.ranks <= kMostRanks, "--ranks ", o.ranks, ": at most ", kMostRanks);
  check_count("--symbols", o.symbols, 0);
  REQUIRE(o.gflops >= 0 && o.gflops <= kMostGflops, "--gflops ", o.gflops, ": above 0, up to ",
          kMostGflops);
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

constexpr Verb kVerbs[] = {
    {"pack", "raw text, images and audio into shards", parse_pack},
    {"plan", "what a run will cost", parse_plan},
    {"train", "a run, stage by stage", parse_train},
    {"evaluate", "scores on held-out data", parse_evaluate},
    {"generate", "text, an image or a sound", parse_generate},
    {"inspect", "what is in a file", parse_inspect},
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
