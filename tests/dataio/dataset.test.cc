#include "dataio/dataset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "tests/support/errors.h"
#include "tests/support/hostile.h"
#include "tests/support/make_data.h"
#include "tests/support/temp_folder.h"

namespace ortho {
namespace {

std::string letters(std::size_t count, char first) {
  std::string out(count, first);
  for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<char>(first + i % 13);
  return out;
}

// Text of more than one block, records that share blocks, two splits, over two shards.
class DatasetTest : public ::testing::Test {
 protected:
  DatasetTest() {
    write_shard(folder_ / "a.h5",
                {{{text_of(letters(200'000, 'a'))}, "long", Split::train},
                 {{text_of("xyz")}, "held", Split::valid},
                 {{picture_of(0, 4, 5), text_of("nno\u20ac")}, "pair", Split::train}});
    write_shard(folder_ / "b.h5", {{{text_of("second shard")}, "b", Split::train},
                                   {{sound_of(3, 7)}, "sound", Split::train}});
    paths_ = {folder_ / "a.h5", folder_ / "b.h5"};
  }

  TempFolder folder_;
  std::vector<std::string> paths_;
};

TEST_F(DatasetTest, RecordsOfOneSplitOverAllShards) {
  const Dataset data(paths_, Split::train);
  ASSERT_EQ(data.records(), 4);
  EXPECT_EQ(data.source(0), "long");
  EXPECT_EQ(data.source(3), "sound");
  EXPECT_EQ(data.blocks_of(0), 4);  // 200,000 bytes in blocks of 65,536
  EXPECT_EQ(data.items(1).size(), 2u);
  EXPECT_EQ(data.items(1)[0].tokens, 20);
  EXPECT_EQ(data.items(3)[0].modality, Modality::audio);
  const Dataset held(paths_, Split::valid);
  EXPECT_EQ(held.records(), 1);
  EXPECT_EQ(held.source(0), "held");
  EXPECT_EQ(Dataset(paths_, Split::test).records(), 0);
}

TEST_F(DatasetTest, AnySliceIsReadWithAnyCache) {
  const std::vector<std::uint32_t> symbols = symbols_in_use(paths_);
  EXPECT_TRUE(std::is_sorted(symbols.begin(), symbols.end()));
  const Vocabulary vocabulary(symbols);
  for (const std::uint64_t cache : {std::uint64_t{1}, std::uint64_t{1} << 30}) {
    const Dataset data(paths_, Split::train, cache);
    std::vector<Token> tokens;
    data.read(0, {70'000, 70'005}, {vocabulary}, tokens);
    EXPECT_EQ(text_from(tokens, vocabulary), letters(200'000, 'a').substr(70'000, 5));
    tokens.clear();
    data.read(2, {7, 12}, {vocabulary}, tokens);
    EXPECT_EQ(text_from(tokens, vocabulary), "shard");
    tokens.clear();
    data.read(1, {18, 22}, {vocabulary}, tokens);  // over the edge of two parts
    EXPECT_EQ(tokens[1].symbol[0], 19);
    EXPECT_EQ(tokens[2].item, 1);
    EXPECT_EQ(tokens[2].place[0], 0);
    EXPECT_EQ(vocabulary.code_point(tokens[3].symbol[0]), std::uint32_t{'n'});
  }
}

TEST_F(DatasetTest, WholeRecordsComeBackRaw) {
  const Dataset data(paths_, Split::train);
  const Record record = data.record(1);
  EXPECT_EQ(record.source, "pair");
  EXPECT_EQ(record.parts[0].bytes, picture_of(0, 4, 5).bytes);
  EXPECT_EQ(record.parts[1].bytes, text_of("nno\u20ac").bytes);
  EXPECT_EQ(record.parts[1].dtype, DType::u16);
}

TEST_F(DatasetTest, SymbolsOutsideTheVocabularyNameTheSource) {
  const Dataset data(paths_, Split::train);
  const Vocabulary small(std::vector<std::uint32_t>{'s', 'e', 'c', 'o', 'n', 'd'});
  std::vector<Token> tokens;
  const std::string message = message_of(
      [&] {
        data.read(2, {0, 12}, {small}, tokens);
      },
      ErrorKind::data);
  EXPECT_NE(message.find("b: U+20 at position 6"), std::string::npos) << message;
}

TEST_F(DatasetTest, PathsThatAreNoDataAreNamed) {
  const std::string message =
      message_of([&] { Dataset({folder_.path()}, Split::train); }, ErrorKind::usage);
  EXPECT_NE(message.find(folder_.path()), std::string::npos);
  EXPECT_THROW(Dataset({folder_ / "absent.h5"}, Split::train), Error);
  message_of([] { Dataset({}, Split::train); }, ErrorKind::usage);
}

}  // namespace
}  // namespace ortho
