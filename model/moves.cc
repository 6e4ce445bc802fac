#include "model/moves.h"

#include <algorithm>

#include "core/error.h"

namespace ortho {

template <class T>
ExchangeCount Move<T>::count(Way way) const {
  return exchange_ ? exchange_->count(way) : ExchangeCount{};
}

template <class T>
void Move<T>::start(Way way, const T* from, T* into, Fill fill) {
  ASSERT(exchange_ != nullptr, what_, " runs in a model that only measures");
  exchange_->start(way, from, into, fill, workspace_);
}

template <class T>
void Move<T>::run(Way way, const T* from, T* into, Fill fill) {
  start(way, from, into, fill);
  finish();
}

template <class T>
Moves<T>::Moves(const Sharding& sharding, Channel* world, Arena<T>& arena)
    : sharding_(sharding), world_(world), arena_(arena) {
  ASSERT(world == nullptr ? sharding.ranks() == 1 || arena.measuring()
                          : world->ranks() == sharding.ranks() && world->rank() == sharding.rank(),
         "a model of rank ", sharding.rank(), " of ", sharding.ranks(), " on another channel");
}

template <class T>
Move<T>* Moves<T>::add(const Shape& shape, const Layout& from, const Layout& to,
                       const std::string& what, size_t lane) {
  if (from.cuts() == to.cuts()) return nullptr;
  return add(plan_exchange(shape, from, to, sharding_.rank(), sizeof(T)), what, lane);
}

template <class T>
Move<T>* Moves<T>::add(Plan plan, const std::string& what, size_t lane) {
  while (lanes_.size() <= lane) lanes_.push_back(std::make_unique<Lane>());
  Lane& own = *lanes_[lane];
  own.elements = std::max(own.elements, plan.workspace());
  moves_.push_back(std::unique_ptr<Move<T>>(new Move<T>(std::move(plan), what, own.workspace)));
  Move<T>& move = *moves_.back();
  if (!arena_.measuring())
    move.exchange_ = std::make_unique<Exchange<T>>(move.plan_, *world_, what);
  return &move;
}

template <class T>
void Moves<T>::take_workspace() {
  for (const auto& lane : lanes_) {
    T* const place = arena_.take(lane->elements, "exchanged activations");
    if (place != nullptr) lane->workspace = {place, static_cast<size_t>(lane->elements)};
  }
}

template class Move<float>;
template class Move<double>;
template class Moves<float>;
template class Moves<double>;

}  // namespace ortho
