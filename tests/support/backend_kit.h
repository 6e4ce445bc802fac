// A Backend and its Device for tests that hand it host arrays: they are copied there and back.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "tensor/backend.h"

namespace ortho::test {

// A host array as the device sees it while a call runs; `back` copies it to the host again.
template <class T>
class OnBackend {
 public:
  OnBackend(Backend<T>& backend, std::span<const T> values)
      : array_(backend.device(), values, "a test") {}
  OnBackend(Backend<T>& backend, const std::vector<T>& values)
      : OnBackend(backend, std::span<const T>(values)) {}
  T* data() { return array_.data(); }
  operator T*() { return array_.data(); }
  std::vector<T> values() const {
    std::vector<T> host(static_cast<size_t>(array_.size()));
    array_.download(host);
    return host;
  }

 private:
  DeviceArray<T> array_;
};

}  // namespace ortho::test
