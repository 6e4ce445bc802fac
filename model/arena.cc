#include "model/arena.h"

namespace ortho {

template <class T>
std::vector<T*> Arena<T>::take_shared(std::span<const std::int64_t> counts, Channel* world) {
  constexpr std::int64_t kAlign = 64 / sizeof(T);  // elements of a line of the cache
  std::vector<std::int64_t> begins;
  std::int64_t end = 0;
  for (const std::int64_t count : counts) {
    count_bytes<T>(count);
    begins.push_back(end);
    end += (count + kAlign - 1) / kAlign * kAlign;
  }
  std::vector<T*> places(counts.size(), nullptr);
  if (measure_) return places;
  shared_.push_back(world->share(checked_product(end, std::int64_t{sizeof(T)})));
  T* const block = reinterpret_cast<T*>(shared_.back()->bytes().data());
  for (size_t i = 0; i < counts.size(); ++i)
    if (counts[i] > 0) places[i] = block + begins[i];
  return places;
}

template class Arena<float>;
template class Arena<double>;

}  // namespace ortho
