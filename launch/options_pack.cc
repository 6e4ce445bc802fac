// The options of pack.
#include <array>
#include <charconv>
#include <cmath>
#include <sstream>
#include <tuple>
#include <utility>

#include "core/error.h"
#include "launch/options_listing.h"

namespace ortho {
namespace {

// "12" or "30000/1001".
std::array<std::uint32_t, 2> frame_rate_word(const std::string& word) {
  std::array<std::uint32_t, 2> rate = {0, 1};
  const char* end = word.data() + word.size();
  auto [at, error] = std::from_chars(word.data(), end, rate[0]);
  if (error == std::errc{} && at != end && *at == '/')
    std::tie(at, error) = [&] {
      const auto rest = std::from_chars(at + 1, end, rate[1]);
      return std::pair(rest.ptr, rest.ec);
    }();
  REQUIRE(error == std::errc{} && at == end && rate[0] >= 1 && rate[0] <= 1'000'000 &&
              rate[1] >= 1 && rate[1] <= 1'000'000,
          "--frames-per-second ", word,
          ": write a number or a fraction, for example 12 or "
          "30000/1001");
  return rate;
}

Words split_words(const std::string& joined, char separator) {
  Words words;
  std::istringstream stream(joined);
  for (std::string word; std::getline(stream, word, separator);) words.push_back(word);
  return words;
}

// "0.9,1,1.1".
std::vector<double> speed_words(const std::string& joined) {
  std::vector<double> speeds;
  for (const std::string& word : split_words(joined, ',')) {
    double speed = 0;
    const char* end = word.data() + word.size();
    const auto [at, error] = std::from_chars(word.data(), end, speed);
    REQUIRE(error == std::errc{} && at == end && speed >= 0.25 && speed <= 4, "--speeds ", joined,
            ": numbers from 0.25 to 4 with commas between, for example 0.9,1,1.1");
    speeds.push_back(speed);
  }
  return speeds;
}

constexpr std::int64_t kMostRate = 10'000'000;  // samples per second, as in a WAV
constexpr std::int64_t kMostSeconds = 86400;    // a day for one file

constexpr const char* kAboutPack =
    "Packs raw files into shards. INPUT: text, PNG, PPM, PGM, PAM, WAV, IDX images, and with\n"
    "orthotope-decode JPEG, GIF, Ogg, FLAC, MP3, MP4, WebM; each also .gz; folders of these, and\n"
    "lists (.jsonl) with a record a line, paths from the list's folder:\n"
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
  listing.option("trim-level", po::value(&o.trim_percent)->default_value(1, "1")->value_name("P"),
                 "what counts as silence for --trim, in percent of full scale");
  listing.option("speeds", po::value(&o.speeds)->value_name("0.9,1,1.1"),
                 "pack each train record with a sound at each of these speeds");
  listing.option("late", po::value(&rule.late)->default_value(0)->value_name("N"),
                 "silence behind the sound of each of these copies, 0 to N samples by chance");
  listing.option("image-levels",
                 po::value(&rule.import.image_levels)->default_value(256)->value_name("N"),
                 "levels that red, green and blue are rounded to; 2 = black and white");
  listing.option("resample",
                 po::value(&rule.import.audio_rate)->default_value(0)->value_name("RATE"),
                 "samples per second that all audio gets; 0 = as it is");
  listing.option("max-frames", po::value(&rule.import.decode.max_frames)->default_value(0),
                 "cut films, and their sound, behind so many frames; 0 = do not");
  listing.option("decoder", po::value(&o.decoder)->value_name("PROGRAM"),
                 "orthotope-decode, if it is not beside this program");
  listing.option("decode-seconds",
                 po::value(&rule.import.decode.seconds)->default_value(rule.import.decode.seconds),
                 "give up a file that takes longer to decode");
  listing.option("keep-going", po::bool_switch(&rule.keep_going),
                 "skip damaged files and list them in DIR/SKIPPED");
  listing.option("replace", po::bool_switch(&rule.replace), "replace a data set that is in DIR");
}

}  // namespace

Command parse_pack(const Words& arguments) {
  PackOptions o;
  std::string split, records, size, frame_size, frame_rate, names, order, loudness;
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
  listing.option("normalize", po::value(&loudness)->default_value("none"),
                 "bring audio to one loudness before --trim: peak (0.9 of full scale), rms (0.1), "
                 "none");
  listing.option("image-size", po::value(&size)->value_name("HxW"), "resize images");
  listing.option("frame-size", po::value(&frame_size)->value_name("HxW"),
                 "resize the frames of films");
  listing.option("frames-per-second", po::value(&frame_rate)->value_name("N"),
                 "frames kept of a film, such as 12 or 30000/1001; all if not given");
  listing.option("label-names", po::value(&names)->value_name("A,B,C"),
                 "the words of labels 0, 1, 2 …");
  if (store(listing, arguments))
    return ShowText{help_text(listing, "INPUT… --out DIR [options]", kAboutPack)};
  PackRule& rule = o.rule;
  rule.split = split_rule_from(split);
  rule.text_records = text_records_from_name(records);
  rule.order = part_order_from_name(order);
  rule.import.loudness = loudness_from_name(loudness);
  rule.speeds = speed_words(o.speeds);
  REQUIRE(o.trim_percent > 0 && o.trim_percent <= 100, "--trim-level ", o.trim_percent,
          ": above 0, up to 100 percent");
  rule.import.trim_level = static_cast<std::int16_t>(std::lround(o.trim_percent * 327.67));
  REQUIRE(rule.import.image_levels >= 2 && rule.import.image_levels <= 256, "--image-levels ",
          rule.import.image_levels, ": 2 to 256");
  if (!size.empty())
    std::tie(rule.import.image_height, rule.import.image_width) = image_size("--image-size", size);
  MediaRule& decode = rule.import.decode;
  if (!frame_size.empty())
    std::tie(decode.frame_height, decode.frame_width) = image_size("--frame-size", frame_size);
  if (!frame_rate.empty()) decode.frame_rate = frame_rate_word(frame_rate);
  check_count("--max-frames", decode.max_frames, 0);
  check_count("--decode-seconds", decode.seconds, 1);
  check_count("--resample", rule.import.audio_rate, 0);
  REQUIRE(rule.import.audio_rate <= kMostRate && decode.seconds <= kMostSeconds, "--resample ",
          rule.import.audio_rate, " and --decode-seconds ", decode.seconds, ": at most ", kMostRate,
          " and ", kMostSeconds);
  rule.label_names = split_words(names, ',');
  check_count("--late", rule.late, 0);
  REQUIRE(rule.late == 0 || !rule.speeds.empty(), "--late needs --speeds, for example --speeds 1");
  check_count("--max-samples", rule.max_samples, 0);
  check_count("--cut-samples", rule.import.cut_samples, 0);
  REQUIRE(o.labels.empty() || o.inputs.size() == 1, "--labels ", o.labels,
          " belongs to one IDX file of images, but ", o.inputs.size(), " inputs were given");
  REQUIRE(rule.label_names.empty() || !o.labels.empty(), "--label-names needs --labels FILE");
  return o;
}

}  // namespace ortho
