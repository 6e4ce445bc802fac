// Sums of dense maps, block by block: what a block needs is fetched into a core's cache once, all
// its maps run there, and a weight's gradient can move the weight before it leaves.
//
// A block's nodes and lines are whole, so every number is the sum it is in dense.cc, in its order,
// and no result depends on how the grid is cut.
#include <omp.h>

#include <algorithm>

#include "tensor/cpu/cpu_backend.h"
#include "tensor/cpu/dense_blocks.h"
#include "tensor/cpu/dense_kernels.h"
#include "tensor/cpu/update.h"

namespace ortho {
namespace {

constexpr std::int64_t kAhead = 1024;  // bytes that a copy fetches ahead, at least

// A rectangle of an array: `rows` runs.
template <class T>
struct Rows {
  T* at;
  std::int64_t row;  // elements between rows
};

// One block at work, with its part of the room.
template <class T>
class Block {
 public:
  Block(const DenseBlocks& b, std::int64_t number, T* room)
      : b_(b), outer_(number / b.cuts()), from_(number % b.cuts() * b.chunk) {
    places_ = std::min(b.chunk, b.inner - from_);
    for (Rows<T>* part : {&x_, &y_, &dx_}) {
      *part = {room, b.node_row()};
      room += b.rows * b.node_row();
    }
    for (Rows<T>* part : {&w_, &dw_}) {
      *part = {room, b.weight_row()};
      room += b.rows * b.weight_row();
    }
  }

  void forward(std::span<const DenseTerm<T>> terms, const T* x, T* y, bool add);
  void back(std::span<const DenseTerm<T>> terms, std::span<const AdamwFactors> factors, const T* x,
            const T* dy, T* dx, bool add);

 private:
  // Where the block begins in an array with `width` elements a place.
  template <class A>
  Rows<A> part_of(A* array, std::int64_t width) const {
    return {array + (outer_ * b_.rows * b_.inner + from_) * width, b_.inner * width};
  }
  void copy(Rows<const T> from, Rows<T> to, std::int64_t run, bool add = false) const {
    constexpr std::int64_t kLeast = kAhead / static_cast<std::int64_t>(sizeof(T));
    const std::int64_t ahead = (kLeast + from.row - 1) / from.row * from.row;
    dense_kernels<T>().copy({from.at, to.at, b_.rows, run, from.row, to.row, ahead, add});
  }
  static Rows<const T> read(const Rows<T>& rows) { return {rows.at, rows.row}; }

  // act(first row, first place, lines, steps between those in nodes and in weights).
  template <class Act>
  void for_lines(const BlockAxis& axis, Act act) const;
  void map(const BlockAxis& axis, bool transposed, const Rows<T>& from, const Rows<T>& to,
           bool add) const;
  void gradient(const BlockAxis& axis) const;

