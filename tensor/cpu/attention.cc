// Softmax attention along lines. Forward sums in one pass over the sources, with the largest score
// so far taken out; backward computes the shares again from log_sum, so nothing of size sources is
// kept. Heads are apart everywhere, so backward runs one head a thread.
//
//   p(i) = exp(score(i) - log_sum),  a(i) = dz . v(i),  dscore(i) = p(i) * (a(i) - sum_k p(k) a(k))
#include <cmath>
#include <limits>

#include "tensor/cpu/cpu_backend.h"

namespace ortho {
namespace {

// Where the channels of one head lie: of token t and window b from at(t, b) on, kStep apart.
template <bool kInner>
struct Rows {
  std::int64_t batch, channels;
  std::int64_t step() const { return kInner ? 1 : batch; }
  std::int64_t at(std::int64_t t, std::int64_t b, std::int64_t channel) const {
    return kInner ? (t * batch + b) * channels + channel : (t * channels + channel) * batch + b;
  }
};

// One token, all windows and heads.
template <class T, bool kInner>
ORTHO_CLONES void attend_token(const Attention& a, std::int64_t t, const T* __restrict q,
                               const T* __restrict k, const T* __restrict v,
                               const T* __restrict bias, T* __restrict z, T* __restrict log_sum) {
  const Rows<kInner> narrow{a.batch, a.channels()}, wide{a.batch, a.halves * a.channels()};
  const std::int64_t step = narrow.step(), width = a.width;
  const T scale = T(1) / std::sqrt(static_cast<T>(width));
  const std::int64_t first = a.first[static_cast<size_t>(t)],
                     column = a.column[static_cast<size_t>(t)];
  const std::int64_t count = a.count[static_cast<size_t>(t)];
  for (std::int64_t b = 0; b < a.batch; ++b)
    for (std::int64_t head = 0; head < a.heads; ++head) {
      const T* own = q + narrow.at(t, b, head * width);
      T most = -std::numeric_limits<T>::infinity(), sum = 0;
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t source = first + a.steps[static_cast<size_t>(i)];
        const T* key = k + narrow.at(source, b, head * width);
        T score = 0;
#pragma omp simd reduction(+ : score)
        for (std::int64_t c = 0; c < width; ++c) score += own[c * step] * key[c * step];
        score = score * scale + bias[(head * a.sources() + i) * a.columns + column];
        const T kept = score > most ? std::exp(most - score) : T(1);  // 0 the first time
        most = std::max(most, score);
        const T share = std::exp(score - most);
        sum = sum * kept + share;
        for (std::int64_t half = 0; half < a.halves; ++half) {
          const std::int64_t channel = (half * a.heads + head) * width;
          const T* value = v + wide.at(source, b, channel);
          T* result = z + wide.at(t, b, channel);
          if (i == 0)
            for (std::int64_t c = 0; c < width; ++c) result[c * step] = value[c * step];
          else
            for (std::int64_t c = 0; c < width; ++c)
              result[c * step] = result[c * step] * kept + share * value[c * step];
        }
      }
      for (std::int64_t half = 0; half < a.halves; ++half) {
        T* result = z + wide.at(t, b, (half * a.heads + head) * width);
        for (std::int64_t c = 0; c < width; ++c) result[c * step] /= sum;
      }
      log_sum[(head * a.tokens() + t) * a.batch + b] = most + std::log(sum);
    }
}

template <class T>
struct AttentionGradients {
  T *q, *k, *v, *bias;
};

// One head, all tokens and windows. work [2][sources].
template <class T, bool kInner>
ORTHO_CLONES void attend_back_head(const Attention& a, std::int64_t head, const T* __restrict q,
                                   const T* __restrict k, const T* __restrict v, const T* bias,
                                   const T* log_sum, const T* __restrict dz,
                                   AttentionGradients<T> gradient, T* __restrict work) {
  const Rows<kInner> narrow{a.batch, a.channels()}, wide{a.batch, a.halves * a.channels()};
  const std::int64_t step = narrow.step(), width = a.width;
  const T scale = T(1) / std::sqrt(static_cast<T>(width));
  T* const share = work;
  T* const gain = work + a.sources();
  for (std::int64_t t = 0; t < a.tokens(); ++t)
    for (std::int64_t b = 0; b < a.batch; ++b) {
      const std::int64_t first = a.first[static_cast<size_t>(t)],
                         count = a.count[static_cast<size_t>(t)];
      const std::int64_t column = a.column[static_cast<size_t>(t)];
      const std::int64_t own = narrow.at(t, b, head * width);
      const T most = log_sum[(head * a.tokens() + t) * a.batch + b];
      T mean = 0;
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t source = first + a.steps[static_cast<size_t>(i)];
        const T* key = k + narrow.at(source, b, head * width);
        T score = 0, along = 0;
#pragma omp simd reduction(+ : score)
        for (std::int64_t c = 0; c < width; ++c) score += q[own + c * step] * key[c * step];
        score = score * scale + bias[(head * a.sources() + i) * a.columns + column];
        share[i] = std::exp(score - most);
        for (std::int64_t half = 0; half < a.halves; ++half) {
          const std::int64_t channel = (half * a.heads + head) * width;
          const T* value = v + wide.at(source, b, channel);
          T* dvalue = gradient.v + wide.at(source, b, channel);
          const T* dresult = dz + wide.at(t, b, channel);
#pragma omp simd reduction(+ : along)
          for (std::int64_t c = 0; c < width; ++c) {
            along += dresult[c * step] * value[c * step];
            dvalue[c * step] += share[i] * dresult[c * step];
          }
        }
        gain[i] = along;
        mean += share[i] * along;
      }
      for (std::int64_t c = 0; c < width; ++c) gradient.q[own + c * step] = 0;
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t source = first + a.steps[static_cast<size_t>(i)];
        const std::int64_t key = narrow.at(source, b, head * width);
        const T dscore = share[i] * (gain[i] - mean), factor = dscore * scale;
        gradient.bias[(head * a.sources() + i) * a.columns + column] += dscore;
#pragma omp simd
        for (std::int64_t c = 0; c < width; ++c) {
          gradient.q[own + c * step] += factor * k[key + c * step];
          gradient.k[key + c * step] += factor * q[own + c * step];
        }
      }
    }
}

}  // namespace

