// Sums of dense maps, block by block: what a block needs is fetched into a core's cache once, all
// its maps run there, and a weight's gradient can move the weight before it leaves.
//
// A block's nodes and lines are whole, so every number is the sum it is in dense.cc, in its order,
// and no result depends on how the grid is cut.
#include <omp.h>

#include <algorithm>

#include "tensor/cpu/copy_rows.h"
#include "tensor/cpu/cpu_backend.h"
#include "tensor/cpu/dense_blocks.h"
#include "tensor/cpu/dense_kernels.h"
#include "tensor/cpu/update.h"

namespace ortho {
namespace {

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
      room += b.weights();
    }
  }

  void forward(std::span<const DenseTerm<T>> terms, const T* x, T* y, bool add);
  void back(std::span<const DenseTerm<T>> terms, std::span<const AdamwFactors<T>> factors,
            const T* x, const T* dy, T* dx, bool add);

 private:
  // Where the block begins in an array with `width` elements a place.
  template <class A>
  Rows<A> part_of(A* array, std::int64_t width) const {
    return {array + (outer_ * b_.rows * b_.inner + from_) * width, b_.inner * width};
  }
  void fetch(Rows<const T> from, const Rows<T>& to, std::int64_t run) const {
    copy_rows<T>({from.at, to.at, b_.rows, run, from.row, to.row});
  }
  void put(const Rows<T>& from, const Rows<T>& to, std::int64_t run, bool add = false) const {
    copy_rows<T>({from.at, to.at, b_.rows, run, from.row, to.row, add, true});
  }

  // act(first row, first place, lines, steps between those in nodes and in weights).
  template <class Act>
  void for_lines(const BlockAxis& axis, Act act) const;
  void map(const BlockAxis& axis, bool transposed, const Rows<T>& from, const Rows<T>& to,
           bool add) const;
  void gradient(const BlockAxis& axis) const;
  void pairs(std::span<const DenseTerm<T>> terms, bool back, const Rows<T>& from, const Rows<T>& to,
             bool add) const;
  void pairs_gradient() const;
  // Of axis number i of the block; where axes take turns, all have the same place.
  Rows<T> weights_of(const Rows<T>& all, size_t i) const {
    return {all.at + (b_.pairs ? static_cast<std::int64_t>(i) * b_.rows * all.row : 0), all.row};
  }
  void fetch_weight(const DenseTerm<T>& term, size_t i) const;
  void use_gradient(const DenseTerm<T>& term, const AdamwFactors<T>& factors, size_t i) const;

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
void Block<T>::pairs(std::span<const DenseTerm<T>> terms, bool back, const Rows<T>& from,
                     const Rows<T>& to, bool add) const {
  constexpr size_t kMost = kPairAxes;
  for (size_t i = 0; i < terms.size(); i += kMost) {
    PairsTask<T> task{};
    task.axes = static_cast<int>(std::min(kMost, terms.size() - i));
    for (size_t a = 0; a < static_cast<size_t>(task.axes); ++a) {
      task.w[a] = w_.at + static_cast<std::int64_t>(i + a) * b_.rows * w_.row;
      task.step[a] = b_.axes[i + a].step;
    }
    task.x = from.at;
    task.y = to.at;
    task.rows = b_.rows;
    task.places = places_;
    task.batch = b_.batch;
    task.row = from.row;
    task.w_row = w_.row;
    task.back = back;
    task.add = add || i > 0;
    dense_kernels<T>().pairs(task);
  }
}

template <class T>
void Block<T>::pairs_gradient() const {
  std::vector<std::int64_t> steps;
  for (const BlockAxis& axis : b_.axes) steps.push_back(axis.step);
  dense_kernels<T>().pairs_dots({steps.data(), static_cast<int>(steps.size()), x_.at, y_.at, dw_.at,
                                 b_.rows, places_, b_.batch, x_.row, b_.rows * dw_.row, dw_.row});
}

template <class T>
void Block<T>::fetch_weight(const DenseTerm<T>& term, size_t i) const {
  const std::int64_t s = b_.axes[i].size;
  fetch(part_of<const T>(term.w, s), weights_of(w_, i), places_ * s);
}

template <class T>
void Block<T>::forward(std::span<const DenseTerm<T>> terms, const T* x, T* y, bool add) {
  const std::int64_t run = places_ * b_.batch;
  fetch(part_of(x, b_.batch), x_, run);
  if (add) fetch(part_of<const T>(y, b_.batch), y_, run);
  for (size_t i = 0; i < terms.size(); ++i) {
    fetch_weight(terms[i], i);
    if (!b_.pairs) map(b_.axes[i], false, x_, y_, add || i > 0);
  }
  if (b_.pairs) pairs(terms, false, x_, y_, add);
  put(y_, part_of(y, b_.batch), run);
}