  const DenseBlocks& b_;
  std::int64_t outer_, from_, places_;
  Rows<T> x_, y_, dx_, w_, dw_;
};

template <class T>
template <class Act>
void Block<T>::for_lines(const BlockAxis& axis, Act act) const {
  const std::int64_t groups = b_.rows / (axis.size * axis.step);
  if (places_ == 1 && axis.step == 1) return act(0, groups, axis.size * x_.row, axis.size * w_.row);
  for (std::int64_t g = 0; g < groups; ++g) {
    const std::int64_t row = g * axis.size * axis.step;
    if (places_ == 1)
      act(row, axis.step, x_.row, w_.row);
    else
      for (std::int64_t step = 0; step < axis.step; ++step)
        act(row + step, places_, b_.batch, axis.size);
  }
}

template <class T>
void Block<T>::map(const BlockAxis& axis, bool transposed, const Rows<T>& from, const Rows<T>& to,
                   bool add) const {
  const std::int64_t s = axis.size, w_in = axis.step * w_.row, node = axis.step * from.row;
  for_lines(axis,
            [&](std::int64_t row, std::int64_t lines, std::int64_t x_line, std::int64_t w_line) {
              dense_kernels<T>().rows({w_.at + row * w_.row,
                                       from.at + row * from.row,
                                       to.at + row * to.row,
                                       lines,
                                       s,
                                       b_.batch,
                                       w_line,
                                       x_line,
                                       x_line,
                                       transposed ? w_in : 1,
                                       transposed ? 1 : w_in,
                                       node,
                                       node,
                                       {0, 0, s, 0, 0, s},
                                       add,
                                       true});
            });
}

template <class T>
void Block<T>::gradient(const BlockAxis& axis) const {
  const std::int64_t s = axis.size, node = axis.step * x_.row;
  for_lines(axis,
            [&](std::int64_t row, std::int64_t lines, std::int64_t x_line, std::int64_t w_line) {
              dense_kernels<T>().dots({x_.at + row * x_.row,
                                       y_.at + row * y_.row,
                                       dw_.at + row * dw_.row,
                                       lines,
                                       s,
                                       1,
                                       b_.batch,
                                       x_line,
                                       x_line,
                                       w_line,
                                       node,
                                       0,
                                       node,
                                       0,
                                       axis.step * dw_.row,
                                       1,
                                       {0, 0, s, 0, 0, s},
                                       false,
                                       true});
            });
}

template <class T>
void Block<T>::forward(std::span<const DenseTerm<T>> terms, const T* x, T* y, bool add) {
  copy(part_of(x, b_.batch), x_, places_ * b_.batch);
  if (add) copy(part_of<const T>(y, b_.batch), y_, places_ * b_.batch);
  for (size_t i = 0; i < terms.size(); ++i) {
    const BlockAxis& axis = b_.axes[i];
    copy(part_of<const T>(terms[i].w, axis.size), w_, places_ * axis.size);
    map(axis, false, x_, y_, add || i > 0);
  }
  copy(read(y_), part_of(y, b_.batch), places_ * b_.batch);
}

template <class T>
void Block<T>::back(std::span<const DenseTerm<T>> terms, std::span<const AdamwFactors> factors,
                    const T* x, const T* dy, T* dx, bool add) {
  copy(part_of(x, b_.batch), x_, places_ * b_.batch);
  copy(part_of(dy, b_.batch), y_, places_ * b_.batch);
  if (add) copy(part_of<const T>(dx, b_.batch), dx_, places_ * b_.batch);
  for (size_t i = 0; i < terms.size(); ++i) {
    const DenseTerm<T>& term = terms[i];
    const BlockAxis& axis = b_.axes[i];
    const std::int64_t run = places_ * axis.size;
    copy(part_of<const T>(term.w, axis.size), w_, run);
    map(axis, true, y_, dx_, add || i > 0);
    if (!term.dw && !term.update) continue;
    gradient(axis);
    if (term.dw) copy(read(dw_), part_of(term.dw, axis.size), run, true);
    if (!term.update) continue;
    const Rows<T> w = part_of(term.w, axis.size);
    adamw_rows<T>(factors[i], {dw_.at, w.at, part_of(term.first, axis.size).at,
                               part_of(term.second, axis.size).at, b_.rows, run, dw_.row, w.row});
  }
  copy(read(dx_), part_of(dx, b_.batch), places_ * b_.batch);
}

// Blocks of all terms, if each of them runs in blocks that fit into a thread's room.
template <class T>
std::vector<DenseBlocks> blocks_of(std::span<const DenseTerm<T>> terms, std::int64_t room) {
  std::vector<DenseMap> maps;
  for (const DenseTerm<T>& term : terms) {
    weight_shape(term.map);  // checks
    if (!runs_in_blocks(term.map)) return {};
    maps.push_back(term.map);
  }
  return dense_blocks(maps, sizeof(T), room);
}

// act(blocks, number of the block, the thread's room) for all blocks, those of one kind at a time.
template <class T, class Act>
void for_blocks(const std::vector<DenseBlocks>& all, int threads, std::span<T> room, Act act) {
  const std::int64_t own = static_cast<std::int64_t>(room.size()) / threads;
  for (const DenseBlocks& b : all) {
    const std::int64_t count = b.outer * b.cuts();
#pragma omp parallel for schedule(static) num_threads(threads) if (count > 1)
    for (std::int64_t i = 0; i < count; ++i) act(b, i, room.data() + omp_get_thread_num() * own);
  }
}

}  // namespace

template <class T>
void CpuBackend<T>::dense_sum(std::span<const DenseTerm<T>> terms, const T* x, T* y, bool add) {
  const std::vector<DenseBlocks> all = blocks_of(terms, kSumRoom);
  if (all.empty()) return Backend<T>::dense_sum(terms, x, y, add);
  for_blocks<T>(all, threads_, room_.span(), [&](const DenseBlocks& b, std::int64_t i, T* room) {
    Block<T>(b, i, room).forward(terms.subspan(b.first, b.count), x, y, add || b.first > 0);
  });
}

template <class T>
void CpuBackend<T>::dense_sum_back(std::span<const DenseTerm<T>> terms, const T* x, const T* dy,
                                   T* dx, bool add) {
  const std::vector<DenseBlocks> all = blocks_of(terms, kSumRoom);
  if (all.empty()) return Backend<T>::dense_sum_back(terms, x, dy, dx, add);
  std::vector<AdamwFactors> factors;
  for (const DenseTerm<T>& term : terms)
    factors.push_back(term.update ? adamw_factors(*term.update) : AdamwFactors{});
  for_blocks<T>(all, threads_, room_.span(), [&](const DenseBlocks& b, std::int64_t i, T* room) {
    Block<T>(b, i, room)
        .back(terms.subspan(b.first, b.count), std::span(factors).subspan(b.first, b.count), x, dy,
              dx, add || b.first > 0);
  });
}

template <class T>
bool CpuBackend<T>::updates_in_sum(const DenseMap& map) const {
  const DenseTerm<T> term{map, nullptr};
  return !blocks_of(std::span(&term, 1), kSumRoom).empty();
}

template class CpuBackend<float>;
template class CpuBackend<double>;

}  // namespace ortho
