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
  const std::span<T>& workspace = enlarged(lanes_, lane, plan.workspace()).place;
  moves_.push_back(std::unique_ptr<Move<T>>(new Move<T>(std::move(plan), what, workspace)));
  Move<T>& move = *moves_.back();
  if (!arena_.measuring())
    move.exchange_ = std::make_unique<Exchange<T>>(move.plan_, *world_, what);
  return &move;
}

template <class T>
const std::span<T>& Moves<T>::room(size_t number, std::int64_t elements) {
  return enlarged(rooms_, number, elements).place;
}

template <class T>
typename Moves<T>::Shared& Moves<T>::enlarged(SharedList& list, size_t number,
                                              std::int64_t elements) {
  while (list.size() <= number) list.push_back(std::make_unique<Shared>());
  list[number]->elements = std::max(list[number]->elements, elements);
  return *list[number];
}

template <class T>
void Moves<T>::take(const SharedList& list, const std::string& purpose) {
  for (const auto& shared : list) {
    T* const place = arena_.take(shared->elements, purpose);
    if (place != nullptr) shared->place = {place, static_cast<size_t>(shared->elements)};
  }
}

template <class T>
void Moves<T>::take_workspace() {
  take(lanes_, "exchanged activations");
  take(rooms_, "activations between layouts");
}

template class Move<float>;
template class Move<double>;
template class Moves<float>;
template class Moves<double>;

}  // namespace ortho
