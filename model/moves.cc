#include "model/moves.h"

#include <algorithm>

#include "core/error.h"

namespace ortho {
namespace {

// "s_1+channels"
template <class Picked>
std::string axis_names(const Mesh& mesh, Picked picked) {
  std::string names;
  for (size_t m = 0; m < mesh.axes().size(); ++m)
    if (picked(m)) names += (names.empty() ? "" : "+") + mesh.axes()[m].name;
  return names;
}

}  // namespace

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
void Move<T>::look_after() noexcept try {
  if (exchange_ && !failure_) exchange_->progress();
} catch (...) {
  failure_ = std::current_exception();
}

template <class T>
void Move<T>::finish() {
  if (failure_) std::rethrow_exception(failure_);
  exchange_->finish();
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
  const std::string label =
      axis_names(from.mesh(), [&](size_t m) { return from.cuts()[m] != to.cuts()[m]; });
  return add(plan_exchange(shape, from, to, sharding_.rank(), sizeof(T)), label, what, lane);
}

// A tap that reaches past the first row of its axis ends in rows of the axes outside.
template <class T>
Move<T>* Moves<T>::add_halo(const NodeShape& nodes, const Layout& layout, const Halo& halo,
                            const std::string& what, size_t lane) {
  const std::string label = "halo " + axis_names(layout.mesh(), [&](size_t m) {
                              const int axis = layout.cuts()[m];
                              return axis != kReplicates && axis <= halo.first;
                            });
  return add(plan_halo(nodes, layout, halo, sharding_.rank(), sizeof(T)), label, what, lane);
}

template <class T>
Move<T>* Moves<T>::add(Plan plan, const std::string& label, const std::string& what, size_t lane) {
  const std::span<T>& workspace = enlarged(lanes_, lane, plan.workspace()).place;
  moves_.push_back(std::unique_ptr<Move<T>>(new Move<T>(std::move(plan), label, what, workspace)));
  Move<T>& move = *moves_.back();
  if (!arena_.measuring())
    move.exchange_ = std::make_unique<Exchange<T>>(move.plan_, *world_, what);
  return &move;
}

template <class T>
void Moves<T>::look_after() noexcept {
  for (const auto& move : moves_) move->look_after();
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
void Moves<T>::take_workspace() {
  if (moves_.empty()) return;
  std::vector<Shared*> all;
  std::vector<std::int64_t> counts;
  for (const SharedList* list : {&lanes_, &rooms_})
    for (const auto& shared : *list) {
      all.push_back(shared.get());
      counts.push_back(shared->elements);
    }
  const std::vector<T*> places = arena_.take_shared(counts, world_);
  for (size_t i = 0; i < all.size(); ++i)
    if (places[i] != nullptr) all[i]->place = {places[i], static_cast<size_t>(counts[i])};
}

template class Move<float>;
template class Move<double>;
template class Moves<float>;
template class Moves<double>;

}  // namespace ortho
