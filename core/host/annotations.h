// ORTHO_HD marks functions that kernels of a device may call too. This is the plain compiler's: it
// marks nothing. nvcc finds tensor/cuda/nvcc/annotations.h under the same name.
#pragma once

#define ORTHO_HD
