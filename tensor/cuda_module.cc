#include "tensor/cuda_module.h"

#include <dlfcn.h>

#include <filesystem>

namespace ortho {
namespace {

constexpr const char* kDriver = "libcuda.so.1";
constexpr const char* kModule = "orthotope-cuda.so";

std::string beside_program(const char* name) {
  std::error_code unknown;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", unknown);
  return (program.parent_path() / name).string();
}

ChosenBackend none(const std::string& why) { return {nullptr, "no GPU: " + why}; }

std::string last_error() {
  const char* const message = dlerror();
  return message == nullptr ? "unknown error" : message;
}

}  // namespace

ChosenBackend open_cuda_backend(int number) {
  return open_cuda_backend(number, kDriver, beside_program(kModule));
}

// The module stays open until the program ends: its code is in every backend it made.
ChosenBackend open_cuda_backend(int number, const std::string& driver, const std::string& module) {
  if (dlopen(driver.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr)
    return none(text("no driver (", driver, ") on this machine"));
  void* const opened = dlopen(module.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (opened == nullptr) return none(text("the module does not open: ", last_error()));
  using Ask = const CudaModule* (*)(const char*);
  const auto ask = reinterpret_cast<Ask>(dlsym(opened, "ortho_cuda_backend"));
  if (ask == nullptr) return none(text(module, " is no module of Orthotope"));
  const CudaModule* const given = ask(ORTHO_CUDA_HEADERS);
  if (given == nullptr)
    return none(text(module, " was built from other sources than this program; build both again"));
  const int devices = given->devices();
  if (devices <= 0) return none("the driver knows no device that can be used");
  if (number >= devices) return none(text("device ", number, " of ", devices, " does not exist"));
  std::unique_ptr<Backend<float>> backend(given->make_backend(number));
  const std::string chosen = backend->device().text();
  return {std::move(backend), chosen};
}

}  // namespace ortho
