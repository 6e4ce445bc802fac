#include "dataio/text_records.h"

#include <algorithm>

#include "core/error.h"

namespace ortho {
namespace {

// The lines, each without its '\n' or "\r\n".
std::vector<Range> lines_of(std::u32string_view symbols) {
  std::vector<Range> lines;
  std::size_t start = 0;
  while (start < symbols.size()) {
    const std::size_t newline = std::min(symbols.find(U'\n', start), symbols.size());
    const bool carriage = newline > start && symbols[newline - 1] == U'\r';
    lines.push_back({static_cast<std::int64_t>(start),
                     static_cast<std::int64_t>(newline - (carriage ? 1 : 0))});
    start = newline + 1;
  }
  return lines;
}

bool is_separator(std::u32string_view symbols, const Range& line) {
  return line.size() == 1 && symbols[static_cast<std::size_t>(line.lo)] == U'%';
}

}  // namespace

TextRecords text_records_from_name(const std::string& name) {
  if (name == "file") return TextRecords::file;
  if (name == "line") return TextRecords::line;
  if (name == "percent") return TextRecords::percent;
  fail(ErrorKind::usage, text("unknown text records '", name, "'; known: file, line, percent"));
}

std::vector<Range> text_ranges(std::u32string_view symbols, TextRecords rule) {
  std::vector<Range> ranges;
  if (rule == TextRecords::file) {
    if (!symbols.empty()) ranges.push_back({0, static_cast<std::int64_t>(symbols.size())});
    return ranges;
  }
  bool open = false;  // percent: the last range still grows
  for (const Range& line : lines_of(symbols)) {
    if (rule == TextRecords::line) {
      if (line.size() > 0) ranges.push_back(line);
    } else if (is_separator(symbols, line)) {
      open = false;
    } else if (open) {
      ranges.back().hi = line.hi;
    } else {
      ranges.push_back(line);
      open = true;
    }
  }
  std::erase_if(ranges, [](const Range& range) { return range.size() == 0; });
  return ranges;
}

std::vector<Range> cut_at(const std::vector<Range>& ranges, std::int64_t at) {
  std::vector<Range> out;
  for (const Range& range : ranges) {
    if (range.lo < at && at < range.hi) {
      out.push_back({range.lo, at});
      out.push_back({at, range.hi});
    } else {
      out.push_back(range);
    }
  }
  return out;
}

std::vector<Range> cut_longer(const std::vector<Range>& ranges, std::int64_t most) {
  std::vector<Range> out;
  for (const Range& range : ranges)
    for (std::int64_t lo = range.lo; lo < range.hi; lo += most)
      out.push_back({lo, std::min(lo + most, range.hi)});
  return out;
}

}  // namespace ortho
