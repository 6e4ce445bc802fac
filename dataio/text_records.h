// Text records: where the records of one text file begin and end. Pure functions of its symbols.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tensor/box.h"

namespace ortho {

enum class TextRecords {
  file,     // the whole file is one record
  line,     // a line each, without its end; empty lines are none
  percent,  // lines of a single '%' stand between records, which end without a line's end
};

// Error(usage) listing the known names.
TextRecords text_records_from_name(const std::string& name);

std::vector<Range> text_ranges(std::u32string_view symbols, TextRecords rule);

// Cuts the range that has `at` inside it in two, so that none crosses it.
std::vector<Range> cut_at(const std::vector<Range>& ranges, std::int64_t at);

// Cuts ranges longer than `most` into pieces of `most` and a rest.
std::vector<Range> cut_longer(const std::vector<Range>& ranges, std::int64_t most);

}  // namespace ortho
