// Generation token by token. See trainer/generate.h.
#include <algorithm>

#include "core/error.h"
#include "trainer/generate.h"
#include "trainer/token_chooser.h"

namespace ortho {
namespace {

// The windows of a stream: behind the prefix position p of window w is its token from[w] + p. So all are at the same
// position: while one still reads its prompt another may write already.
class Columns {
 public:
  Columns(Stream<float>& stream, const Prompts& prompts, const GenerateRule& rule)
      : stream_(stream),
        rule_(rule),
        prefix_(stream.spec().identity),
        tokens_(context(stream.spec())) {
    for (const auto& prompt : prompts) {
      all_.emplace_back(prompt, rule);
      from_.push_back(beyond() ? 0 : std::max<std::int64_t>(0, all_.back().size() - room()));
    }
    stream.begin();
  }

  const std::vector<Writing>& all() const { return all_; }

  // Pushes what all open windows have in common and returns where a token is to be chosen next;
  // nothing while prompts are still read. False: all have ended.
  bool advance(std::vector<Slot>& slots) {
    slots.clear();
    std::int64_t ready = -1;
    each_open([&](size_t w) {
      const std::int64_t known = prefix_ + all_[w].size() - from_[w];
      ready = ready < 0 ? known : std::min(ready, known);
    });
    if (ready < 0) return false;
    if (!beyond() && stream_.position() == tokens_) return begin_again();
    push(beyond() ? ready : std::min(ready, tokens_));
    each_open([&](size_t w) {
      const auto window = static_cast<std::int64_t>(w);
      if (prefix_ + all_[w].size() - from_[w] == stream_.position())
        slots.push_back({static_cast<std::int32_t>(w), window, all_[w].made()});
    });
    return true;
  }

  void add(const std::vector<Slot>& slots, const std::vector<Token>& chosen) {
    for (size_t i = 0; i < slots.size(); ++i)
      all_[static_cast<size_t>(slots[i].window)].add(rule_, chosen[i]);
  }

 private:
  bool beyond() const { return rule_.when_full == WhenFull::beyond; }
  std::int64_t room() const { return tokens_ - prefix_; }  // of a window, for tokens of a text

  template <class Act>
  void each_open(Act act) const {
    for (size_t w = 0; w < all_.size(); ++w)
      if (!all_[w].ended()) act(w);
  }

  // Every open window has written behind the context.
  bool begin_again() {
    const std::int64_t kept =
        rule_.when_full == WhenFull::half ? std::max<std::int64_t>(1, room() / 2) : room();
    each_open([&](size_t w) { from_[w] = all_[w].size() - kept; });
    stream_.begin();
    return true;
  }

  // Up to position `end`; windows that have ended get padding.
  void push(std::int64_t end) {
    const std::int64_t first = stream_.position(), windows = stream_.windows();
    std::vector<Token> tokens(static_cast<size_t>((end - first) * windows));
    each_open([&](size_t w) {
      for (std::int64_t p = first; p < end; ++p)
        tokens[static_cast<size_t>((p - first) * windows) + w] =
            p < prefix_ ? identity_token(p)
                        : all_[w].tokens()[static_cast<size_t>(from_[w] + p - prefix_)];
    });
    stream_.push(tokens);
  }

  Stream<float>& stream_;
  const GenerateRule& rule_;
  std::int64_t prefix_;  // learned tokens before each text
  std::int64_t tokens_;  // T
  std::vector<Writing> all_;
  std::vector<std::int64_t> from_;
};

}  // namespace

std::string no_stream(const ModelSpec& spec, int ranks) {
  if (ranks > 1) return "several ranks share the model";
  return stream_refusal(spec);
}

Prompts stream_prompts(Stream<float>& stream, const Prompts& prompts, const GenerateRule& rule) {
  const ModelSpec& spec = stream.spec();
  check_prompts(spec, stream.windows(), prompts, rule, Objective::next_token);
  REQUIRE(rule.when_full != WhenFull::beyond || streams_beyond(spec),
          "weights by position have none for a place behind the context of ", context(spec),
          " tokens; let the window slide, or begin anew with half of it");
  const TokenChooser chooser(spec, stream.head(), rule);
  Columns columns(stream, prompts, rule);
  for (std::vector<Slot> slots; columns.advance(slots);) columns.add(slots, chooser.choose(slots));
  Prompts added;
  for (const Writing& writing : columns.all()) added.push_back(writing.added());
  return added;
}

}  // namespace ortho
