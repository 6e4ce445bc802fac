// Pack: 16 bytes of neighbours, moved by one instruction. The address must be a multiple of 16.
#pragma once

#include <annotations.h>

#include <cstdint>

namespace ortho {

template <class T, int kCount>
struct alignas(sizeof(T) * kCount) Pack {
  static_assert(sizeof(T) * kCount <= 16);
  T at[kCount];
};

template <int kCount, class T>
ORTHO_HD inline Pack<T, kCount> load_pack(const T* from) {
  return *reinterpret_cast<const Pack<T, kCount>*>(from);
}

template <int kCount, class T>
ORTHO_HD inline void store_pack(const Pack<T, kCount>& pack, T* to) {
  *reinterpret_cast<Pack<T, kCount>*>(to) = pack;
}

inline bool is_aligned(const void* address) {
  return reinterpret_cast<std::uintptr_t>(address) % 16 == 0;
}

}  // namespace ortho
