// Optimizer updates: tensor/update_formulas.h, a thread a weight, and sums of squares.
#include "tensor/cuda/cuda_backend.h"
#include "tensor/cuda/for_each.h"
#include "tensor/cuda/reduce.h"
#include "tensor/update_formulas.h"

namespace ortho {
namespace {

template <bool kSparse, class T>
struct Adamw {
  AdamwFactors<T> factors;
  const T* gradient;
  T *weight, *first, *second;
  __device__ void operator()(std::uint32_t i) const {
    T w = weight[i], m = first[i], v = second[i];
    adamw_weight<kSparse>(factors, gradient[i], w, m, v);
    weight[i] = w;
    first[i] = m;
    second[i] = v;
  }
};

template <bool kSparse, class T>
struct Sgd {
  SgdFactors<T> factors;
  const T* gradient;
  T *weight, *velocity;
  __device__ void operator()(std::uint32_t i) const {
    T w = weight[i], v = velocity[i];
    sgd_weight<kSparse>(factors, gradient[i], w, v);
    weight[i] = w;
    velocity[i] = v;
  }
};

template <class T>
struct Square {
  const T* x;
  __device__ double operator()(std::uint32_t i) const {
    return static_cast<double>(x[i]) * static_cast<double>(x[i]);
  }
};

// Weights of a rank may be more than one launch can count.
constexpr std::int64_t kMost = std::int64_t{1} << 30;

// act(first, count) for pieces that are.
template <class Act>
void for_each_piece(std::int64_t count, Act act) {
  for (std::int64_t i = 0; i < count; i += kMost) act(i, std::min(kMost, count - i));
}

}  // namespace

template <class T>
double CudaBackend<T>::sum_squares(std::int64_t count, const T* x) {
  double sum = 0;
  for_each_piece(count, [&](std::int64_t i, std::int64_t n) {
    device_.begin_operation();
    sum += sum_of(device_, n, Square<T>{x + i});
  });
  return sum;
}

template <class T>
void CudaBackend<T>::adamw(const AdamwStep& step, std::int64_t count, const T* grad, T* weight,
                           T* first, T* second) {
  const auto f = AdamwFactors<T>::of(step);
  for_each_piece(count, [&](std::int64_t i, std::int64_t n) {
    if (step.opened > 0)
      for_each(device_, n, Adamw<true, T>{f, grad + i, weight + i, first + i, second + i});
    else
      for_each(device_, n, Adamw<false, T>{f, grad + i, weight + i, first + i, second + i});
  });
}

template <class T>
void CudaBackend<T>::sgd(const SgdStep& step, std::int64_t count, const T* grad, T* weight,
                         T* velocity) {
  const auto f = SgdFactors<T>::of(step);
  for_each_piece(count, [&](std::int64_t i, std::int64_t n) {
    if (step.opened > 0)
      for_each(device_, n, Sgd<true, T>{f, grad + i, weight + i, velocity + i});
    else
      for_each(device_, n, Sgd<false, T>{f, grad + i, weight + i, velocity + i});
  });
}

template class CudaBackend<float>;

}  // namespace ortho
