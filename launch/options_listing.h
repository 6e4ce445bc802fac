// How the options of one command are listed, and then read. For launch/options*.cc alone.
#pragma once

#include <boost/program_options.hpp>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "launch/options.h"

namespace ortho {

namespace po = boost::program_options;
using Words = std::vector<std::string>;

// One command's options while they are being listed, and then read.
struct Listing {
  explicit Listing(const std::string& command) : name(command), named("Options") {
    named.add_options()("help,h", "show this");
  }

  void option(const char* option_name, po::value_semantic* value, const char* help) {
    named.add_options()(option_name, value, help);
  }
  // An argument without a name; `count` of them, -1 for any number above 0.
  void argument(const char* shown, po::value_semantic* value, int count) {
    hidden.add_options()(shown, value);
    places.add(shown, count);
  }

  std::string name;
  po::options_description named, hidden;
  po::positional_options_description places;
};

// Stores the arguments into the variables that the listing names; true when help was asked for.
bool store(const Listing& listing, const Words& arguments);
std::string help_text(const Listing& listing, const std::string& usage, const std::string& about);
void check_count(const char* option, std::int64_t value, std::int64_t least);
std::pair<std::int64_t, std::int64_t> image_size(const char* option, const std::string& word);

// --set A.B=VALUE
void list_settings(Listing& listing, Words& settings);

Command parse_pack(const Words& arguments);
Command parse_plan(const Words& arguments);
Command parse_probe(const Words& arguments);
Command parse_train(const Words& arguments);
Command parse_run(const Words& arguments);
Command parse_host_check(const Words& arguments);
Command parse_sweep(const Words& arguments);
Command parse_verify(const Words& arguments);
Command parse_rehearse(const Words& arguments);
Command parse_export(const Words& arguments);
Command parse_apply(const Words& arguments);

}  // namespace ortho
