#include "trainer/generate.h"

#include <algorithm>
#include <cstdio>

#include "comm/agree.h"
#include "comm/mpi.h"
#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "dataio/import.h"
#include "dataio/media/png.h"
#include "dataio/media/utf8.h"
#include "dataio/media/wav.h"
#include "launch/commands.h"
#include "launch/open_run.h"
#include "launch/program_path.h"
#include "trainer/stage_data.h"
#include "trainer/unmask.h"

namespace ortho {
namespace {

// Of text or audio when --tokens is not given and nothing ends it.
constexpr std::int64_t kTokensUnasked = 1024;
constexpr std::int64_t kRateUnknown = 8000;  // samples per second where the data do not say

// Height and width of the images or films a run was trained on, and the rate of its sounds: those
// of the first record that has some.
struct Media {
  std::int64_t height = 0, width = 0, rate = kRateUnknown, frames = 1;
};

Media media_of(const OpenRun& run) {
  Media media;
  const Dataset records(run.stage.config.data.train, Split::train);
  bool sound = false;
  for (std::int64_t r = 0; r < records.records() && !(sound && media.width > 0); ++r)
    for (const PartPlace& part : records.parts(r)) {
      const bool film = part.kind == PartKind::video;
      if ((film || part.kind == PartKind::image) && media.width == 0) {
        media.frames = film ? part.shape[0] : 1;
        media.height = part.shape[1];
        media.width = part.shape[2];
      }
      if (part.kind == PartKind::audio && !sound) {
        media.rate = part.rate[0] / std::max<std::uint32_t>(part.rate[1], 1);
        sound = true;
      }
    }
  return media;
}

std::vector<Token> tokens_of(const std::vector<Part>& parts, const TokenRule& rule,
                             const std::string& name) {
  std::vector<Token> tokens;
  std::int32_t item = 0;
  for (const Part& part : parts)
    tokenise(view(part), {0, count_tokens(part.kind, part.shape)}, item++, rule, name, tokens);
  return tokens;
}

// Without a prompt something must come first: a line break, a black pixel, silence.
std::vector<Token> first_token(Modality modality, const TokenRule& rule) {
  Token token;
  token.modality = static_cast<std::int32_t>(modality);
  if (modality == Modality::text) token.symbol[0] = std::max(rule.vocabulary.row('\n'), 0);
  if (modality == Modality::audio) token.symbol[0] = level_of(0, rule.audio_bits);
  return {token};
}

// How the prompts are answered: as asked, or as the stage was trained.
Objective objective_of(const GenerateOptions& options, const StageConfig& stage) {
  if (options.objective.empty()) return answering_objective(stage.objective);
  const Objective objective = objective_from_name(options.objective);
  REQUIRE(weight_of(stage.objective, objective) > 0, "--objective ", options.objective, ": stage ",
          stage.name, " was not trained on it");
  return objective;
}

// When --tokens does not say: diffusion cannot end by itself and fills its window.
std::int64_t tokens_unasked(Objective objective, const ModelSpec& spec, size_t prompt) {
  if (objective != Objective::diffusion) return kTokensUnasked;
  return std::max<std::int64_t>(1, context(spec) - static_cast<std::int64_t>(prompt));
}

// At least one prompt, none of them empty but for diffusion.
Prompts prompts_of(const GenerateOptions& options, const TokenRule& rule, Objective objective,
                   const Media& media) {
  Prompts prompts;
  const auto add = [&](const std::vector<Part>& parts, const std::string& name) {
    prompts.push_back(tokens_of(parts, rule, name));
  };
  for (const std::string& words : options.prompts)
    add({text_part_of(decode_utf8(words, "--prompt"), "--prompt")}, "--prompt");
  if (!options.prompt_file.empty()) {
    ImportRule import;
    import.image_height = media.height;
    import.image_width = media.width;
    const std::string& file = options.prompt_file;
    Decoder decoder(program_beside("orthotope-decode"));
    add(import_parts(read_bytes(file), file, import, decoder), file);
  }
  if (prompts.empty()) prompts.emplace_back();
  for (std::vector<Token>& prompt : prompts)
    if (prompt.empty() && objective != Objective::diffusion)
      prompt = first_token(options.modality, rule);
  return prompts;
}

// "a-NUMBER.png" of "a.png".
std::string with_number(const std::string& out, const std::string& number) {
  const size_t dot = out.find_last_of("./");
  const size_t end = dot != std::string::npos && out[dot] == '.' ? dot : out.size();
  return text(out.substr(0, end), "-", number, out.substr(end));
}

// "a.png" for the only answer, else "a-1.png", "a-2.png" …
std::string numbered(const std::string& out, size_t answer, size_t answers) {
  return answers == 1 || out.empty() ? out : with_number(out, text(answer + 1));
}

// A PNG a frame, "a-0001.png" and on: every player and encoder reads such a sequence.
void write_film(const std::string& out, std::span<const Token> tokens, const Media& media) {
  const auto frame = static_cast<size_t>(media.height * media.width);
  for (size_t f = 0; f < static_cast<size_t>(media.frames); ++f) {
    const auto png =
        encode_png(image_from(tokens.subspan(f * frame, frame), media.height, media.width));
    const std::string digits = text(f + 1);
    const std::string name =
        with_number(out, std::string(digits.size() < 4 ? 4 - digits.size() : 0, '0') + digits);
    write_file_durably(name, std::string(png.begin(), png.end()));
  }
  std::printf("%s: %lld frames of %lld x %lld pixels\n", with_number(out, "0001").c_str(),
              static_cast<long long>(media.frames), static_cast<long long>(media.width),
              static_cast<long long>(media.height));
}

void write_result(const GenerateOptions& options, const std::string& out,
                  const std::vector<Token>& tokens, const TokenRule& rule, const Media& media) {
  if (options.modality == Modality::text) {
    const std::string words = text_from(tokens, rule.vocabulary);
    std::printf("%s\n", words.c_str());
    if (!out.empty()) write_file_durably(out, words);
    return;
  }
  std::string bytes;
  if (options.modality == Modality::pixel && media.frames > 1)
    return write_film(out, tokens, media);
  if (options.modality == Modality::pixel) {
    const auto png = encode_png(image_from(tokens, media.height, media.width));
    bytes.assign(png.begin(), png.end());
  } else {
    const auto wav = encode_wav(sound_from(tokens, rule.audio_bits, media.rate));
    bytes.assign(wav.begin(), wav.end());
  }
  write_file_durably(out, bytes);
  std::printf("%s: %zu tokens\n", out.c_str(), tokens.size());
}

GenerateRule rule_of(const GenerateOptions& options, const OpenRun& run, Objective objective,
                     const Media& media, const Prompts& prompts) {
  GenerateRule rule;
  rule.decode = {options.temperature, options.top_k, options.top_p,
                 static_cast<std::uint64_t>(options.seed)};
  rule.only = options.modality;
  rule.vocabulary = &run.state->vocabulary;
  rule.image_width = media.width;
  if (media.frames > 1) rule.image_height = media.height;
  rule.when_full = options.when_full;
  rule.slots = run.stage.config.one_shot.slots;
  rule.against_slots = run.stage.config.data.padding == Padding::start;
  rule.places_by_heads = options.places_by_heads;
  const size_t first = prompts.front().size();
  rule.tokens =
      options.tokens > 0 ? options.tokens : tokens_unasked(objective, run.state->spec, first);
  rule.may_end = options.tokens == 0 && options.modality != Modality::pixel;
  const auto is_new = [&](const std::vector<Token>& prompt) {
    return !prompt.empty() && prompt.back().modality != static_cast<std::int32_t>(options.modality);
  };
  rule.new_item = is_new(prompts.front());
  if (options.modality == Modality::pixel)
    rule.tokens = media.frames * media.height * media.width -
                  static_cast<std::int64_t>(rule.new_item ? 0 : first);
  return rule;
}

// Token by token where that can be, else by way of the whole window.
Prompts answers(OpenRun& run, Channel& world, const GenerateOptions& options, Objective objective,
                const Prompts& prompts, const GenerateRule& rule) {
  const RunState& state = *run.state;
  const ModelSpec spec = with_refeeds(state.spec, options.passes.refeeds);
  const auto backend = make_cpu_backend<float>(static_cast<int>(run.config.threads));
  Arena<float> arena;
  const bool one_shot = objective == Objective::one_shot;
  const std::string reason = no_stream(spec, state.sharding.ranks());
  const bool one_by_one = objective == Objective::next_token && !options.together;
  const bool all_passes = options.passes.settle == 0;
  if (one_by_one && reason.empty() && options.active_nodes == 1 && all_passes) {
    Stream<float> stream(spec, static_cast<std::int64_t>(prompts.size()), run.state->params,
                         *backend, arena);
    return stream_prompts(stream, prompts, rule);
  }
  if (one_by_one)
    say("each token is read from the whole window: " +
        (!reason.empty() ? reason
         : all_passes    ? "active nodes are chosen in whole windows"
                         : "passes end when a whole window settles"));
  Model<float> model(spec, state.sharding, run.state->params, *backend, arena, &world);
  model.keep_active(options.active_nodes);
  model.settle_at(options.passes.settle);
  REQUIRE(objective != Objective::diffusion || !options.together,
          "--together: diffusion hides tokens from each other, not prompts; give each a window of "
          "its own");
  Prompts made;
  if (objective == Objective::diffusion)
    made = unmask_prompts(model, prompts, rule, {options.rounds, options.order});
  else if (options.together)
    made =
        one_shot ? answer_together(model, prompts, rule) : continue_together(model, prompts, rule);
  else
    made = one_shot ? answer_prompts(model, prompts, rule) : continue_prompts(model, prompts, rule);
  if (!all_passes)
    say(text("passes: ", model.passes(), " of ", spec.refeeds, " in the last window read"));
  return made;
}

}  // namespace

int run_generate(const GenerateOptions& options) {
  const MpiSession session;
  const auto world = make_world_channel();
  const auto asked = static_cast<std::int64_t>(std::max<size_t>(1, options.prompts.size()));
  OpenRun run = open_run(*world, options.path,
                         [&](const ModelSpec&, int) { return options.together ? 1 : asked; });
  REQUIRE(has_modality(run.state->spec, options.modality), "this model knows no ",
          modality_name(options.modality), "; its stage ", run.stage.config.name,
          " has other modalities");
  const Objective objective = objective_of(options, run.stage.config);
  const TokenRule rule = {run.state->vocabulary, static_cast<int>(run.stage.config.data.audio_bits),
                          word_rule(objective)};
  Media media = media_of(run);
  if (options.image_height > 0) {
    media.height = options.image_height;
    media.width = options.image_width;
  }
  if (options.frames > 0) media.frames = options.frames;
  REQUIRE(options.modality != Modality::pixel || media.width > 0,
          "the training data hold no image; give --image-size");

  const Prompts prompts = prompts_of(options, rule, objective, media);
  const GenerateRule generate = rule_of(options, run, objective, media, prompts);
  Prompts made = answers(run, *world, options, objective, prompts, generate);
  agree(*world, [&] {
    if (world->rank() != 0) return;
    for (size_t i = 0; i < made.size(); ++i) {
      std::vector<Token>& tokens = made[i];
      if (!generate.new_item) tokens.insert(tokens.begin(), prompts[i].begin(), prompts[i].end());
      write_result(options, numbered(options.out, i, made.size()), tokens, rule, media);
    }
  });
  return 0;
}

}  // namespace ortho
