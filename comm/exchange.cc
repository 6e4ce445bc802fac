#include "comm/exchange.h"

#include <algorithm>
#include <numeric>
#include <thread>
#include <utility>

#include "core/error.h"
#include "core/stopwatch.h"

namespace ortho {
namespace {

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

// Spins before the core is given to others: a peer that runs is here within a microsecond.
constexpr int kSpins = 200;

// The channel, all of whose ranks have this plan.
Channel& agreed(Channel& channel, const Plan& plan, const std::string& what, size_t element_bytes) {
  ASSERT(plan.element_bytes == static_cast<int>(element_bytes), what, ": planned for elements of ",
         plan.element_bytes, " bytes, run with ", element_bytes);
  check_plan(channel, plan, what);
  return channel;
}

void add_run(ExchangeCount& count, const LevelTraffic& sent) {
  ++count.runs;
  const auto add = [&](const Traffic& part, Traffic& level) {
    level.messages += part.messages;
    level.bytes += part.bytes;
    count.messages += part.messages;
    count.bytes += part.bytes;
  };
  add(sent.node, count.levels.node);
  add(sent.network, count.levels.network);
}

}  // namespace

template <class T>
Exchange<T>::Exchange(Plan plan, Channel& channel, std::string what)
    : plan_(std::move(plan)),
      channel_(channel),
      what_(std::move(what)),
      offers_(agreed(channel_, plan_, what_, sizeof(T))) {}

// Straight into the result, if nothing else goes there.
template <class T>
bool Exchange<T>::arrives_in_place(const Message& message) const {
  return !adds() && message.in_place;
}

template <class T>
void Exchange<T>::expect(std::span<T> received) {
  const Side& into = into_side();
  now_.received = received.data();
  now_.last.assign(into.messages.size(), 0);
  std::vector<Incoming> incoming;
  std::vector<size_t> turn = others_in_turn(into, plan_.rank);
  std::reverse(turn.begin(), turn.end());  // the rank before sends to this one first
  for (const size_t i : turn) {
    const Message& message = into.messages[i];
    if (pulled(message)) continue;
    const auto expect_at = [&](T* place) {
      incoming.push_back({message.rank, std::as_writable_bytes(piece_at(place, message))});
    };
    if (arrives_in_place(message)) {
      for_each_piece(into, message, [&](std::int64_t at) { expect_at(now_.into + at); });
    } else {
      for (std::int64_t at = 0; at < message.elements; at += message.piece)
        expect_at(now_.received + message.offset + at);
    }
    now_.last[i] = incoming.size() - 1;
  }
  now_.transfer = channel_.open(incoming);
}

// To the ranks of this node, first of all: they can copy while this one packs for others.
template <class T>
void Exchange<T>::offer(std::span<T> packed) {
  const Side& from = from_side();
  const auto bytes = elements(from.shape) * static_cast<std::int64_t>(sizeof(T));
  const bool in_place = channel_.reads(plan_.rank, now_.from, bytes) != nullptr;
  for (const size_t i : others_in_turn(from, plan_.rank)) {
    const Message& message = from.messages[i];
    if (!may_pull(message)) continue;
    if (!now_.pulls) {
      offers_.make(message.rank, round_, {Offer::Form::by_message, nullptr});
    } else if (in_place) {
      offers_.make(message.rank, round_, {Offer::Form::array, now_.from});
    } else {
      T* const place = packed.data() + message.offset;
      pack(from, message, now_.from, place);
      offers_.make(message.rank, round_, {Offer::Form::packed, place});
    }
  }
}

template <class T>
void Exchange<T>::send(std::span<T> packed) {
  const Side& from = from_side();
  for (const size_t i : others_in_turn(from, plan_.rank)) {
    const Message& message = from.messages[i];
    if (pulled(message)) continue;
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

// What meets is added in rank order, the own part among the others. What does not meet begins with
// the rank before, which serves this one first.
template <class T>
void Exchange<T>::plan_turns() {
  const Side& into = into_side();
  now_.next = 0;
  if (into.disjoint) {
    now_.turn = others_in_turn(into, plan_.rank);
    std::reverse(now_.turn.begin(), now_.turn.end());
  } else {
    now_.turn.resize(into.messages.size());
    std::iota(now_.turn.begin(), now_.turn.end(), size_t{0});
  }
}

template <class T>
bool Exchange<T>::is_here(const Message& message, bool all_arrived) const {
  if (message.rank == plan_.rank) return true;
  if (!pulled(message)) return all_arrived;
  return offers_.find(message.rank, round_).form != Offer::Form::none;
}

template <class T>
template <class Ready>
void Exchange<T>::wait_until(Ready ready) {
  for (int spins = 0; !ready(); ++spins) {
    if (spins < kSpins) continue;
    now_.transfer->progress();
    std::this_thread::yield();  // there may be more ranks than cores
  }
}

template <class T>
void Exchange<T>::wait_for(size_t place) {
  const Message& message = into_side().messages[place];
  if (message.rank == plan_.rank) return;
  const Stopwatch watch(count_now().waiting_sec);
  if (pulled(message)) {
    wait_until([&] { return is_here(message, false); });
    return;
  }
  const auto pieces = static_cast<size_t>(message.elements / message.piece);
  for (size_t back = pieces; back-- > 0;) now_.transfer->wait(now_.last[place] - back);
}

// The message, which is here.
template <class T>
void Exchange<T>::fill_in(const Message& message) {
  const Stopwatch watch(count_now().unpacking_sec);
  if (message.rank == plan_.rank) {
    copy(now_.from, message);
  } else if (pulled(message)) {
    pull(message);
  } else if (!arrives_in_place(message)) {
    unpack(now_.received + message.offset, message);
  }
}

template <class T>
void Exchange<T>::pull(const Message& message) {
  const Offer offer = offers_.find(message.rank, round_);
  ASSERT(offer.form != Offer::Form::by_message, what_, ": the workspace of rank ", message.rank,
         " is not shared, that of rank ", plan_.rank, " is");
  const bool packed = offer.form == Offer::Form::packed;
  const std::int64_t count = packed ? message.elements : elements(message.far_shape);
  const auto bytes = count * static_cast<std::int64_t>(sizeof(T));
  const auto* here = reinterpret_cast<const T*>(channel_.reads(message.rank, offer.place, bytes));
  ASSERT(here != nullptr, what_, ": rank ", message.rank, " offers memory that it does not share");
  if (packed) {
    unpack(here, message);
  } else {
    copy(here, message);
  }
  offers_.take(message.rank, round_);
}

// From the array of the rank that sends the message.
template <class T>
void Exchange<T>::copy(const T* far, const Message& message) {
  for (size_t i = 0; i < message.boxes.size(); ++i)
    for_each_run(message.far_shape, message.far_boxes[i], into_side().shape, message.boxes[i],
                 [&](std::int64_t offset, std::int64_t target, std::int64_t count) {
                   move_run(far + offset, now_.into + target, count, adds());
                 });
}

template <class T>
void Exchange<T>::unpack(const T* packed, const Message& message) {
  for (const Box& box : message.boxes)
    for_each_run(into_side().shape, box, [&](std::int64_t offset, std::int64_t count) {
      move_run(packed, now_.into + offset, count, adds());
      packed += count;
    });
}

template <class T>
bool Exchange<T>::all_taken() const {
  const std::vector<Message>& messages = from_side().messages;
  return std::all_of(messages.begin(), messages.end(), [&](const Message& message) {
    return message.rank == plan_.rank || !pulled(message) || offers_.taken(message.rank, round_);
  });
}

template <class T>
void Exchange<T>::start(Way way, const T* from, T* into, Fill fill, std::span<T> workspace) {
  ASSERT(now_.transfer == nullptr, what_, " is started before it was finished");
  ASSERT(static_cast<std::int64_t>(workspace.size()) >= plan_.workspace(), what_, " needs ",
         plan_.workspace(), " elements of workspace, has ", workspace.size());
  ExchangeCount& count = counts_[static_cast<size_t>(way)];
  const Stopwatch watch(count.packing_sec);
  now_.way = way;
  now_.from = from;
  now_.into = into;
  now_.fill = fill;
  now_.pulls = offers_.possible() &&
               channel_.reads(plan_.rank, workspace.data(),
                              static_cast<std::int64_t>(workspace.size_bytes())) != nullptr;
  ++round_;
  const Side& side = into_side();
  if (fill == Fill::over && !side.full) std::fill_n(into, elements(side.shape), T{0});
  const auto sent = static_cast<size_t>(from_side().packed);
  expect(workspace.subspan(sent));
  offer(workspace.first(sent));
  send(workspace.first(sent));
  plan_turns();
  for (const Message& message : side.messages)
    if (side.disjoint && message.rank == plan_.rank) copy(from, message);
  add_run(count, sent_traffic(plan_, way, now_.pulls ? channel_.nodes() : std::span<const int>{}));
}

template <class T>
bool Exchange<T>::progress() {
  if (now_.transfer == nullptr) return true;
  const bool arrived = now_.transfer->progress();
  const std::vector<Message>& messages = into_side().messages;
  for (; now_.next < now_.turn.size(); ++now_.next) {
    const Message& message = messages[now_.turn[now_.next]];
    if (!is_here(message, arrived)) return false;
    fill_in(message);
  }
  return arrived && all_taken();
}

template <class T>
void Exchange<T>::finish() {
  ASSERT(now_.transfer != nullptr, what_, " is finished before it was started");
  const Operating operating(channel_, what_, plan_.sent_bytes(now_.way));
  for (; now_.next < now_.turn.size(); ++now_.next) {
    const size_t place = now_.turn[now_.next];
    wait_for(place);
    fill_in(into_side().messages[place]);
  }
  const Stopwatch watch(count_now().waiting_sec);
  now_.transfer->wait_all();
  wait_until([&] { return all_taken(); });
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
