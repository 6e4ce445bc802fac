// The options of export and apply.
#include <charconv>
#include <sstream>

#include "core/error.h"
#include "launch/options_listing.h"

namespace ortho {
namespace {

// "3,2,4"
Shape axes_word(const std::string& word) {
  Shape axes;
  std::istringstream stream(word);
  for (std::string size; std::getline(stream, size, ',');) {
    std::int64_t value = 0;
    const char* const end = size.data() + size.size();
    const auto read = std::from_chars(size.data(), end, value);
    REQUIRE(read.ec == std::errc{} && read.ptr == end && value >= 1 && value <= (1 << 20),
            "--axes ", word, ": write sizes from 1 to 2^20 as 16,16,64, the channels last");
    axes.push_back(value);
  }
  return axes;
}

template <class V>
V choice(const char* option, const std::string& word,
         const std::vector<std::pair<const char*, V>>& known) {
  std::string names;
  for (const auto& [name, value] : known) {
    if (word == name) return value;
    names += text(names.empty() ? "" : ", ", name);
  }
  fail(ErrorKind::usage, text(option, ' ', word, ": one of ", names));
}

}  // namespace

Command parse_export(const Words& arguments) {
  ExportOptions o;
  std::string format;
  Listing listing("export");
  listing.argument("path", po::value(&o.path)->required(), 1);
  listing.option("to", po::value(&o.to)->required()->value_name("DIR"), "folder to write into");
  listing.option("format", po::value(&format)->default_value("npy"),
                 "npy: a file a weight; safetensors: one file");
  if (store(listing, arguments))
    return ShowText{help_text(
        listing, "RUN --to DIR [options]",
        "Writes the weights of a run folder or a checkpoint for other programs. A run begins with\n"
        "such .npy files by `start: DIR`. Dense grid maps come once more as the paper's "
        "axis_i.npy.")};
  o.safetensors = choice<bool>("--format", format, {{"npy", false}, {"safetensors", true}});
  return o;
}

Command parse_apply(const Words& arguments) {
  ApplyOptions o;
  std::string axes, combine, sequence, wiring;
  Listing listing("apply");
  listing.option("axes", po::value(&axes)->required()->value_name("S,S,C"),
                 "sizes of the input's axes without the batch, the channels last");
  listing.option("weights", po::value(&o.weights)->required()->value_name("DIR"),
                 "folder with axis_0.npy …, one an axis: [s_1 … s_n, out] or [s_i, out]");
  listing.option("input", po::value(&o.input)->required()->value_name("X.npy"),
                 "[batch, s_1 … s_n], float32 or float64");
  listing.option("output", po::value(&o.output)->required()->value_name("Y.npy"), "what to write");
  listing.option("combine", po::value(&combine)->default_value("parallel"),
                 "parallel, sequential or single");
  listing.option("sequence", po::value(&sequence)->default_value("ascending"),
                 "sequential: ascending or descending");
  listing.option("axis", po::value(&o.rule.single)->default_value(-1),
                 "single: which axis; -1 = the last; its weight's last size is the output's");
  listing.option("wiring", po::value(&wiring)->default_value("grid"),
                 "grid, grid_causal or causal");
  if (store(listing, arguments))
    return ShowText{help_text(listing, "--axes S,S,C --weights DIR --input X.npy --output Y.npy",
                              "Runs one dense layer on arrays, to compare with other programs.")};
  o.rule.axes = axes_word(axes);
  o.rule.combine = choice<Combine>("--combine", combine,
                                   {{"parallel", Combine::parallel},
                                    {"sequential", Combine::sequential},
                                    {"single", Combine::single}});
  o.rule.sequence =
      choice<Sequence>("--sequence", sequence,
                       {{"ascending", Sequence::ascending}, {"descending", Sequence::descending}});
  o.rule.wiring = choice<Wiring>(
      "--wiring", wiring,
      {{"grid", Wiring::grid}, {"grid_causal", Wiring::grid_causal}, {"causal", Wiring::causal}});
  return o;
}

}  // namespace ortho
