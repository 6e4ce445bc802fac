// The ends of a model on ranks that hold parts of the tokens, against one rank that holds all.
//
// Embedding and heads alone, without a stack between them. In double, where the backend's sums do
// not depend on how many rows there are: what no sum of ranks touches is compared with ==.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include "comm/local.h"
#include "model/embed.h"
#include "model/head.h"
#include "tests/support/errors.h"
#include "tests/support/model_kit.h"

namespace ortho {
namespace {

constexpr std::int64_t kWindows = 5, kFirstWindow = 100;
const TermWeights kTermWeights = {{0.7, 1.0, 0.4, 1.3, 0.6, 0.8}};

ModelSpec every_modality(MapKind map, std::int64_t width = 0) {
  ModelSpec spec;
  spec.tokens = {7, 3, 2};
  spec.channels = 6;
  spec.hidden = 8;
  spec.map = map;
  spec.wiring = Wiring::grid;
  spec.width = width;
  spec.text_symbols = 7;
  spec.modalities = {Modality::text, Modality::pixel, Modality::audio};
  spec.modality_head = spec.modality_table = true;
  spec.items = 2;
  spec.places = {4, 3, 5, 2, 6};
  spec.place_heads = spec.item_head = true;
  return spec;
}

// 1 to 8 ranks; the axes have 7, 3 and 2 tokens and the batch 5 windows, so most parts are uneven.
const std::vector<Cuts> kCuts = {
    {1, {}, 1},     {2, {}, 1},        {5, {}, 1},     {1, {2}, 1},       {1, {7}, 1},
    {1, {1, 3}, 1}, {1, {1, 1, 2}, 1}, {1, {3, 2}, 1}, {1, {2, 1, 2}, 1}, {1, {1, 3, 2}, 1},
    {2, {2}, 1},    {2, {1, 3}, 1},    {3, {1, 2}, 1}, {2, {1, 2, 2}, 1}, {1, {2, 2, 2}, 1}};

// 5 parts of 4 modalities: one is empty.
const std::vector<Cuts> kChannelCuts = {{1, {}, 2}, {1, {}, 3},     {1, {}, 5},
                                        {2, {}, 3}, {1, {1, 3}, 2}, {2, {2}, 2}};

Batch whole_batch(const ModelSpec& spec) {
  Batch batch = random_batch(spec, kWindows, 11);
  batch.first_window = kFirstWindow;
  return batch;
}

// Embedding and heads of one rank, and what a step leaves there.
class Ends {
 public:
  Ends(const ModelSpec& spec, const Sharding& its_sharding, Channel* world)
      : sharding(its_sharding),
        params(param_specs(spec), param_layouts(spec, sharding), sharding.rank()),
        moves_(sharding, world, arena_),
        replica_(world == nullptr ? nullptr : world->split(sharding.replica())),
        alike_(world == nullptr || sharding.cuts().channels == 1
                   ? nullptr
                   : axis_channel(*world, sharding.mesh(), "channels")),
        build_{spec, sharding, params, *backend_, arena_, moves_},
        embed(build_),
        head(build_, replica_.get(), alike_.get()) {
    moves_.take_workspace();
    test::fill_params(params, [&](const ParamSpec& of) {
      const Random random(5, "ends/" + of.name);
      return [=](std::int64_t i) { return 0.3 * random.normal(static_cast<std::uint64_t>(i)); };
    });
    const auto size = sharding.local(sharding.home(), spec.channels).elements();
    x.resize(static_cast<size_t>(size));
    dx.resize(x.size());
  }

  TermSums step(const Batch& batch, double normaliser) {
    embed.forward(batch, x.data());
    const TermSums sums =
        head.score_and_differentiate(batch, kTermWeights, normaliser, x.data(), dx.data());
    embed.backward(dx.data());
    return sums;
  }

  const Sharding sharding;
  Params<double> params;
  std::vector<double> x, dx;

 private:
  std::unique_ptr<Backend<double>> backend_ = make_cpu_backend<double>(1);
  Arena<double> arena_;
  Moves<double> moves_;
  std::unique_ptr<Channel> replica_, alike_;
  const Build<double> build_;

