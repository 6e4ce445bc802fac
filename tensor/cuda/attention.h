// The kernels of softmax attention along lines; formulas as in tensor/cpu/attention.cc.
//
// Forward and dq go query by query, dk and dv key by key over the queries that see it, dbias entry
// by entry over its queries: every number has one thread that adds to it. Shares are computed again
// from log_sum wherever they are needed; only each query's mean gain is kept.
#pragma once

#include <launch.h>

#include <cmath>
#include <limits>

#include "tensor/cuda/index.h"
#include "tensor/cuda/team.h"

namespace ortho {

template <class T>
struct AttentionTask {
  Divisor batch, heads, tokens;
  std::uint32_t width, halves, columns, sources;
  bool inner;
  const std::int64_t* steps;
  const std::int32_t *first, *count, *column;
  const T *q, *k, *v, *bias, *log_sum, *dz;

  struct Place {
    std::uint32_t t, b, head;
  };
  // Neighbours share a row where the channels lie inside, else they are neighbouring windows.
  __device__ Place place(std::uint32_t n, const Divisor& own_tokens) const {
    if (inner) {
      const std::uint32_t row = heads.quotient(n);
      return {batch.quotient(row), batch.rest(row), heads.rest(n)};
    }
    const std::uint32_t above = batch.quotient(n);
    return {own_tokens.rest(above), batch.rest(n), own_tokens.quotient(above)};
  }
  __device__ std::int64_t step() const { return inner ? 1 : batch.by(); }
  // Of channel `channel` of a tensor with `all` channels.
  __device__ std::int64_t at(std::int64_t t, const Place& place, std::uint32_t all,
                             std::uint32_t channel) const {
    if (inner) return (t * batch.by() + place.b) * all + channel;
    return (t * all + channel) * batch.by() + place.b;
  }
  __device__ std::uint32_t narrow() const { return heads.by() * width; }
  __device__ std::uint32_t wide() const { return halves * narrow(); }
  __device__ std::int64_t of_q(std::int64_t t, const Place& place) const {
    return at(t, place, narrow(), place.head * width);
  }
  __device__ std::int64_t of_v(std::int64_t t, const Place& place, std::uint32_t half) const {
    return at(t, place, wide(), (half * heads.by() + place.head) * width);
  }
  __device__ std::int64_t row(const Place& place) const {  // of log_sum
    return (std::int64_t{place.head} * tokens.by() + place.t) * batch.by() + place.b;
  }
  __device__ std::int64_t of_bias(const Place& place, std::uint32_t i) const {
    return (std::int64_t{place.head} * sources + i) * columns + column[place.t];
  }

  template <int kTeam>
  __device__ T score(const Place& place, std::int64_t source, std::uint32_t i) const {
    const T *own = q + of_q(place.t, place), *key = k + of_q(source, place);
    T sum = 0;
    for (std::uint32_t c = team_lane<kTeam>(); c < width; c += kTeam)
      sum += own[c * step()] * key[c * step()];
    const T scale = T(1) / std::sqrt(static_cast<T>(width));
    return team_sum<kTeam>(sum) * scale + bias[of_bias(place, i)];
  }
  // dz . v: what a larger share of this source would gain.
  template <int kTeam>
  __device__ T gain(const Place& place, std::int64_t source) const {
    T sum = 0;
    for (std::uint32_t half = 0; half < halves; ++half) {
      const T *value = v + of_v(source, place, half), *result = dz + of_v(place.t, place, half);
      for (std::uint32_t c = team_lane<kTeam>(); c < width; c += kTeam)
        sum += result[c * step()] * value[c * step()];
    }
    return team_sum<kTeam>(sum);
  }
  template <int kTeam>
  __device__ T share(const Place& place, std::int64_t source, std::uint32_t i) const {
    return std::exp(score<kTeam>(place, source, i) - log_sum[row(place)]);
  }
};

// One query: z, which its team's threads keep a channel each of, and log_sum.
template <int kTeam, class T>
__global__ void __launch_bounds__(kTeamThreads, 2)
    attend_kernel(AttentionTask<T> task, std::uint32_t queries, T* z, T* log_sum) {
  const std::uint32_t n = team_index<kTeam>();
  if (n >= queries) return;
  const auto place = task.place(n, task.tokens);
  const std::int64_t step = task.step();
  const auto count = static_cast<std::uint32_t>(task.count[place.t]);
  T most = -std::numeric_limits<T>::infinity(), sum = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::int64_t source = task.first[place.t] + task.steps[i];
    const T score = task.template score<kTeam>(place, source, i);
    const T kept = score > most ? std::exp(most - score) : T(1);  // 0 the first time
    most = score > most ? score : most;
    const T share = std::exp(score - most);
    sum = sum * kept + share;
    for (std::uint32_t half = 0; half < task.halves; ++half) {
      const T* const value = task.v + task.of_v(source, place, half);
      T* const result = z + task.of_v(place.t, place, half);
      for (std::uint32_t c = team_lane<kTeam>(); c < task.width; c += kTeam)
        result[c * step] = (i == 0 ? T(0) : result[c * step] * kept) + share * value[c * step];
    }
  }
  for (std::uint32_t half = 0; half < task.halves; ++half) {
    T* const result = z + task.of_v(place.t, place, half);
    for (std::uint32_t c = team_lane<kTeam>(); c < task.width; c += kTeam) result[c * step] /= sum;
  }
  if (team_lane<kTeam>() == 0) log_sum[task.row(place)] = most + std::log(sum);
}

