#include "tensor/cpu/dense_channels.h"

#include <omp.h>

#include <algorithm>

#include "tensor/box.h"
#include "tensor/cpu/dense_kernels.h"

namespace ortho {
namespace {

struct Sizes {
  std::int64_t tokens, batch, in, out;
  std::int64_t w_token;  // elements of W between tokens
  std::int64_t x_token() const { return batch * in; }
  std::int64_t y_token() const { return batch * out; }
};

Sizes sizes(const DenseMap& map) {
  weight_shape(map);  // checks
  return {elements(map.tokens), map.batch, map.channels, map.out,
          map.weights == Weights::separate ? map.channels * map.out : 0};
}

Band all(std::int64_t inputs) { return {0, 0, inputs, 0, 0, inputs}; }

// act(first, count) for groups of tokens, in parallel.
template <class Act>
void for_tokens(const Sizes& n, Act act) {
  const std::int64_t group = std::max<std::int64_t>(1, (1 << 18) / (n.batch * n.in * n.out));
#pragma omp parallel for schedule(static) if (n.tokens > group)
  for (std::int64_t t = 0; t < n.tokens; t += group) act(t, std::min(group, n.tokens - t));
}

// dw[t] += x[t]^T dy[t] over `rows` windows for inputs [from, to) of `lines` tokens.
template <class T>
void transposed_product(const Sizes& n, std::int64_t lines, std::int64_t rows, Range inputs,
                        const T* x, const T* dy, T* dw) {
  dense_kernels<T>().rows({x + inputs.lo, dy, dw + inputs.lo * n.out, lines, inputs.size(), n.out,
                           n.x_token(), n.y_token(), n.w_token, 1, n.in, n.out, n.out, all(rows),
                           true});
}

// All tokens and windows add to the same W: each thread takes some inputs, the rows in chunks.
template <class T>
void shared_dw(const Sizes& n, const T* x, const T* dy, T* dw) {
  constexpr std::int64_t kRows = 256;
  const std::int64_t rows = n.tokens * n.batch;
#pragma omp parallel
  {
    const Range mine = split(n.in, omp_get_num_threads(), omp_get_thread_num());
    for (std::int64_t r = 0; r < rows; r += kRows)
      transposed_product(n, 1, std::min(kRows, rows - r), mine, x + r * n.in, dy + r * n.out, dw);
  }
}

}  // namespace

template <class T>
void channels_dense(const DenseMap& map, const T* x, const T* w, T* y, bool add) {
  const Sizes n = sizes(map);
  for_tokens(n, [&](std::int64_t t, std::int64_t count) {
    dense_kernels<T>().rows({x + t * n.x_token(), w + t * n.w_token, y + t * n.y_token(), count,
                             n.batch, n.out, n.x_token(), n.w_token, n.y_token(), n.in, 1, n.out,
                             n.out, all(n.in), add});
  });
}

template <class T>
void channels_dense_dx(const DenseMap& map, const T* dy, const T* w, T* dx, bool add) {
  const Sizes n = sizes(map);
  for_tokens(n, [&](std::int64_t t, std::int64_t count) {
    dense_kernels<T>().dots({w + t * n.w_token, dy + t * n.y_token(), dx + t * n.x_token(), count,
                             n.batch, 1, n.out, n.w_token, n.y_token(), n.x_token(), n.out, 0,
                             n.out, 0, 1, n.in, all(n.in), add});
  });
}

template <class T>
void channels_dense_dw(const DenseMap& map, const T* x, const T* dy, T* dw) {
  const Sizes n = sizes(map);
  if (n.w_token == 0) return shared_dw(n, x, dy, dw);
  for_tokens(n, [&](std::int64_t t, std::int64_t count) {
    transposed_product(n, count, n.batch, {0, n.in}, x + t * n.x_token(), dy + t * n.y_token(),
                       dw + t * n.w_token);
  });
}

template void channels_dense(const DenseMap&, const float*, const float*, float*, bool);
template void channels_dense(const DenseMap&, const double*, const double*, double*, bool);
template void channels_dense_dx(const DenseMap&, const float*, const float*, float*, bool);
template void channels_dense_dx(const DenseMap&, const double*, const double*, double*, bool);
template void channels_dense_dw(const DenseMap&, const float*, const float*, float*);
template void channels_dense_dw(const DenseMap&, const double*, const double*, double*);

}  // namespace ortho
