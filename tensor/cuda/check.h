// check_cuda: every call of the CUDA runtime goes through it; an error becomes an Error with place,
// the runtime's own words, and what to do.
#pragma once

#include <cuda_runtime_api.h>

#include <source_location>

#include "core/error.h"

namespace ortho {

inline void check_cuda(cudaError_t result,
                       std::source_location where = std::source_location::current()) {
  if (result == cudaSuccess) return;
  cudaGetLastError();  // the runtime would report it again at the next launch
  const char* hint = result == cudaErrorMemoryAllocation
                         ? ". The device is full: a smaller batch or more ranks need less of it"
                         : "";
  fail(ErrorKind::internal,
       text("CUDA: ", cudaGetErrorString(result), " (", cudaGetErrorName(result), ")", hint),
       where);
}

}  // namespace ortho
