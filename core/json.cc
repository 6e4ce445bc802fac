#include "core/json.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>

#include "core/error.h"
#include "core/utf8.h"

namespace ortho {
namespace {

constexpr int kDeepest = 64;  // levels of nesting: hostile input must not exhaust the stack

class Parser {
 public:
  Parser(std::string_view source, const std::string& file, int line)
      : source_(source), file_(file), line_(line) {}

  ConfigNode parse() {
    ConfigNode node = value(0);
    skip_space();
    if (at_ != source_.size()) refuse("text behind the value");
    return node;
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    fail(ErrorKind::data,
         text(file_, ':', line_, ": column ", at_ - line_begin_ + 1, ": no valid JSON: ", what));
  }

  char peek() const { return at_ < source_.size() ? source_[at_] : '\0'; }

  bool take(char c) {
    if (at_ == source_.size() || source_[at_] != c) return false;
    ++at_;
    return true;
  }

  void expect(char c) {
    if (!take(c)) refuse(text("expected '", c, '\''));
  }

  void skip_space() {
    while (at_ < source_.size()) {
      const char c = source_[at_];
      if (c != ' ' && c != '\t' && c != '\r' && c != '\n') return;
      ++at_;
      if (c != '\n') continue;
      ++line_;
      line_begin_ = at_;
    }
  }

  ConfigNode value(int depth) {
    if (depth > kDeepest) refuse(text("nested deeper than ", kDeepest, " levels"));
    skip_space();
    ConfigNode node;
    node.file = file_;
    node.line = line_;
    if (peek() == '{') {
      members(node, depth);
    } else if (peek() == '[') {
      elements(node, depth);
    } else if (peek() == '"') {
      node.quoted = true;
      node.value = string();
    } else if (!literal(node)) {
      node.value = number();
    }
    return node;
  }

  void members(ConfigNode& node, int depth) {
    node.kind = ConfigNode::Kind::map;
    expect('{');
    skip_space();
    if (take('}')) return;
    do {
      skip_space();
      const int line = line_;
      std::string key = string();
      if (node.find(key) != nullptr) refuse(text("key ", json_string(key), " is given twice"));
      skip_space();
      expect(':');
      node.entries.push_back({std::move(key), line, value(depth + 1)});
      skip_space();
    } while (take(','));
    expect('}');
  }

  void elements(ConfigNode& node, int depth) {
    node.kind = ConfigNode::Kind::list;
    expect('[');
    skip_space();
    if (take(']')) return;
    do {
      node.items.push_back(value(depth + 1));
      skip_space();
    } while (take(','));
    expect(']');
  }

  bool literal(ConfigNode& node) {
    for (const std::string_view word : {"true", "false", "null"}) {
      if (source_.substr(at_, word.size()) != word) continue;
      at_ += word.size();
      node.value = word;
      return true;
    }
    return false;
  }

  void digits() {
    if (peek() < '0' || peek() > '9') refuse("expected a digit");
    while (peek() >= '0' && peek() <= '9') ++at_;
  }

  std::string number() {
    const size_t begin = at_;
    take('-');
    if (peek() != '-' && (peek() < '0' || peek() > '9')) refuse("expected a value");
    if (!take('0')) digits();
    if (take('.')) digits();
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (!take('+')) take('-');
      digits();
    }
    return std::string(source_.substr(begin, at_ - begin));
  }

  std::string string() {
    expect('"');
    std::string out;
    while (true) {
      if (at_ == source_.size()) refuse("a string without end");
      const char c = source_[at_];
      if (static_cast<unsigned char>(c) < 0x20) refuse("a raw control character in a string");
      ++at_;
      if (c == '"') return out;
      if (c == '\\')
        escape(out);
      else
        out += c;
    }
  }

  void escape(std::string& out) {
    constexpr std::string_view kLetters = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    const char c = peek();
    const size_t simple = kLetters.find(c);
    if (c != 'u' && simple == std::string_view::npos) refuse("an unknown escape");
    ++at_;
    if (c == 'u')
      append_utf8(out, code_point());
    else
      out += kMeanings[simple];
  }

  std::uint32_t hex4() {
    std::uint32_t code = 0;
    for (int i = 0; i < 4; ++i) {
      constexpr std::string_view kDigits = "0123456789abcdef";
      const char lower = peek() >= 'A' && peek() <= 'F' ? static_cast<char>(peek() + 32) : peek();
      const size_t digit = kDigits.find(lower);
      if (digit == std::string_view::npos) refuse("\\u needs four hexadecimal digits");
      code = code * 16 + static_cast<std::uint32_t>(digit);
      ++at_;
    }
    return code;
  }

  // Behind "\u": one code point, whose second half
  // may stand in a second escape (UTF-16 surrogates).
  std::uint32_t code_point() {
    const std::uint32_t high = hex4();
    if (high >= 0xdc00 && high < 0xe000) refuse("the second half of a surrogate pair stands alone");
    if (high < 0xd800 || high >= 0xe000) return high;
    if (!take('\\') || !take('u')) refuse("the first half of a surrogate pair stands alone");
    const std::uint32_t low = hex4();
    if (low < 0xdc00 || low >= 0xe000) refuse("the first half of a surrogate pair stands alone");
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
  }

  std::string_view source_;
  const std::string& file_;
  int line_;
  size_t at_ = 0;
  size_t line_begin_ = 0;  // first byte of the line we are in
};

}  // namespace

ConfigNode parse_json(std::string_view source, const std::string& file, int line) {
  return Parser(source, file, line).parse();
}

std::string json_string(std::string_view word) {
  std::string out = "\"";
  for (const char c : word) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      std::array<char, 8> buffer{};
      std::snprintf(buffer.data(), buffer.size(), "\\u%04x", static_cast<unsigned>(byte));
      out += buffer.data();
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string number_text(double x) {
  std::array<char, 32> buffer;
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), x);
  return {buffer.data(), result.ptr};
}

JsonObject& JsonObject::member(const std::string& key, const std::string& value) {
  if (!members_.empty()) members_ += ", ";
  members_ += json_string(key) + ": " + value;
  return *this;
}

JsonObject& JsonObject::add(const std::string& key, double value) {
  return member(key, std::isfinite(value) ? number_text(value) : "null");
}

JsonObject& JsonObject::add(const std::string& key, std::int64_t value) {
  return member(key, std::to_string(value));
}

JsonObject& JsonObject::add(const std::string& key, const std::string& value) {
  return member(key, json_string(value));
}

JsonObject& JsonObject::add(const std::string& key, const JsonObject& value) {
  return member(key, value.text());
}

}  // namespace ortho
