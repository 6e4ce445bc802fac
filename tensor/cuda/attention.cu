#include <algorithm>
#include <vector>

#include "tensor/cuda/attention.h"
#include "tensor/cuda/cuda_backend.h"

namespace ortho {
namespace {

template <class T>
AttentionTask<T> make_task(CudaDevice& device, const Attention& a, const T* q, const T* k,
                           const T* v, const T* bias) {
  device.begin_operation();
  AttentionTask<T> task{};
  task.batch = Divisor(a.batch);
  task.heads = Divisor(a.heads);
  task.tokens = Divisor(a.tokens());
  task.width = index32(a.width);
  task.halves = index32(a.halves);
  task.columns = index32(a.columns);
  task.sources = index32(a.sources());
  task.inner = a.order == Order::channels_inner;
  task.steps = device.send(std::span<const std::int64_t>(a.steps));
  task.first = device.send(a.first);
  task.count = device.send(a.count);
  task.column = device.send(a.column);
  task.q = q;
  task.k = k;
  task.v = v;
  task.bias = bias;
  return task;
}

// Pairs (query token, number of its source), sorted into lists in their order.
struct SortedPairs {
  std::vector<std::int32_t> starts, token, source;

  // list_of(t, i) is below `lists`.
  template <class ListOf>
  SortedPairs(const Attention& a, std::int64_t lists, ListOf list_of)
      : starts(static_cast<size_t>(lists) + 1) {
    for_each_pair(a, [&](std::int64_t t, std::int64_t i) {
      ++starts[static_cast<size_t>(list_of(t, i)) + 1];
    });
    for (size_t l = 1; l < starts.size(); ++l) starts[l] += starts[l - 1];
    token.resize(static_cast<size_t>(starts.back()));
    source.resize(token.size());
    std::vector<std::int32_t> next(starts.begin(), starts.end() - 1);
    for_each_pair(a, [&](std::int64_t t, std::int64_t i) {
      const auto at = static_cast<size_t>(next[static_cast<size_t>(list_of(t, i))]++);
      token[at] = static_cast<std::int32_t>(t);
      source[at] = static_cast<std::int32_t>(i);
    });
  }

  template <class Act>
  static void for_each_pair(const Attention& a, Act act) {
    for (std::int64_t t = 0; t < a.tokens(); ++t)
      for (std::int64_t i = 0; i < a.count[static_cast<size_t>(t)]; ++i) act(t, i);
  }

  PairLists send(CudaDevice& device) const {
    const auto numbers = [&](const std::vector<std::int32_t>& list) {
      return device.send(std::span<const std::int32_t>(list));
    };
    return {numbers(starts), numbers(token), numbers(source)};
  }
};

std::int64_t source_of(const Attention& a, std::int64_t t, std::int64_t i) {
  return a.first[static_cast<size_t>(t)] + a.steps[static_cast<size_t>(i)];
}

// One past the last key that anybody sees.
std::int64_t keys_seen(const Attention& a) {
  std::int64_t keys = 0;
  SortedPairs::for_each_pair(
      a, [&](std::int64_t t, std::int64_t i) { keys = std::max(keys, source_of(a, t, i) + 1); });
  return keys;
}

template <int kTeam, class T>
void launch_back(CudaDevice& device, const Attention& a, const AttentionTask<T>& task, T* mean,
                 T* dq, T* dk, T* dv) {
  const std::uint32_t queries = index32(a.tokens() * a.batch * a.heads);
  launch(attend_dq_kernel<kTeam, T>, team_grid<kTeam>(queries), device.stream(), task, queries,
         mean, dq);
  const std::int64_t keys = keys_seen(a);
  const SortedPairs seen(a, keys,
                         [&](std::int64_t t, std::int64_t i) { return source_of(a, t, i); });
  const std::uint32_t count = index32(keys * a.batch * a.heads);
  launch(attend_dkv_kernel<kTeam, T>, team_grid<kTeam>(count), device.stream(), task, count,
         Divisor(keys), seen.send(device), mean, dk, dv);
}

template <class T>
void launch_dbias(CudaDevice& device, const Attention& a, const AttentionTask<T>& task,
                  const T* mean, T* dbias) {
  const SortedPairs lists(a, a.sources() * a.columns, [&](std::int64_t t, std::int64_t i) {
    return i * a.columns + a.column[static_cast<size_t>(t)];
  });
  launch(attend_dbias_kernel<T>,
         {{index32(a.heads * a.sources() * a.columns)},
          {kTeamThreads},
          kTeamThreads / kWarp * sizeof(T)},
         device.stream(), task, lists.send(device), mean, dbias);
}

}  // namespace

template <class T>
void CudaBackend<T>::attend(const Attention& attention, const T* q, const T* k, const T* v,
                            const T* bias, T* z, T* log_sum) {
  const AttentionTask<T> task = make_task(device_, attention, q, k, v, bias);
  const std::uint32_t queries = index32(attention.tokens() * attention.batch * attention.heads);
  if (queries == 0) return;
  if (task.inner)
    launch(attend_kernel<kWarp, T>, team_grid<kWarp>(queries), device_.stream(), task, queries, z,
           log_sum);
  else
    launch(attend_kernel<1, T>, team_grid<1>(queries), device_.stream(), task, queries, z, log_sum);
}

template <class T>
void CudaBackend<T>::attend_back(const Attention& attention, const T* q, const T* k, const T* v,
                                 const T* bias, const T* log_sum, const T* dz, T* dq, T* dk, T* dv,
                                 T* dbias, T*) {
  if (attention.tokens() * attention.batch == 0) return;
  AttentionTask<T> task = make_task(device_, attention, q, k, v, bias);
  task.log_sum = log_sum;
  task.dz = dz;
  T* const mean =
      device_.template scratch<T>(attention.tokens() * attention.batch * attention.heads);
  if (task.inner)
    launch_back<kWarp>(device_, attention, task, mean, dq, dk, dv);
  else
    launch_back<1>(device_, attention, task, mean, dq, dk, dv);
  launch_dbias(device_, attention, task, mean, dbias);
}

template class CudaBackend<float>;

}  // namespace ortho
