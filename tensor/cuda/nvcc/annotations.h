// ORTHO_HD for nvcc: for the host and for the device. See core/host/annotations.h.
#pragma once

#define ORTHO_HD __host__ __device__
