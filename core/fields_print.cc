// Printing fields: as YAML that reads back to the same values, and as help.
#include <cctype>
#include <type_traits>

#include "core/error.h"
#include "core/fields.h"
#include "core/json.h"

namespace ortho {
namespace {

// Quoted unless it cannot be taken for anything but a word.
std::string word_text(const std::string& word) {
  const bool starts = !word.empty() && (std::isalpha(static_cast<unsigned char>(word[0])) != 0 ||
                                        word[0] == '/' || word[0] == '_');
  bool plain = starts;
  for (const char c : word)
    plain &= std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '/' || c == '.' ||
             c == '-';
  for (const char* other : {"true", "false", "null", "on", "off", "yes", "no"})
    plain &= word != other;
  return plain ? word : json_string(word);
}

template <class Values, class Text>
std::string flow_list(const Values& values, Text one) {
  std::vector<std::string> texts;
  for (const auto& value : values) texts.push_back(one(value));
  return list_text(texts);
}

std::string choice_text(const ChoiceValue& choice) {
  const auto name = [&](size_t i) { return choice.names[i]; };
  return choice.many ? flow_list(choice.get(), name) : name(choice.get().at(0));
}

// The value of a field that is no group, on one line.
std::string scalar_text(const Field& field) {
  return std::visit(
      [](const auto& target) -> std::string {
        using Target = std::decay_t<decltype(target)>;
        if constexpr (std::is_same_v<Target, FlagValue>)
          return *target.value ? "true" : "false";
        else if constexpr (std::is_same_v<Target, IntegerValue>)
          return text(*target.value);
        else if constexpr (std::is_same_v<Target, RealValue>)
          return number_text(*target.value);
        else if constexpr (std::is_same_v<Target, WordValue>)
          return word_text(*target.value);
        else if constexpr (std::is_same_v<Target, IntegersValue>)
          return list_text(*target.value);
        else if constexpr (std::is_same_v<Target, WordsValue>)
          return flow_list(*target.value, word_text);
        else if constexpr (std::is_same_v<Target, ChoiceValue>)
          return choice_text(target);
        else
          return "";
      },
      field.value);
}

void print(const Fields& fields, const std::string& indent, std::string first, std::string& out) {
  for (const auto& field : fields.all()) {
    out += text(first, field.name, ':');
    first = indent;
    if (const auto* group = std::get_if<GroupValue>(&field.value)) {
      out += '\n';
      print(group->inner, indent + "  ", indent + "  ", out);
    } else if (const auto* groups = std::get_if<GroupsValue>(&field.value)) {
      out += groups->size() == 0 ? " []\n" : "\n";
      for (size_t i = 0; i < groups->size(); ++i)
        print(groups->at(i), indent + "    ", indent + "  - ", out);
    } else {
      out += text(' ', scalar_text(field), '\n');
    }
  }
}

// "a number, 0 < x <= 10, in steps"
std::string kind_text(const Field& field) {
  std::string kind = std::visit(
      [](const auto& target) -> std::string {
        using Target = std::decay_t<decltype(target)>;
        if constexpr (std::is_same_v<Target, FlagValue>)
          return "true | false";
        else if constexpr (std::is_same_v<Target, IntegerValue>)
          return text("whole number, ", target.limits.text());
        else if constexpr (std::is_same_v<Target, RealValue>)
          return text("number, ", target.limits.text());
        else if constexpr (std::is_same_v<Target, IntegersValue>)
          return text("list of whole numbers, each ", target.limits.text());
        else if constexpr (std::is_same_v<Target, WordValue>)
          return "word";
        else if constexpr (std::is_same_v<Target, WordsValue>)
          return "list of words";
        else
          return "";
      },
      field.value);
  if (const auto* choice = std::get_if<ChoiceValue>(&field.value)) {
    if (choice->many) kind = "list of ";
    for (size_t i = 0; i < choice->names.size(); ++i)
      kind += text(i > 0 ? " | " : "", choice->names[i]);
  }
  return field.unit.empty() ? kind : text(kind, ", in ", field.unit);
}

void describe(const Fields& fields, const std::string& path, std::string& out) {
  for (const auto& field : fields.all()) {
    const std::string name = path + field.name;
    if (const auto* group = std::get_if<GroupValue>(&field.value)) {
      out += text(name, ": ", field.help, '\n');
      describe(group->inner, name + '.', out);
    } else if (const auto* groups = std::get_if<GroupsValue>(&field.value)) {
      out += text(name, ": ", field.help, '\n');
      describe(groups->append(), name + ".N.", out);
    } else {
      out += text("  ", name, " = ", scalar_text(field), "  (", kind_text(field), ")\n      ",
                  field.help, '\n');
    }
  }
}

}  // namespace

std::string print_fields(const Fields& fields) {
  std::string out;
  print(fields, "", "", out);
  return out;
}

std::string describe_fields(const Fields& fields) {
  std::string out;
  describe(fields, "", out);
  return out;
}

}  // namespace ortho
