#include "dataio/pack_list.h"

#include <filesystem>
#include <sstream>

#include "core/error.h"
#include "core/fields.h"
#include "core/file.h"
#include "core/json.h"

namespace ortho {
namespace {

namespace fs = std::filesystem;

constexpr Choice<Split> kSplitNames[] = {
    {"train", Split::train}, {"valid", Split::valid}, {"test", Split::test}};

struct ListedPart {
  std::string file, text;   // exactly one of them
  std::int64_t index = -1;  // of `file`; below 0: not given
};

struct ListedRecord {
  std::vector<ListedPart> parts;
  Split split = Split::train;
};

Fields fields(ListedPart& part) {
  Fields list;
  list.word("file", part.file, "path of a text, image or sound, from the list's folder");
  list.word("text", part.text, "the text itself");
  list.integer("index", part.index, {0, 1e15}, "images", "one image of an IDX file, from 0");
  return list;
}

Fields fields(ListedRecord& record) {
  auto& parts = record.parts;
  Fields list;
  list.groups(
      "parts", [&parts] { return parts.size(); }, [&parts](size_t i) { return fields(parts[i]); },
      [&parts] { return fields(parts.emplace_back()); }, [&parts] { parts.clear(); },
      "in their order");
  list.choice("split", record.split, kSplitNames, "where the record belongs");
  return list;
}

PackItem item_from(const ConfigNode& node, const fs::path& list) {
  ListedRecord record;
  read_fields(fields(record), node);
  REQUIRE(!record.parts.empty(), node.place(), ": the record has no parts");
  PackItem item;
  item.source = text(list.filename().string(), ':', node.line);
  if (node.find("split") != nullptr) item.split = record.split;
  for (const ListedPart& part : record.parts) {
    REQUIRE(part.file.empty() != part.text.empty(), node.place(), ": part ", item.parts.size() + 1,
            " needs one of \"file\" and \"text\", not empty");
    REQUIRE(part.index < 0 || !part.file.empty(), node.place(), ": part ", item.parts.size() + 1,
            " has an \"index\", which belongs to a \"file\"");
    if (part.file.empty())
      item.parts.push_back({PackPart::Kind::text, part.text, {}});
    else
      item.parts.push_back({PackPart::Kind::file, (list.parent_path() / part.file).string(), {}});
    if (part.index >= 0) item.parts.back().index = part.index;
  }
  return item;
}

}  // namespace

std::vector<PackItem> read_pack_list(const std::string& path) {
  std::vector<PackItem> items;
  std::istringstream lines(read_file(path));
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    items.push_back(item_from(parse_json(line, path, number), path));
  }
  REQUIRE(!items.empty(), path, " lists no record");
  return items;
}

}  // namespace ortho