 public:
  Embed<double> embed;
  Head<double> head;
};

struct Whole {
  explicit Whole(const ModelSpec& its_spec)
      : spec(its_spec), batch(whole_batch(spec)), ends(spec, Sharding(spec, kWindows), nullptr) {
    for (const Target& target : batch.target) scored += target.scored;
    sums = ends.step(batch, static_cast<double>(scored));
  }
  // The elements of a whole [nodes, C] that a rank holds at home.
  std::vector<double> part(const std::vector<double>& all, const Sharding& sharding) const {
    const Shape shape = sharding.nodes(spec.channels).shape;
    const Box box = sharding.box(sharding.home(), spec.channels);
    std::vector<double> result(static_cast<size_t>(elements(box)));
    copy_box(all.data(), shape, box, result.data(), extent(box), Index(shape.size(), 0));
    return result;
  }
  const ModelSpec spec;
  Batch batch;
  Ends ends;
  std::int64_t scored = 0;
  TermSums sums;
};

void check_sums(Channel& world, const TermSums& mine, const TermSums& all) {
  for (size_t i = 0; i < kTerms; ++i) {
    std::array<std::int64_t, 3> counts = {mine.targets[i], mine.hits[i], mine.scored};
    std::array<double, 1> nats = {mine.nats[i]};
    world.sum(std::span<std::int64_t>(counts));
    world.sum(std::span<double>(nats));
    EXPECT_EQ(counts, (std::array<std::int64_t, 3>{all.targets[i], all.hits[i], all.scored}));
    // At most 210 tokens with 3 positive terms each, added in another order: 630 roundings.
    EXPECT_NEAR(nats[0], all.nats[i], 630 * 1.2e-16 * all.nats[i]) << term_name(Term(i));
  }
}

// A weight's gradient is a sum over at most 210 rows whose partial sums stay below 1: taken in
// parts it may differ by 210 roundings of 1. Measured: 3.4e-16.
constexpr double kGradient = 210 * 1.2e-16;

void check_gradients(Channel& world, const Params<double>& params, const Params<double>& expected) {
  std::vector<double> sum = test::whole_gradients(params);
  world.sum(std::span<double>(sum));
  size_t next = 0;
  for (const Param<double>& all : expected.all()) {
    double largest = 0;
    for (std::int64_t i = 0; i < all.size; ++i)
      largest = std::max(largest, std::abs(sum[next++] - all.grad[i]));
    EXPECT_LT(largest, kGradient) << all.spec.name;
  }
  EXPECT_EQ(next, sum.size());
}

// Where ranks have parts of the classes, dx is a sum over ranks, of at most 268 * 3 products in all:
// so many roundings of the largest element.
void check_dx(const std::vector<double>& mine, const std::vector<double>& all, bool sums) {
  if (!sums) {
    EXPECT_EQ(mine, all);
    return;
  }
  ASSERT_EQ(mine.size(), all.size());
  double largest = 0, difference = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    largest = std::max(largest, std::abs(all[i]));
    difference = std::max(difference, std::abs(mine[i] - all[i]));
  }
  EXPECT_LT(difference, 804 * 1.2e-16 * largest);
}

void check_step(const Whole& whole, const Cuts& cuts) {
  run_local_ranks(mesh_of(cuts).ranks(), [&](Channel& world) {
    const Sharding sharding(whole.spec, kWindows, cuts, world.rank());
    SCOPED_TRACE(text(cuts_text(cuts), " rank ", world.rank()));
    Ends ends(whole.spec, sharding, &world);
    const Range windows = windows_of(sharding);
    const TermSums sums =
        ends.step(part_of(whole.batch, windows), static_cast<double>(whole.scored));
    EXPECT_EQ(ends.x, whole.part(whole.ends.x, sharding));
    check_dx(ends.dx, whole.part(whole.ends.dx, sharding), cuts.channels > 1);
    check_sums(world, sums, whole.sums);
    check_gradients(world, ends.params, whole.ends.params);
  });
}

TEST(EndsShard, AnyCutGivesTheStepOfOneRank) {
  for (const MapKind map : {MapKind::joint, MapKind::dense})  // channels inside, batch inside
    for (const std::int64_t width : {0, 9}) {
      const Whole whole(every_modality(map, width));
      SCOPED_TRACE(text("width ", width, map == MapKind::joint ? " joint" : " dense"));
      for (const Cuts& cuts : kCuts) check_step(whole, cuts);
      for (const Cuts& cuts : kChannelCuts) check_step(whole, cuts);
    }
}

// A batch in which every row is asked by every head takes the heads' short way, on all ranks or on
// some of them alone.
TEST(EndsShard, WhereEveryRowIsAsked) {
  ModelSpec spec = every_modality(MapKind::joint);
  spec.modalities = {Modality::text};
  Whole whole(spec);
  for (size_t i = 0; i < whole.batch.target.size(); ++i) {
    Target& target = whole.batch.target[i];
    target = {1, 1, {static_cast<std::int32_t>(i % 7), 0, 0}};
    if (i == 0) target.scored = 0;
  }
  whole.scored = static_cast<std::int64_t>(whole.batch.target.size()) - 1;
  whole.ends.params.zero_grads();
  whole.sums = whole.ends.step(whole.batch, static_cast<double>(whole.scored));
  for (const Cuts& cuts : kCuts) check_step(whole, cuts);
  for (const Cuts& cuts : kChannelCuts) check_step(whole, cuts);
}

// Rows of the replica's batch as a generator may ask for them: in no order, some twice.
std::vector<std::int32_t> asked_rows(const Batch& batch) {
  const auto count = static_cast<std::int64_t>(batch.input.size());
  std::vector<std::int32_t> rows;
  for (std::int64_t i = 0; i < count + 3; ++i)
    rows.push_back(static_cast<std::int32_t>((i * 11 + 4) % count));
  return rows;
}

std::vector<double> logits_at(Ends& ends, const std::string& name,
                              const std::vector<std::int32_t>& rows,
                              const std::vector<std::int64_t>& global_rows) {
  std::vector<std::vector<std::int32_t>> given(name == "green" ? 1 : name == "blue" ? 2 : 0);
  for (size_t g = 0; g < given.size(); ++g)  // a function of the token, whoever asks
    for (const std::int64_t row : global_rows)
      given[g].push_back(static_cast<std::int32_t>((row + 3 * static_cast<std::int64_t>(g)) % 256));
  std::vector<double> logits(rows.size() * static_cast<size_t>(ends.head.classes(name)));
  ends.head.logits(name, rows, given, logits.data());
  return logits;
}

void check_logits(Whole& whole, const Cuts& cuts) {
  const std::vector<std::string> names = {"modality", "text", "red", "green", "blue", "audio"};
  const auto ranks = static_cast<size_t>(mesh_of(cuts).ranks());
  std::vector<std::vector<std::int64_t>> asked(ranks);          // by rank: rows of the whole batch
  std::vector<std::vector<std::vector<double>>> logits(ranks);  // by rank and head
  run_local_ranks(static_cast<int>(ranks), [&](Channel& world) {
    const auto rank = static_cast<size_t>(world.rank());
    const Sharding sharding(whole.spec, kWindows, cuts, world.rank());
    const Range windows = windows_of(sharding);
    const Batch batch = part_of(whole.batch, windows);
    Ends ends(whole.spec, sharding, &world);
    ends.embed.forward(batch, ends.x.data());
    ends.head.forward_rows(ends.x.data());
    const auto rows = asked_rows(batch);
    for (const std::int32_t row : rows)
      asked[rank].push_back(row / batch.windows * kWindows + windows.lo + row % batch.windows);
    for (const std::string& name : names)
      logits[rank].push_back(logits_at(ends, name, rows, asked[rank]));
  });
  for (size_t rank = 0; rank < ranks; ++rank)
    for (size_t h = 0; h < names.size(); ++h) {
      const std::vector<std::int32_t> rows(asked[rank].begin(), asked[rank].end());
      EXPECT_EQ(logits[rank][h], logits_at(whole.ends, names[h], rows, asked[rank]))
          << names[h] << ' ' << cuts_text(cuts) << " rank " << rank;
    }
}

TEST(EndsShard, EveryRankGetsTheLogitsOfOne) {
  for (const MapKind map : {MapKind::joint, MapKind::dense}) {
    Whole whole(every_modality(map, map == MapKind::joint ? 9 : 0));
    whole.ends.head.forward_rows(whole.ends.x.data());
    for (const Cuts& cuts : kCuts) check_logits(whole, cuts);
    for (const Cuts& cuts : kChannelCuts) check_logits(whole, cuts);
  }
}

// What one rank cannot read is named by its global place, on the rank that holds it.
TEST(EndsShard, ErrorsNameTheTokenAndTheWindow) {
  const ModelSpec spec = every_modality(MapKind::joint);
  const auto refusal = [&](const Batch& batch) {
    return message_of(
        [&] {
          run_local_ranks(4, [&](Channel& world) {
            const Cuts cuts = {1, {2, 2}, 1};
            Ends(spec, Sharding(spec, kWindows, cuts, world.rank()), &world).step(batch, 1);
          });
        },
        ErrorKind::usage);
  };
  Batch batch = whole_batch(spec);
  batch.input[37 * kWindows + 3] = {1, {7, 0, 0}, {}, 0};
  expect_in("token 37 of window 103 asks row 7 of embed.text.symbol, which has 7", refusal(batch));
  batch = whole_batch(spec);
  batch.target[29 * kWindows + 4] = {1, 3, {256, 0, 0}};
  expect_in("token 29 of window 104 must predict symbol 256 of head audio, which has 256",
            refusal(batch));
}

// The layouts of a mesh that a map may run in: home, those that leave an axis whole, and the one
// where every mesh axis cuts the batch, perhaps into parts of no window.
std::vector<Layout> layouts_of(const Sharding& sharding, std::int64_t channels) {
  const NodeShape nodes = sharding.nodes(channels);
  std::vector<Layout> layouts = {sharding.home()};
  for (int axis = 0; axis < nodes.token_axes(); ++axis)
    for (const bool with_batch : {false, true})
      layouts.push_back(lines_layout(nodes, sharding.home(), axis, with_batch));
  const std::vector<int> batch(sharding.mesh().axes().size(), nodes.batch_axis());
  layouts.push_back(Layout(sharding.mesh(), batch));
  return layouts;
}

// Whatever part of the nodes a rank holds, in whatever layout: the draws are those of one rank.
TEST(DropoutShard, AnyLayoutDrawsWhatOneRankDraws) {
  constexpr std::int64_t kChannels = 70;  // more than the lanes of a vector
  const auto backend = make_cpu_backend<float>(1);
  const Random random(7, "dropout", 3, 1);
  for (const MapKind map : {MapKind::joint, MapKind::dense}) {
    const ModelSpec spec = every_modality(map);
    const Sharding one(spec, kWindows);
    const Shape shape = one.nodes(kChannels).shape;
    std::vector<float> all(static_cast<size_t>(elements(shape)), 1);
    backend->dropout(one.local(one.home(), kChannels), one.rows(one.home()),
                     {0.4, random, kFirstWindow}, all.data());
    for (const Cuts& cuts : kCuts)
      for (int rank = 0; rank < mesh_of(cuts).ranks(); ++rank) {
        const Sharding sharding(spec, kWindows, cuts, rank);
        const Range windows = windows_of(sharding);
        for (const Layout& layout : layouts_of(sharding, kChannels)) {
          const Box box = sharding.box(layout, kChannels);
          std::vector<float> part(static_cast<size_t>(elements(box)), 1), expected(part.size());
          const auto channel_axis = static_cast<size_t>(one.nodes(kChannels).channel_axis());
          backend->dropout(sharding.local(layout, kChannels), sharding.rows(layout),
                           {0.4, random, kFirstWindow + windows.lo, box.lo[channel_axis]},
                           part.data());
          copy_box(all.data(), shape, box, expected.data(), extent(box), Index(shape.size(), 0));
          ASSERT_EQ(part, expected) << cuts_text(cuts) << " rank " << rank << ": "
                                    << layout_text(one.nodes(kChannels), layout);
        }
      }
  }
}

}  // namespace
}  // namespace ortho
