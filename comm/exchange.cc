#include "comm/exchange.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/error.h"

namespace ortho {
namespace {

// Adds the time from its birth to its death to a counter.
class Clock {
 public:
  explicit Clock(double& total_sec) : total_sec_(total_sec) {}
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  ~Clock() {
    total_sec_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
  }

 private:
  double& total_sec_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

template <class T>
void move_run(const T* from, T* into, std::int64_t count, bool add) {
  if (!add) {
    std::copy_n(from, count, into);
    return;
  }
  for (std::int64_t i = 0; i < count; ++i) into[i] += from[i];
}

template <class T>
void pack(const Side& side, const Message& message, const T* array, T* packed) {
  for (const Box& box : message.boxes)
    for_each_run(side.shape, box, [&](std::int64_t offset, std::int64_t count) {
      packed = std::copy_n(array + offset, count, packed);
    });
}

// Calls act(offset in the array) for each piece of a message that is in place.
template <class Act>
void for_each_piece(const Side& side, const Message& message, Act act) {
  for_each_run(side.shape, message.boxes[0], [&](std::int64_t offset, std::int64_t count) {
    for (std::int64_t at = 0; at < count; at += message.piece) act(offset + at);
  });
}

template <class T>
std::span<T> piece_at(T* place, const Message& message) {
  return {place, static_cast<size_t>(message.piece)};
}

const Message* own_message(const Side& side, int rank) {
  for (const Message& message : side.messages)
    if (message.rank == rank) return &message;
  return nullptr;
}

// The places of the messages of other ranks, in the order in which this rank serves them: the next
// rank first, so that not all ranks start with rank 0.
std::vector<size_t> others_in_turn(const Side& side, int rank) {
  std::vector<size_t> turn;
  for (size_t i = 0; i < side.messages.size(); ++i)
    if (side.messages[i].rank != rank) turn.push_back(i);
  const auto next = std::find_if(turn.begin(), turn.end(),
                                 [&](size_t i) { return side.messages[i].rank > rank; });
  std::rotate(turn.begin(), next, turn.end());
  return turn;
}

}  // namespace

template <class T>
Exchange<T>::Exchange(Plan plan, Channel& channel, std::string what)
    : plan_(std::move(plan)), channel_(channel), what_(std::move(what)) {
  ASSERT(plan_.element_bytes == static_cast<int>(sizeof(T)), what_, ": planned for elements of ",
         plan_.element_bytes, " bytes, run with ", sizeof(T));
  check_plan(channel_, plan_, what_);
}

template <class T>
bool Exchange<T>::adds(const Side& into) const {
  return now_.fill == Fill::add || !into.disjoint;
}

// Straight into the result, if nothing else goes there.
template <class T>
bool Exchange<T>::arrives_in_place(const Side& into, const Message& message) const {
  return !adds(into) && message.in_place;
}

template <class T>
void Exchange<T>::expect(std::span<T> received) {
  const Side& into = plan_.into(now_.way);
  now_.received = received.data();
  now_.last.assign(into.messages.size(), 0);
  std::vector<Incoming> incoming;
  std::vector<size_t> turn = others_in_turn(into, plan_.rank);
  std::reverse(turn.begin(), turn.end());  // the rank before sends to this one first
  for (const size_t i : turn) {
    const Message& message = into.messages[i];
    const auto expect_at = [&](T* place) {
      incoming.push_back({message.rank, std::as_writable_bytes(piece_at(place, message))});
    };
    if (arrives_in_place(into, message)) {
      for_each_piece(into, message, [&](std::int64_t at) { expect_at(now_.into + at); });
    } else {
      for (std::int64_t at = 0; at < message.elements; at += message.piece)
        expect_at(now_.received + message.offset + at);
    }
    now_.last[i] = incoming.size() - 1;
  }
  now_.transfer = channel_.open(incoming);
}

template <class T>
void Exchange<T>::send(std::span<T> packed) {
  const Side& from = plan_.from(now_.way);
  for (const size_t i : others_in_turn(from, plan_.rank)) {
    const Message& message = from.messages[i];
    const auto send_from = [&](const T* place) {
      now_.transfer->send(message.rank, std::as_bytes(piece_at(place, message)));
    };
    if (message.in_place) {
      for_each_piece(from, message, [&](std::int64_t at) { send_from(now_.from + at); });
    } else {
      T* const place = packed.data() + message.offset;
      pack(from, message, now_.from, place);
      send_from(place);
    }
  }
}

template <class T>
void Exchange<T>::copy_own() {
  const Side &from = plan_.from(now_.way), &into = plan_.into(now_.way);
  const Message* out = own_message(from, plan_.rank);
  const Message* in = own_message(into, plan_.rank);
  if (out == nullptr) return;
  for (size_t i = 0; i < out->boxes.size(); ++i)
    for_each_run(from.shape, out->boxes[i], into.shape, in->boxes[i],
                 [&](std::int64_t offset, std::int64_t target, std::int64_t count) {
                   move_run(now_.from + offset, now_.into + target, count, adds(into));
                 });
}

template <class T>
void Exchange<T>::unpack(const Message& message) {
  const Side& into = plan_.into(now_.way);
  const T* packed = now_.received + message.offset;
  for (const Box& box : message.boxes)
    for_each_run(into.shape, box, [&](std::int64_t offset, std::int64_t count) {
      move_run(packed, now_.into + offset, count, adds(into));
      packed += count;
    });
}

template <class T>
void Exchange<T>::start(Way way, const T* from, T* into, Fill fill, std::span<T> workspace) {
  ASSERT(now_.transfer == nullptr, what_, " is started before it was finished");
  ASSERT(static_cast<std::int64_t>(workspace.size()) >= plan_.workspace(), what_, " needs ",
         plan_.workspace(), " elements of workspace, has ", workspace.size());
  ExchangeCount& count = counts_[static_cast<size_t>(way)];
  const Clock clock(count.packing_sec);
  now_.way = way;
  now_.from = from;
  now_.into = into;
  now_.fill = fill;
  const Side& side = plan_.into(way);
  if (fill == Fill::over && !side.full) std::fill_n(into, elements(side.shape), T{0});
  const auto sent = static_cast<size_t>(plan_.from(way).packed);
  expect(workspace.subspan(sent));
  send(workspace.first(sent));
  if (side.disjoint) copy_own();
  ++count.runs;
  count.messages += plan_.sent_messages(way);
  count.bytes += plan_.sent_bytes(way);
}

template <class T>
bool Exchange<T>::progress() {
  return now_.transfer == nullptr || now_.transfer->progress();
}

template <class T>
void Exchange<T>::finish() {
  ASSERT(now_.transfer != nullptr, what_, " is finished before it was started");
  ExchangeCount& count = counts_[static_cast<size_t>(now_.way)];
  const Side& side = plan_.into(now_.way);
  for (size_t i = 0; i < side.messages.size(); ++i) {  // ascending ranks: the order of the sums
    const Message& message = side.messages[i];
    if (message.rank == plan_.rank) {
      const Clock clock(count.unpacking_sec);
      if (!side.disjoint) copy_own();
      continue;
    }
    {
      const Clock clock(count.waiting_sec);
      const std::int64_t pieces = message.elements / message.piece;
      for (size_t back = static_cast<size_t>(pieces); back-- > 0;)
        now_.transfer->wait(now_.last[i] - back);
    }
    const Clock clock(count.unpacking_sec);
    if (!arrives_in_place(side, message)) unpack(message);
  }
  const Clock clock(count.waiting_sec);
  now_.transfer->wait_all();
  now_ = UnderWay{};
}

template <class T>
void Exchange<T>::run(Way way, const T* from, T* into, Fill fill, std::span<T> workspace) {
  start(way, from, into, fill, workspace);
  finish();
}

template class Exchange<float>;
template class Exchange<double>;

}  // namespace ortho
