// Reading a config tree into fields, collecting every mistake before anything is thrown.
#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include "core/error.h"
#include "core/fields.h"

namespace ortho {
namespace {

using Kind = ConfigNode::Kind;

template <class Number>
std::optional<Number> parse_number(const ConfigNode& node) {
  if (node.kind != Kind::scalar || node.quoted) return std::nullopt;
  const char* begin = node.value.data();
  const char* end = begin + node.value.size();
  if (begin != end && *begin == '+') ++begin;
  Number number{};
  const auto [stop, error] = std::from_chars(begin, end, number);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return number;
}

std::string shown(const ConfigNode& node) {
  if (node.kind != Kind::scalar) return kind_name(node.kind);
  return node.is_null() ? "empty" : text('\'', node.value, '\'');
}

std::vector<std::string> names_of(const Fields& fields) {
  std::vector<std::string> names;
  for (const auto& field : fields.all()) names.push_back(field.name);
  return names;
}

class Reader {
 public:
  void read(const Fields& fields, const ConfigNode& node, const std::string& path);
  void finish() const;

 private:
  void problem(const std::string& place, const std::string& message) {
    problems_.push_back(text(place, ": ", message));
  }
  void bad(const ConfigNode& node, const std::string& name, const Field& field,
           const std::string& wanted) {
    problem(node.place(), text(name, " is ", shown(node), ", but must be ", wanted,
                               field.unit.empty() ? "" : ", in ", field.unit));
  }
  void check_keys(const Fields& fields, const ConfigNode& node, const std::string& path);

  template <class Number>
  bool number(const Field& field, const Limits& limits, const ConfigNode& node,
              const std::string& name, Number& result);
  const std::vector<ConfigNode>* list(const Field& field, const ConfigNode& node,
                                      const std::string& name, const char* example);

  // One for each kind of field.
  void value(const Field&, const FlagValue&, const ConfigNode&, const std::string& name);
  void value(const Field&, const IntegerValue&, const ConfigNode&, const std::string& name);
  void value(const Field&, const RealValue&, const ConfigNode&, const std::string& name);
  void value(const Field&, const WordValue&, const ConfigNode&, const std::string& name);
  void value(const Field&, const IntegersValue&, const ConfigNode&, const std::string& name);
  void value(const Field&, const WordsValue&, const ConfigNode&, const std::string& name);
  void value(const Field&, const ChoiceValue&, const ConfigNode&, const std::string& name);
  void value(const Field&, const GroupValue&, const ConfigNode&, const std::string& name);
  void value(const Field&, const GroupsValue&, const ConfigNode&, const std::string& name);

