// ORTHO_HD in files of the GPU's backend, for nvcc and for g++ beside it: for the host and for the
// device. See core/host/annotations.h.
#pragma once

#include <cuda_runtime_api.h>

#define ORTHO_HD __host__ __device__
