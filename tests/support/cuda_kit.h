// The GPU's backend on the simulated device, beside the CPU's, for tests that compare them.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "tensor/cuda/cuda_backend.h"
#include "tests/support/backend_kit.h"
#include "tests/support/cudasim/control.h"

namespace ortho::test {

// One simulated GPU and its backend; at the end nothing may have been done that a GPU would not do.
class CudaKit {
 public:
  explicit CudaKit(std::uint64_t seed = 1) {
    sim::begin({.seed = seed, .devices = 1});
    backend_ = std::make_unique<CudaBackend<float>>(0);
  }
  ~CudaKit() {
    backend_.reset();
    for (const std::string& violation : sim::take_violations()) ADD_FAILURE() << violation;
  }
  CudaBackend<float>& operator*() { return *backend_; }
  CudaBackend<float>* operator->() { return backend_.get(); }

  // Of host numbers, for a call.
  OnBackend<float> on(const std::vector<float>& values) { return {*backend_, values}; }

 private:
  std::unique_ptr<CudaBackend<float>> backend_;
};

inline void expect_near(const std::vector<float>& device, const std::vector<float>& host,
                        double tolerance) {
  ASSERT_EQ(device.size(), host.size());
  for (size_t i = 0; i < host.size(); ++i) ASSERT_NEAR(device[i], host[i], tolerance) << "at " << i;
}

}  // namespace ortho::test
