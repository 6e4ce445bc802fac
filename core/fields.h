// Fields: how a config struct lists itself, once; the list parses, validates, prints and documents.
//
// A struct has a function `Fields fields(Struct&)` that names every member with its limits, unit
// and help. The Fields point into that struct and live no longer than it. Reading reports every
// mistake of a file at once: unknown keys with the nearest known one, duplicates, bad values with
// limits and unit, each with file:line.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <variant>
#include <vector>

#include "core/config_node.h"

namespace ortho {

// What a number may be; the ends are allowed unless `open`.
struct Limits {
  double lo = -std::numeric_limits<double>::infinity();
  double hi = std::numeric_limits<double>::infinity();
  enum class Open { none, lo, hi, both } open = Open::none;

  bool allow(double x) const;
  std::string text() const;  // "0 < x <= 1"
};

constexpr double kNoLimit = 9e15;  // the largest count: exact in a double, and no limit to a reader

// Counts that are not negative, counts from 1, and shares.
constexpr Limits kFromZero{0, kNoLimit};
constexpr Limits kFromOne{1, kNoLimit};
constexpr Limits kShare{0, 1};

// A name for each value of an enum, in the order the help shows them.
template <class E>
struct Choice {
  const char* name;
  E value;
};

struct Field;

class Fields {
 public:
  Fields& flag(const std::string& name, bool& value, const std::string& help);
  Fields& integer(const std::string& name, std::int64_t& value, Limits limits,
                  const std::string& unit, const std::string& help);
  Fields& real(const std::string& name, double& value, Limits limits, const std::string& unit,
               const std::string& help);
  Fields& word(const std::string& name, std::string& value, const std::string& help);
  Fields& integers(const std::string& name, std::vector<std::int64_t>& value, Limits limits,
                   const std::string& unit, const std::string& help);
  // A single word stands for a list of one.
  Fields& words(const std::string& name, std::vector<std::string>& value, const std::string& help);

  template <class E, size_t n>
  Fields& choice(const std::string& name, E& value, const Choice<E> (&choices)[n],
                 const std::string& help);
  template <class E, size_t n>
  Fields& choices(const std::string& name, std::vector<E>& value, const Choice<E> (&choices)[n],
                  const std::string& help);

  // A nested struct. `clear`, if given, runs before a file's group is read: then naming the group
  // replaces it whole, and members the file leaves out are what `clear` makes them. `nothing`, if
  // given, is a word that may stand for the cleared group: `mesh: auto`.
  Fields& group(const std::string& name, Fields inner, const std::string& help,
                std::function<void()> clear = nullptr, const std::string& nothing = "");
  // A list of structs. `append` adds an element and lists it;
  // reading first empties the list by `clear`.
  Fields& groups(const std::string& name, std::function<size_t()> size,
                 std::function<Fields(size_t)> at, std::function<Fields()> append,
                 std::function<void()> clear, const std::string& help);
  Fields& include(Fields others);  // the members of another struct, as if they were this one's own

  const std::vector<Field>& all() const { return fields_; }

 private:
  Fields& add(Field field);
  std::vector<Field> fields_;
};

// What a Field points at. Choices are kept as names and as functions of the position among them.
struct FlagValue {
  bool* value;
};
struct IntegerValue {
  std::int64_t* value;
  Limits limits;
};
struct RealValue {
  double* value;
  Limits limits;
};
struct WordValue {
  std::string* value;
};
struct IntegersValue {
  std::vector<std::int64_t>* value;
  Limits limits;
};
struct WordsValue {
  std::vector<std::string>* value;
};
struct ChoiceValue {
  std::vector<std::string> names;
  bool many;  // a list of choices, else exactly one
  std::function<std::vector<size_t>()> get;
  std::function<void(const std::vector<size_t>&)> set;
};
struct GroupValue {
  Fields inner;
  std::function<void()> clear;
  std::string nothing;
};
struct GroupsValue {
  std::function<size_t()> size;
  std::function<Fields(size_t)> at;
  std::function<Fields()> append;
  std::function<void()> clear;
};

struct Field {
  std::string name, unit, help;
  std::variant<FlagValue, IntegerValue, RealValue, WordValue, IntegersValue, WordsValue,
               ChoiceValue, GroupValue, GroupsValue>
      value;
};

// Reads a map into the struct behind `fields`; what the map leaves out keeps its value. Members are
// read in the order of the list, not of the file. One Error(usage) names every mistake.
void read_fields(const Fields& fields, const ConfigNode& node);

// YAML that read_fields reads back to the same values
std::string print_fields(const Fields& fields);
// Help: a line a field with kind, limits, unit, value.
std::string describe_fields(const Fields& fields);

// --- templates ---

template <class E, size_t n>
ChoiceValue choice_value(const Choice<E> (&choices)[n], bool many,
                         std::function<std::vector<E>()> get,
                         std::function<void(const std::vector<E>&)> set) {
  ChoiceValue result{{}, many, nullptr, nullptr};
  for (const auto& choice : choices) result.names.push_back(choice.name);
  const Choice<E>* table = choices;
  result.get = [table, get] {
    std::vector<size_t> positions;
    for (const E value : get())
      for (size_t i = 0; i < n; ++i)
        if (table[i].value == value) positions.push_back(i);
    return positions;
  };
  result.set = [table, set](const std::vector<size_t>& positions) {
    std::vector<E> values;
    for (const size_t i : positions) values.push_back(table[i].value);
    set(values);
  };
  return result;
}

template <class E, size_t n>
Fields& Fields::choice(const std::string& name, E& value, const Choice<E> (&choices)[n],
                       const std::string& help) {
  E* at = &value;
  return add({name, "", help,
              choice_value<E, n>(
                  choices, false, [at] { return std::vector<E>{*at}; },
                  [at](const std::vector<E>& values) { *at = values.front(); })});
}

template <class E, size_t n>
Fields& Fields::choices(const std::string& name, std::vector<E>& value,
                        const Choice<E> (&choices)[n], const std::string& help) {
  std::vector<E>* at = &value;
  return add({name, "", help,
              choice_value<E, n>(
                  choices, true, [at] { return *at; },
                  [at](const std::vector<E>& values) { *at = values; })});
}

}  // namespace ortho
