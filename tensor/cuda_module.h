// The module with the GPU's backend: opened while the program runs, only where a driver is.
//
// Nothing of CUDA is linked into the program. The driver's library is looked for first: without it
// the module, whose libraries take time and memory to load, stays closed.
#pragma once

#include <memory>
#include <string>

#include "tensor/backend.h"

namespace ortho {

// What the module gives.
struct CudaModule {
  int (*devices)() noexcept;                    // GPUs that can be used; 0 after any error
  Backend<float>* (*make_backend)(int device);  // the caller owns it; throws Error
};

// A backend, and in words what was chosen and why: "GPU 0, NVIDIA H100", "cpu: no driver
// (libcuda.so.1) on this machine".
struct ChosenBackend {
  std::unique_ptr<Backend<float>> backend;
  std::string text;
};

// Of device number `number`; without one, `backend` is null and the text says why.
ChosenBackend open_cuda_backend(int number);

// How the module is found: `module` beside the program. Tests give others.
ChosenBackend open_cuda_backend(int number, const std::string& driver, const std::string& module);

}  // namespace ortho
