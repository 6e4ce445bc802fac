#include "comm/agree.h"

#include <exception>
#include <optional>
#include <vector>

namespace ortho {
namespace {

// An Error as one string that travels: the kind as one letter, then the message. Empty: no error.
std::string pack(const std::optional<Error>& error) {
  if (!error) return {};
  return static_cast<char>('a' + static_cast<int>(error->kind())) + std::string(error->what());
}

SharedError unpack(const std::string& packed, const std::string& addition) {
  return {static_cast<ErrorKind>(packed[0] - 'a'), packed.substr(1) + addition};
}

}  // namespace

void agree(Channel& channel, const std::function<void()>& attempt) {
  std::optional<Error> error;
  try {
    attempt();
  } catch (const Error& e) {
    error = e;
  } catch (const std::exception& e) {
    error = Error(ErrorKind::internal, e.what());
  }
  if (channel.max(error ? 1 : 0) == 0) return;

  const std::vector<std::string> all = channel.gather(pack(error));
  const std::string* first = nullptr;
  std::vector<size_t> others;
  for (size_t rank = 0; rank < all.size(); ++rank) {
    if (all[rank].empty()) continue;
    if (first == nullptr) {
      first = &all[rank];
    } else {
      others.push_back(rank);
    }
  }
  ASSERT(first != nullptr);
  throw unpack(*first, others.empty() ? "" : text(" (ranks ", list_text(others), " failed too)"));
}

void agree(Channel& channel, bool ok, const std::string& why, ErrorKind kind,
           std::source_location where) {
  agree(channel, [&] {
    if (!ok) fail(kind, why, where);
  });
}

void require_same(Channel& channel, const std::string& what, const std::string& value,
                  std::source_location where) {
  const std::vector<std::string> all = channel.gather(value);
  std::string differing;
  for (size_t rank = 1; rank < all.size(); ++rank) {
    if (all[rank] != all[0]) differing += text(", rank ", rank, " has ", all[rank]);
  }
  const std::string why = text(what, " differs between ranks: rank 0 has ", all[0], differing,
                               ". All ranks must see the same program, files and options.");
  const bool speaks = channel.rank() == 0;  // all know the same, one says it
  agree(channel, differing.empty() || !speaks, why, ErrorKind::usage, where);
}

}  // namespace ortho
