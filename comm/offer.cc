#include "comm/offer.h"

#include <atomic>

namespace ortho {
namespace {

// Between processes only an atomic without a lock works; zeroed memory is its value 0.
using Word = std::atomic_ref<std::uint64_t>;
static_assert(Word::is_always_lock_free);

}  // namespace

Offers::Offers(Channel& channel)
    : rank_(channel.rank()),
      flags_(channel.share(static_cast<std::int64_t>(sizeof(Flags)) * channel.ranks())) {}

Offers::Flags& Offers::flags(int owner, int about) const {
  return reinterpret_cast<Flags*>(flags_->of(owner))[about];
}

void Offers::make(int to, std::uint64_t round, const Offer& offer) {
  Flags& mine = flags(rank_, to);
  mine.form = static_cast<std::uint64_t>(offer.form);
  mine.place = offer.place;
  Word(mine.offered).store(round, std::memory_order_release);
}

Offer Offers::find(int from, std::uint64_t round) const {
  Flags& theirs = flags(from, rank_);
  if (Word(theirs.offered).load(std::memory_order_acquire) < round) return {};
  return {static_cast<Offer::Form>(theirs.form), theirs.place};
}

void Offers::take(int from, std::uint64_t round) {
  Word(flags(rank_, from).taken).store(round, std::memory_order_release);
}

bool Offers::taken(int to, std::uint64_t round) const {
  return Word(flags(to, rank_).taken).load(std::memory_order_acquire) == round;
}

}  // namespace ortho