  std::vector<std::string> problems_;
};

void Reader::check_keys(const Fields& fields, const ConfigNode& node, const std::string& path) {
  const auto known = names_of(fields);
  std::set<std::string> seen;
  for (const auto& entry : node.entries) {
    const std::string place = entry.line > 0 ? text(node.file, ':', entry.line) : entry.value.file;
    if (std::find(known.begin(), known.end(), entry.key) == known.end()) {
      const std::string near = nearest(entry.key, known);
      problem(place, text("unknown field ", path, entry.key,
                          near.empty() ? text("; known here: ", list_text(known))
                                       : text("; did you mean ", near, '?')));
    } else if (!seen.insert(entry.key).second) {
      problem(place, text("field ", path, entry.key, " is given twice"));
    }
  }
}

void Reader::read(const Fields& fields, const ConfigNode& node, const std::string& path) {
  if (node.kind != Kind::map && !node.is_null()) {
    const std::string what = path.empty() ? "the file" : path.substr(0, path.size() - 1);
    problem(node.place(), text(what, " is ", shown(node),
                               ", but must be a group of fields: ", list_text(names_of(fields))));
    return;
  }
  check_keys(fields, node, path);
  for (const auto& field : fields.all()) {
    const ConfigNode* given = node.find(field.name);
    if (given == nullptr) continue;
    const std::string name = path + field.name;
    std::visit([&](const auto& target) { value(field, target, *given, name); }, field.value);
  }
}

void Reader::value(const Field& field, const FlagValue& target, const ConfigNode& node,
                   const std::string& name) {
  const bool word = node.kind == Kind::scalar && !node.quoted;
  if (word && (node.value == "true" || node.value == "on"))
    *target.value = true;
  else if (word && (node.value == "false" || node.value == "off"))
    *target.value = false;
  else
    bad(node, name, field, "true or false");
}

template <class Number>
bool Reader::number(const Field& field, const Limits& limits, const ConfigNode& node,
                    const std::string& name, Number& result) {
  const auto parsed = parse_number<Number>(node);
  if (parsed && limits.allow(static_cast<double>(*parsed))) {
    result = *parsed;
    return true;
  }
  const char* kind = std::is_integral_v<Number> ? "a whole number x with " : "a number x with ";
  bad(node, name, field, kind + limits.text());
  return false;
}

void Reader::value(const Field& field, const IntegerValue& target, const ConfigNode& node,
                   const std::string& name) {
  number(field, target.limits, node, name, *target.value);
}

void Reader::value(const Field& field, const RealValue& target, const ConfigNode& node,
                   const std::string& name) {
  number(field, target.limits, node, name, *target.value);
}

void Reader::value(const Field& field, const WordValue& target, const ConfigNode& node,
                   const std::string& name) {
  if (node.kind == Kind::scalar && !node.is_null())
    *target.value = node.value;
  else
    bad(node, name, field, "a word");
}

const std::vector<ConfigNode>* Reader::list(const Field& field, const ConfigNode& node,
                                            const std::string& name, const char* example) {
  if (node.kind == Kind::list) return &node.items;
  bad(node, name, field, text("a list, such as ", example));
  return nullptr;
}

void Reader::value(const Field& field, const IntegersValue& target, const ConfigNode& node,
                   const std::string& name) {
  const auto* items = list(field, node, name, "[4, 4]");
  if (items == nullptr) return;
  std::vector<std::int64_t> values(items->size());
  bool good = true;
  for (size_t i = 0; i < values.size(); ++i)
    good &= number(field, target.limits, (*items)[i], text(name, '.', i), values[i]);
  if (good) *target.value = values;
}

void Reader::value(const Field& field, const WordsValue& target, const ConfigNode& node,
                   const std::string& name) {
  if (node.kind == Kind::scalar && !node.is_null()) {
    *target.value = {node.value};
    return;
  }
  const auto* items = list(field, node, name, "[one, two]");
  if (items == nullptr) return;
  std::vector<std::string> values;
  for (const auto& item : *items) {
    if (item.kind == Kind::scalar && !item.is_null())
      values.push_back(item.value);
    else
      bad(item, text(name, '.', &item - items->data()), field, "a word");
  }
  if (values.size() == items->size()) *target.value = values;
}

void Reader::value(const Field& field, const ChoiceValue& target, const ConfigNode& node,
                   const std::string& name) {
  const std::vector<ConfigNode> single{node};
  const std::vector<ConfigNode>* items = &single;
  if (target.many) items = list(field, node, name, text('[', target.names[0], ']').c_str());
  if (items == nullptr) return;
  std::vector<size_t> positions;
  for (const auto& item : *items) {
    const auto at = std::find(target.names.begin(), target.names.end(), item.value);
    if (item.kind != Kind::scalar || at == target.names.end()) {
      const std::string near = nearest(item.value, target.names);
      bad(item, name, field,
          text("one of ", list_text(target.names),
               near.empty() ? "" : text("; did you mean ", near, '?')));
    } else {
      positions.push_back(static_cast<size_t>(at - target.names.begin()));
    }
  }
  if (positions.size() == items->size()) target.set(positions);
}

void Reader::value(const Field&, const GroupValue& target, const ConfigNode& node,
                   const std::string& name) {
  if (target.clear) target.clear();
  const bool nothing = node.kind == Kind::scalar && !target.nothing.empty();
  if (nothing && node.value == target.nothing) return;
  read(target.inner, node, name + '.');
}

void Reader::value(const Field& field, const GroupsValue& target, const ConfigNode& node,
                   const std::string& name) {
  const auto* items = list(field, node, name, "[{…}, {…}]");
  if (items == nullptr) return;
  target.clear();
  for (size_t i = 0; i < items->size(); ++i)
    read(target.append(), (*items)[i], text(name, '.', i, '.'));
}

void Reader::finish() const {
  std::string all;
  for (const auto& problem : problems_) all += text(problems_.size() > 1 ? "\n  " : "", problem);
  REQUIRE(problems_.empty(), problems_.size() > 1 ? text(problems_.size(), " mistakes:") : "", all);
}

}  // namespace

void read_fields(const Fields& fields, const ConfigNode& node) {
  Reader reader;
  reader.read(fields, node, "");
  reader.finish();
}

}  // namespace ortho
