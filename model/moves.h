// Moves: the exchanges of one model between layouts of its activations, and the memory they share.
//
// Made once a stage, by all ranks in the same order. Moves of one lane never run at the same time
// and share their workspace; those of different lanes may. On a measuring arena nothing is
// allocated and nobody is asked, so that the planner knows bytes and messages of any mesh.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "comm/exchange.h"
#include "model/arena.h"
#include "model/sharding.h"

namespace ortho {

template <class T>
class Moves;

// One plan, ready to run. `what` in messages and metrics: "block 0, s_1 to the lines".
template <class T>
class Move {
 public:
  const Plan& plan() const { return plan_; }
  const std::string& what() const { return what_; }
  ExchangeCount count(Way way) const;
  // As in comm/exchange.h.
  void start(Way way, const T* from, T* into, Fill fill);
  bool progress() { return exchange_->progress(); }
  void finish() { exchange_->finish(); }
  void run(Way way, const T* from, T* into, Fill fill);

 private:
  friend class Moves<T>;
  Move(Plan plan, std::string what, const std::span<T>& workspace)
      : plan_(std::move(plan)), what_(std::move(what)), workspace_(workspace) {}
  Plan plan_;
  std::string what_;
  const std::span<T>& workspace_;  // of its lane
  std::unique_ptr<Exchange<T>> exchange_;
};

template <class T>
class Moves {
 public:
  // `world` must outlive this; null on one rank and while measuring.
  Moves(const Sharding& sharding, Channel* world, Arena<T>& arena);

  // From one layout to another of an array of this shape; null when they are the same.
  // Collective: the ranks compare their plans.
  Move<T>* add(const Shape& shape, const Layout& from, const Layout& to, const std::string& what,
               size_t lane = 0);
  Move<T>* add(Plan plan, const std::string& what, size_t lane = 0);  // any other, such as a halo
  // Memory for an array on its way between layouts: one place for all that ask for the same room,
  // which is as large as the largest of them. Its span is there after take_workspace().
  const std::span<T>& room(size_t number, std::int64_t elements);
  void take_workspace();  // once all are added, before any runs

  const std::vector<std::unique_ptr<Move<T>>>& all() const { return moves_; }

 private:
  struct Shared {
    std::int64_t elements = 0;
    std::span<T> place;
  };
  using SharedList = std::vector<std::unique_ptr<Shared>>;  // by number; their addresses stay
  static Shared& enlarged(SharedList& list, size_t number, std::int64_t elements);
  void take(const SharedList& list, const std::string& purpose);

  const Sharding& sharding_;
  Channel* world_;
  Arena<T>& arena_;
  std::vector<std::unique_ptr<Move<T>>> moves_;
  SharedList lanes_, rooms_;
};

}  // namespace ortho