template <class T>
void Block<T>::back(std::span<const DenseTerm<T>> terms, std::span<const AdamwFactors<T>> factors,
                    const T* x, const T* dy, T* dx, bool add) {
  const std::int64_t run = places_ * b_.batch;
  fetch(part_of(x, b_.batch), x_, run);
  fetch(part_of(dy, b_.batch), y_, run);
  if (add) fetch(part_of<const T>(dx, b_.batch), dx_, run);
  const auto wanted = [](const DenseTerm<T>& term) { return term.dw || term.update; };
  for (size_t i = 0; i < terms.size(); ++i) {
    fetch_weight(terms[i], i);
    if (b_.pairs) continue;
    map(b_.axes[i], true, y_, dx_, add || i > 0);
    if (!wanted(terms[i])) continue;
    gradient(b_.axes[i]);
    use_gradient(terms[i], factors[i], i);
  }
  if (b_.pairs) {
    pairs(terms, true, y_, dx_, add);
    if (std::any_of(terms.begin(), terms.end(), wanted)) pairs_gradient();
    for (size_t i = 0; i < terms.size(); ++i)
      if (wanted(terms[i])) use_gradient(terms[i], factors[i], i);
  }
  put(dx_, part_of(dx, b_.batch), run);
}

// Where it goes: to the gradients, or at once into the weight.
template <class T>
void Block<T>::use_gradient(const DenseTerm<T>& term, const AdamwFactors<T>& factors,
                            size_t i) const {
  const std::int64_t s = b_.axes[i].size, run = places_ * s;
  const Rows<T> dw = weights_of(dw_, i), w = part_of(term.w, s);
  if (term.dw) put(dw, part_of(term.dw, s), run, true);
  if (term.update)
    adamw_rows<T>(factors, {dw.at, w.at, part_of(term.first, s).at, part_of(term.second, s).at,
                            b_.rows, run, dw.row, w.row});
}

// Terms that follow each other and run the same way: in the blocks, or where there are none, one
// after the other.
template <class T>
struct Stretch {
  std::span<const DenseTerm<T>> terms;
  std::vector<DenseBlocks> blocks;
};

template <class T>
std::vector<Stretch<T>> stretches(std::span<const DenseTerm<T>> terms, std::int64_t room) {
  std::vector<Stretch<T>> all;
  for (size_t first = 0, end = 0; first < terms.size(); first = end) {
    weight_shape(terms[first].map);  // checks
    std::vector<DenseMap> maps;
    for (end = first; end < terms.size() && runs_in_blocks(terms[end].map); ++end)
      maps.push_back(terms[end].map);
    if (maps.empty()) ++end;
    all.push_back({terms.subspan(first, end - first), {}});
    if (!maps.empty()) all.back().blocks = dense_blocks(maps, sizeof(T), room);
  }
  return all;
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
  for (const Stretch<T>& s : stretches(terms, kSumRoom)) {
    const bool adds = add || s.terms.data() != terms.data();
    if (s.blocks.empty()) Backend<T>::dense_sum(s.terms, x, y, adds);
    for_blocks<T>(s.blocks, threads_, room_.span(),
                  [&](const DenseBlocks& b, std::int64_t i, T* room) {
                    Block<T>(b, i, room)
                        .forward(s.terms.subspan(b.first, b.count), x, y, adds || b.first > 0);
                  });
  }
}

template <class T>
void CpuBackend<T>::dense_sum_back(std::span<const DenseTerm<T>> terms, const T* x, const T* dy,
                                   T* dx, bool add) {
  for (const Stretch<T>& s : stretches(terms, kSumRoom)) {
    const bool adds = add || s.terms.data() != terms.data();
    if (s.blocks.empty()) Backend<T>::dense_sum_back(s.terms, x, dy, dx, adds);
    std::vector<AdamwFactors<T>> factors;
    for (const DenseTerm<T>& term : s.terms)
      factors.push_back(term.update ? AdamwFactors<T>::of(*term.update) : AdamwFactors<T>{});
    for_blocks<T>(
        s.blocks, threads_, room_.span(), [&](const DenseBlocks& b, std::int64_t i, T* room) {
          Block<T>(b, i, room)
              .back(s.terms.subspan(b.first, b.count), std::span(factors).subspan(b.first, b.count),
                    x, dy, dx, adds || b.first > 0);
        });
  }
}

template <class T>
bool CpuBackend<T>::updates_in_sum(const DenseMap& map) const {
  const DenseTerm<T> term{map, nullptr};
  return !stretches(std::span(&term, 1), kSumRoom)[0].blocks.empty();
}

template class CpuBackend<float>;
template class CpuBackend<double>;

}  // namespace ortho
