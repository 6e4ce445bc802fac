// Opening the GPU's module where there is no GPU: words, never a crash.
#include "tensor/cuda_module.h"

#include <gtest/gtest.h>

namespace ortho {
namespace {

void expect_none(const std::string& driver, const std::string& module, const std::string& words) {
  const ChosenBackend chosen = open_cuda_backend(0, driver, module);
  EXPECT_EQ(chosen.backend, nullptr);
  EXPECT_NE(chosen.text.find(words), std::string::npos) << chosen.text;
}

TEST(CudaModule, WithoutADriverTheModuleStaysClosed) {
  expect_none("libno-driver.so.1", "/no/module.so", "no driver (libno-driver.so.1)");
}

TEST(CudaModule, SaysWhyAModuleDoesNotOpen) {
  // Any library stands for the driver's.
  expect_none("libc.so.6", "/no/module.so", "/no/module.so");
  expect_none("libc.so.6", "libm.so.6", "libm.so.6 is no module of Orthotope");
}

}  // namespace
}  // namespace ortho
