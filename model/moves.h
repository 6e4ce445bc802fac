// Moves: the exchanges of one model between layouts of its activations, and the memory they share.
//
// Made once a stage, by all ranks in the same order. Moves of one lane never run at the same time
// and share their workspace; those of different lanes may. That memory and the rooms lie where the
// ranks of a node read them. On a measuring arena nothing is allocated and nobody is asked, so that
// the planner knows bytes and messages of any mesh.
#pragma once

#include <exception>
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

// One plan, ready to run. Metrics count by `label`, the mesh axes along which it moves: "s_1",
// "s_1+channels", "halo s_1"; messages say `what`: "block.0.axis.1, to its lines".
template <class T>
class Move {
 public:
  const Plan& plan() const { return plan_; }
  const std::string& label() const { return label_; }
  const std::string& what() const { return what_; }
  ExchangeCount count(Way way) const;
  // How often a training step runs it each way: once, unless it leads back in the same pass.
  int runs() const { return runs_; }
  void leads_back_too() { runs_ = 2; }
  // As in comm/exchange.h.
  void start(Way way, const T* from, T* into, Fill fill);
  // What cannot wait for finish(), which throws what went wrong in it. Never waits.
  void look_after() noexcept;
  void finish();
  void run(Way way, const T* from, T* into, Fill fill);

 private:
  friend class Moves<T>;
  Move(Plan plan, std::string label, std::string what, const std::span<T>& workspace)
      : plan_(std::move(plan)),
        label_(std::move(label)),
        what_(std::move(what)),
        workspace_(workspace) {}
  Plan plan_;
  std::string label_, what_;
  int runs_ = 1;
  const std::span<T>& workspace_;  // of its lane
  std::unique_ptr<Exchange<T>> exchange_;
  std::exception_ptr failure_;
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
  // The rows before the own ones, or after them (comm/exchange_plan.h). Collective too.
  Move<T>* add_halo(const NodeShape& nodes, const Layout& layout, const Halo& halo,
                    const std::string& what, size_t lane = 0);
  // Memory for an array on its way between layouts: one place for all that ask for the same room,
  // which is as large as the largest of them. Its span is there after take_workspace().
  const std::span<T>& room(size_t number, std::int64_t elements);
  void take_workspace();  // Collective, once all are added, before any runs

  const std::vector<std::unique_ptr<Move<T>>>& all() const { return moves_; }
  void look_after() noexcept;  // all that are under way

 private:
  struct Shared {
    std::int64_t elements = 0;
    std::span<T> place;
  };
  using SharedList = std::vector<std::unique_ptr<Shared>>;  // by number; their addresses stay
  static Shared& enlarged(SharedList& list, size_t number, std::int64_t elements);
  Move<T>* add(Plan plan, const std::string& label, const std::string& what, size_t lane);

  const Sharding& sharding_;
  Channel* world_;
  Arena<T>& arena_;
  std::vector<std::unique_ptr<Move<T>>> moves_;
  SharedList lanes_, rooms_;
};

}  // namespace ortho