template <class T>
void CpuBackend<T>::attend(const Attention& attention, const T* q, const T* k, const T* v,
                           const T* bias, T* z, T* log_sum) {
  const bool inner = attention.order == Order::channels_inner;
#pragma omp parallel for schedule(static)
  for (std::int64_t t = 0; t < attention.tokens(); ++t)
    if (inner)
      attend_token<T, true>(attention, t, q, k, v, bias, z, log_sum);
    else
      attend_token<T, false>(attention, t, q, k, v, bias, z, log_sum);
}

template <class T>
void CpuBackend<T>::attend_back(const Attention& attention, const T* q, const T* k, const T* v,
                                const T* bias, const T* log_sum, const T* dz, T* dq, T* dk, T* dv,
                                T* dbias, T* work) {
  const bool inner = attention.order == Order::channels_inner;
  const AttentionGradients<T> gradient{dq, dk, dv, dbias};
#pragma omp parallel for schedule(static)
  for (std::int64_t head = 0; head < attention.heads; ++head) {
    T* const own = work + head * 2 * attention.sources();
    if (inner)
      attend_back_head<T, true>(attention, head, q, k, v, bias, log_sum, dz, gradient, own);
    else
      attend_back_head<T, false>(attention, head, q, k, v, bias, log_sum, dz, gradient, own);
  }
}

template class CpuBackend<float>;
template class CpuBackend<double>;

}  // namespace ortho
