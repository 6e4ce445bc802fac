// The one program, and the one catch.
#include <cstdio>
#include <exception>
#include <string>
#include <variant>
#include <vector>

#include "core/error.h"
#include "launch/commands.h"
#include "launch/options.h"

namespace {

struct Run {
  int operator()(const ortho::ShowText& show) const {
    std::fputs(show.text.c_str(), stdout);
    return 0;
  }
  int operator()(const ortho::PackOptions& options) const { return ortho::run_pack(options); }
  int operator()(const ortho::PlanOptions& options) const { return ortho::run_plan(options); }
  int operator()(const ortho::TrainOptions& options) const { return ortho::run_train(options); }
  int operator()(const ortho::EvaluateOptions& options) const {
    return ortho::run_evaluate(options);
  }
  int operator()(const ortho::GenerateOptions& options) const {
    return ortho::run_generate(options);
  }
  int operator()(const ortho::InspectOptions& options) const { return ortho::run_inspect(options); }
};

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    return std::visit(Run{}, ortho::parse_command(arguments));
  } catch (const ortho::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return error.exit_code();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