// One query: its mean gain, [heads][tokens][batch] like log_sum, and dq.
template <int kTeam, class T>
__global__ void __launch_bounds__(kTeamThreads, 2)
    attend_dq_kernel(AttentionTask<T> task, std::uint32_t queries, T* mean, T* dq) {
  const std::uint32_t n = team_index<kTeam>();
  if (n >= queries) return;
  const auto place = task.place(n, task.tokens);
  const std::int64_t step = task.step();
  const auto count = static_cast<std::uint32_t>(task.count[place.t]);
  const T scale = T(1) / std::sqrt(static_cast<T>(task.width));
  T* const own = dq + task.of_q(place.t, place);
  T average = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::int64_t source = task.first[place.t] + task.steps[i];
    average +=
        task.template share<kTeam>(place, source, i) * task.template gain<kTeam>(place, source);
  }
  if (team_lane<kTeam>() == 0) mean[task.row(place)] = average;
  for (std::uint32_t c = team_lane<kTeam>(); c < task.width; c += kTeam) own[c * step] = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::int64_t source = task.first[place.t] + task.steps[i];
    const T factor = task.template share<kTeam>(place, source, i) *
                     (task.template gain<kTeam>(place, source) - average) * scale;
    const T* const key = task.k + task.of_q(source, place);
    for (std::uint32_t c = team_lane<kTeam>(); c < task.width; c += kTeam)
      own[c * step] += factor * key[c * step];
  }
}

// Pairs (query token, number of its source) in lists: those of list l are starts[l] … - 1.
struct PairLists {
  const std::int32_t *starts, *token, *source;
};

// One key: dk and dv, from the queries that see it.
template <int kTeam, class T>
__global__ void __launch_bounds__(kTeamThreads, 2)
    attend_dkv_kernel(AttentionTask<T> task, std::uint32_t count, Divisor keys, PairLists seen,
                      const T* mean, T* dk, T* dv) {
  const std::uint32_t n = team_index<kTeam>();
  if (n >= count) return;
  const auto key = task.place(n, keys);
  const std::int64_t step = task.step();
  const T scale = T(1) / std::sqrt(static_cast<T>(task.width));
  T* const own = dk + task.of_q(key.t, key);
  for (std::int32_t p = seen.starts[key.t]; p < seen.starts[key.t + 1]; ++p) {
    auto query = key;
    query.t = static_cast<std::uint32_t>(seen.token[p]);
    const auto i = static_cast<std::uint32_t>(seen.source[p]);
    const T share = task.template share<kTeam>(query, key.t, i);
    const T gain = task.template gain<kTeam>(query, key.t);
    const T factor = share * (gain - mean[task.row(query)]) * scale;
    const T* const q = task.q + task.of_q(query.t, query);
    for (std::uint32_t c = team_lane<kTeam>(); c < task.width; c += kTeam)
      own[c * step] += factor * q[c * step];
    for (std::uint32_t half = 0; half < task.halves; ++half) {
      const T* const result = task.dz + task.of_v(query.t, query, half);
      T* const value = dv + task.of_v(key.t, key, half);
      for (std::uint32_t c = team_lane<kTeam>(); c < task.width; c += kTeam)
        value[c * step] += share * result[c * step];
    }
  }
}

// A block: dbias[head][i][column], from all windows of the queries of list (i, column).
template <class T>
__global__ void __launch_bounds__(kTeamThreads, 2)
    attend_dbias_kernel(AttentionTask<T> task, PairLists lists, const T* mean, T* dbias) {
  const std::uint32_t each = task.sources * task.columns;
  const std::uint32_t head = blockIdx.x / each, list = blockIdx.x % each;
  const std::uint32_t i = list / task.columns,
                      begin = static_cast<std::uint32_t>(lists.starts[list]);
  const std::uint32_t pairs = static_cast<std::uint32_t>(lists.starts[list + 1]) - begin;
  T sum = 0;
  for (std::uint32_t n = threadIdx.x; n < pairs * task.batch.by(); n += kTeamThreads) {
    const std::uint32_t pair = task.batch.quotient(n);
    const auto t = static_cast<std::uint32_t>(lists.token[begin + pair]);
    const typename AttentionTask<T>::Place query = {t, task.batch.rest(n), head};
    const std::int64_t source = task.first[t] + task.steps[i];
    sum += task.template share<1>(query, source, i) *
           (task.template gain<1>(query, source) - mean[task.row(query)]);
  }
  sum = block_sum(sum, shared_memory<T>());
  if (threadIdx.x == 0) dbias[blockIdx.x] += sum;
}

}  // namespace ortho
