// Text records: where the records of one text file begin and end. Pure functions of its symbols.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tensor/box.h"

namespace ortho {

enum class TextRecords {
  file,       // the whole file is one record
  line,       // a line each, without its end; empty lines are none
  separator,  // lines that are a single '%' stand between records; those end before their last
              // line's end
};

TextRecords text_records_from_name(
    const std::string& name);  // Error(usage) listing the known names

std::vector<Range> text_ranges(std::u32string_view symbols, TextRecords rule);

// Cuts the range that has `at` inside it in two, so that none crosses it.
std::vector<Range> cut_at(const std::vector<Range>& ranges, std::int64_t at);

// Cuts ranges longer than `most` into pieces of `most` and a rest.
std::vector<Range> cut_longer(const std::vector<Range>& ranges, std::int64_t most);

}  // namespace ortho
