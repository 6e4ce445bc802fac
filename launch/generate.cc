#include "trainer/generate.h"

#include <cmath>
#include <cstdio>

#include "comm/agree.h"
#include "comm/mpi.h"
#include "core/error.h"
#include "core/file.h"
#include "dataio/import.h"
#include "dataio/media/png.h"
#include "dataio/media/utf8.h"
#include "dataio/media/wav.h"
#include "launch/commands.h"
#include "launch/open_run.h"
#include "trainer/stage_data.h"

namespace ortho {
namespace {

// Of text or audio when --tokens is not given and nothing ends it.
constexpr std::int64_t kTokensUnasked = 1024;
constexpr std::int64_t kRateUnknown = 8000;  // samples per second where the data do not say

// Height and width of the images a run was trained on,
// and the rate of its sounds: those of the first record.
struct Media {
  std::int64_t height = 0, width = 0, rate = kRateUnknown;
};

Media media_of(const OpenRun& run) {
  Media media;
  const Dataset records(run.stage.config.data.train, Split::train);
  bool sound = false;
  for (std::int64_t r = 0; r < records.records() && !(sound && media.width > 0); ++r)
    for (const PartPlace& part : records.parts(r)) {
      if (part.kind == PartKind::image && media.width == 0) {
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

std::vector<Token> prompt_tokens(const GenerateOptions& options, const TokenRule& rule,
                                 const Media& media) {
  std::vector<Token> tokens;
  if (options.prompt.empty() && options.prompt_file.empty()) return tokens;
  ImportRule import;
  import.image_height = media.height;
  import.image_width = media.width;
  const std::string name = options.prompt.empty() ? options.prompt_file : "--prompt";
  const Part part = options.prompt.empty()
                        ? import_part(read_bytes(options.prompt_file), name, import)
                        : text_part_of(decode_utf8(options.prompt, name), name);
  const PartView seen = view(part);
  tokenise(seen, {0, count_tokens(seen.kind, seen.shape)}, 0, rule, name, tokens);
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

void write_result(const GenerateOptions& options, const std::vector<Token>& tokens,
                  const TokenRule& rule, const Media& media) {
  if (options.modality == Modality::text) {
    const std::string words = text_from(tokens, rule.vocabulary);
    std::printf("%s\n", words.c_str());
    if (!options.out.empty()) write_file_durably(options.out, words);
    return;
  }
  std::string bytes;
  if (options.modality == Modality::pixel) {
    const auto png = encode_png(image_from(tokens, media.height, media.width));
    bytes.assign(png.begin(), png.end());
  } else {
    const auto wav = encode_wav(sound_from(tokens, rule.audio_bits, media.rate));
    bytes.assign(wav.begin(), wav.end());
  }
  write_file_durably(options.out, bytes);
  std::printf("%s: %zu tokens\n", options.out.c_str(), tokens.size());
}

}  // namespace

int run_generate(const GenerateOptions& options) {
  const MpiSession session;
  const auto world = make_world_channel();
  OpenRun run = open_run(*world, options.path, [](const ModelSpec&, int) { return 1; });
  const ModelSpec spec = with_refeeds(run.state->spec, options.passes.refeeds);
  REQUIRE(has_modality(spec, options.modality), "this model knows no ",
          modality_name(options.modality), "; its stage ", run.stage.config.name,
          " has other modalities");
  const TokenRule rule = {run.state->vocabulary,
                          static_cast<int>(run.stage.config.data.audio_bits)};
  Media media = media_of(run);
  if (options.image_height > 0) media = {options.image_height, options.image_width, media.rate};
  REQUIRE(options.modality != Modality::pixel || media.width > 0,
          "the training data hold no image; give --image-size");

  GenerateRule generate;
  generate.decode = {options.temperature, options.top_k, options.top_p,
                     static_cast<std::uint64_t>(options.seed)};
  generate.only = options.modality;
  generate.image_width = media.width;
  generate.tokens = options.tokens > 0 ? options.tokens : kTokensUnasked;
  generate.may_end = options.tokens == 0 && options.modality != Modality::pixel;
  std::vector<Token> prompt = prompt_tokens(options, rule, media), begun;
  if (prompt.empty()) prompt = begun = first_token(options.modality, rule);
  const bool same = prompt.back().modality == static_cast<std::int32_t>(options.modality);
  generate.new_item = !same;
  if (options.modality == Modality::pixel)
    generate.tokens =
        media.height * media.width - static_cast<std::int64_t>(same ? prompt.size() : 0);

  const auto backend = make_cpu_backend<float>(static_cast<int>(run.config.threads));
  Arena<float> arena;
  Model<float> model(spec, run.state->sharding, run.state->params, *backend, arena, world.get());
  model.settle_at(options.passes.settle);
  const bool one_shot = run.stage.config.objective.one_shot > 0;
  auto tokens = one_shot ? answer_prompts(model, {prompt}, generate).front()
                         : continue_prompts(model, {prompt}, generate).front();
  if (same) tokens.insert(tokens.begin(), prompt.begin(), prompt.end());
  agree(*world, [&] {
    if (world->rank() == 0) write_result(options, tokens, rule, media);
  });
  return 0;
}

}  // namespace ortho
