#include "dataio/text_records.h"

#include <gtest/gtest.h>

#include "tests/support/errors.h"
#include "tests/support/hostile.h"

namespace ortho {
namespace {

using Texts = std::vector<std::u32string>;

Texts pieces(std::u32string_view symbols, const std::vector<Range>& ranges) {
  Texts out;
  for (const Range& range : ranges)
    out.emplace_back(
        symbols.substr(static_cast<std::size_t>(range.lo), static_cast<std::size_t>(range.size())));
  return out;
}

Texts records(std::u32string_view symbols, TextRecords rule) {
  return pieces(symbols, text_ranges(symbols, rule));
}

TEST(TextRecords, FileLineAndSeparator) {
  EXPECT_EQ(records(U"a\nb\n", TextRecords::file), Texts{U"a\nb\n"});
  EXPECT_EQ(records(U"", TextRecords::file), Texts{});
  EXPECT_EQ(records(U"a\n\nbc\r\nd", TextRecords::line), (Texts{U"a", U"bc", U"d"}));
  EXPECT_EQ(records(U"a\nb\n%\nc %\n\nd\n%\n", TextRecords::percent),
            (Texts{U"a\nb", U"c %\n\nd"}));
  EXPECT_EQ(records(U"%\n%\r\n\n%\nx", TextRecords::percent), Texts{U"x"});
}

TEST(TextRecords, CutsLoseNothing) {
  const std::u32string_view symbols = U"abcdefghij";
  const std::vector<Range> ranges = {{0, 4}, {4, 10}};
  EXPECT_EQ(pieces(symbols, cut_at(ranges, 7)), (Texts{U"abcd", U"efg", U"hij"}));
  EXPECT_EQ(pieces(symbols, cut_at(ranges, 4)), (Texts{U"abcd", U"efghij"}));
  EXPECT_EQ(pieces(symbols, cut_longer(ranges, 4)), (Texts{U"abcd", U"efgh", U"ij"}));
}

TEST(TextRecords, NamesAreKnownOrRefused) {
  EXPECT_EQ(text_records_from_name("percent"), TextRecords::percent);
  message_of([] { text_records_from_name("lines"); }, ErrorKind::usage);
}

}  // namespace
}  // namespace ortho
