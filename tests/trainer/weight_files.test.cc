#include "trainer/weight_files.h"

#include "dataio/npy.h"
#include "tests/support/errors.h"
#include "tests/support/run_kit.h"

namespace ortho {
namespace {

class WeightFiles : public testing::Test {
 protected:
  static RunState drawn(const ModelSpec& spec, std::uint64_t seed) {
    RunState state(spec);
    state.params.initialise(seed);
    state.vocabulary = Vocabulary(std::vector<std::uint32_t>{10, 97, 98});
    return state;
  }
  static ModelSpec spec() {
    ModelSpec spec;
    spec.tokens = {3, 2};
    spec.channels = spec.hidden = 4;
    spec.blocks = 2;
    spec.map = MapKind::dense;
    spec.weights = Weights::separate;
    spec.wiring = Wiring::grid;
    spec.text_symbols = 3;
    return spec;
  }
  std::string why(RunState& state) const {
    return message_of([&] { import_weights(folder_ / "out", state); }, ErrorKind::usage);
  }
  TempFolder folder_;
};

TEST_F(WeightFiles, ComeBackToTheBit) {
  const RunState all = drawn(spec(), 3);
  const std::string line = export_weights(all, folder_ / "out", WeightFormat::npy);
  EXPECT_NE(line.find("6 maps as axis_i.npy"), std::string::npos) << line;
  RunState back = drawn(spec(), 4);
  import_weights(folder_ / "out", back);
  for (size_t i = 0; i < all.params.all().size(); ++i) {
    const Param<float>&a = all.params.all()[i], &b = back.params.all()[i];
    EXPECT_EQ(std::memcmp(a.value, b.value, static_cast<size_t>(a.size) * sizeof(float)), 0)
        << a.spec.name;
  }
}

TEST_F(WeightFiles, EachRankReadsItsPart) {
  const RunState all = drawn(spec(), 3);
  export_weights(all, folder_ / "out", WeightFormat::npy);
  const Cuts cuts{1, {3, 1}, 1};
  for (int rank = 0; rank < 3; ++rank) {
    RunState part(spec(), Sharding(spec(), 2, cuts, rank));
    import_weights(folder_ / "out", part);
    for (size_t i = 0; i < all.params.all().size(); ++i) {
      const Param<float>&whole_one = all.params.all()[i], &held = part.params.all()[i];
      const float* next = held.value;
      for_each_run(whole_one.spec.shape(), held.box, [&](std::int64_t first, std::int64_t count) {
        EXPECT_EQ(std::memcmp(whole_one.value + first, next, static_cast<size_t>(count) * 4), 0)
            << held.spec.name;
        next += count;
      });
    }
  }
}

TEST_F(WeightFiles, PaperNamesCountFromTheOutermostAxis) {
  export_weights(drawn(spec(), 3), folder_ / "out", WeightFormat::npy);
  // A gate doubles the channels: the layer works on 8.
  const std::string block = folder_ / "out/paper/block.1/axis_";
  EXPECT_EQ(NpyReader(block + "0.npy").shape(), (Shape{3, 2, 8, 3}));
  EXPECT_EQ(NpyReader(block + "1.npy").shape(), (Shape{3, 2, 8, 2}));
  EXPECT_EQ(NpyReader(block + "2.npy").shape(), (Shape{3, 2, 8, 8}));
}

TEST_F(WeightFiles, RefusesWhatIsOfAnotherModel) {
  const RunState all = drawn(spec(), 3);
  RunState back = drawn(spec(), 4);
  EXPECT_NE(why(back).find("does not exist"), std::string::npos);
  make_folder(folder_ / "out");
  EXPECT_NE(why(back).find("holds no .npy"), std::string::npos);
  export_weights(all, folder_ / "out", WeightFormat::npy);
  back.vocabulary = Vocabulary(std::vector<std::uint32_t>{10, 98, 97});
  EXPECT_NE(why(back).find("other symbols"), std::string::npos);
  const float value = 1;
  write_npy(folder_ / "out/head.text.npy", {1}, &value);
  EXPECT_NE(why(back).find("head.text.npy is [1], the model's weight is [4, 3]"), std::string::npos)
      << why(back);
  std::filesystem::rename(folder_ / "out/head.text.npy", folder_ / "out/head.words.npy");
  EXPECT_NE(why(back).find("head.words.npy: the first stage's model has no such weight"),
            std::string::npos);
}

TEST_F(WeightFiles, ARunStartsFromThem) {
  RunKit kit;
  RunConfig first = kit.config("first");
  first.stages.resize(1);
  ASSERT_TRUE(run(first));
  const auto trained = newest_state(first);
  ASSERT_TRUE(trained);
  export_weights(*trained, folder_ / "out", WeightFormat::npy);
  RunConfig next = kit.config("next");
  next.stages.resize(1);
  next.start = folder_ / "out";
  ASSERT_TRUE(run(next));
  EXPECT_LT(step_losses(next)[0], step_losses(first)[0]);
  // What it says about itself can be read again.
  EXPECT_EQ(parse_config(parse_yaml(config_text(next), "text")), next);
}

}  // namespace
}  // namespace ortho
