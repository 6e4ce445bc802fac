# orthotope-cuda, the module with the GPU's backend, where nvcc and NVIDIA's headers are. Sets ORTHO_CUDA to its path,
# or to nothing. The sources of tensor/cuda and comm/cuda are compiled nowhere else, but for the tests on the simulated
# device (tests/support/cudasim).
set(ORTHO_CUDA "")
# Machine code for A100, H100 and B200, and text that the driver compiles for what comes after.
set(CMAKE_CUDA_ARCHITECTURES 80-real 90-real 100-real 90-virtual CACHE STRING "GPUs that orthotope-cuda runs on")
include(CheckLanguage)
check_language(CUDA)
if(CMAKE_CUDA_COMPILER)
  find_package(CUDAToolkit 13 QUIET)
endif()
if(NOT CMAKE_CUDA_COMPILER OR NOT CUDAToolkit_FOUND)
  message(STATUS "no CUDA 13: orthotope runs on CPUs alone")
  return()
endif()
enable_language(CUDA)
set(CMAKE_CUDA_STANDARD_DEFAULT "")  # CMake 3.25 knows no C++20 of nvcc: its flag stands below

file(GLOB cuda_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tensor/cuda/*.cc ${CMAKE_SOURCE_DIR}/tensor/cuda/*.cu
  ${CMAKE_SOURCE_DIR}/comm/cuda/*.cc ${CMAKE_SOURCE_DIR}/comm/cuda/*.cu)
find_path(NCCL_INCLUDE nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
find_library(NCCL_LIBRARY nccl HINTS ${CUDAToolkit_LIBRARY_DIR})
if(NOT NCCL_INCLUDE OR NOT NCCL_LIBRARY)
  message(STATUS "no NCCL: GPUs exchange through the host")
  list(FILTER cuda_sources EXCLUDE REGEX "/nccl")
  set(NCCL_LIBRARY "")
endif()
add_library(orthotope-cuda MODULE ${cuda_sources})
target_compile_definitions(orthotope-cuda PRIVATE "ORTHO_CUDA_HEADERS=\"${ORTHO_CUDA_HEADERS}\"")
# Before the floors' folders: there <annotations.h> marks functions for the device.
target_include_directories(orthotope-cuda BEFORE PRIVATE ${CMAKE_SOURCE_DIR}/tensor/cuda/nvcc ${CMAKE_SOURCE_DIR})
# A register that is spilled, or memory of a thread's own, fails the build. -Wmissing-launch-bounds of nvcc 13.0 warns of
# every template, whatever its bounds: tests/cuda/resources.py looks for them instead.
target_compile_options(orthotope-cuda PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:SHELL:-std=c++20 --expt-relaxed-constexpr -Werror all-warnings \
-Xptxas=--warn-on-spills,--warn-on-local-memory-usage,--warning-as-error>")
target_link_libraries(orthotope-cuda PRIVATE CUDA::cudart_static CUDA::cublas ${NCCL_LIBRARY})
set_target_properties(orthotope-cuda PROPERTIES PREFIX "" CUDA_RUNTIME_LIBRARY Static
  LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR} POSITION_INDEPENDENT_CODE ON)
set(ORTHO_CUDA ${CMAKE_BINARY_DIR}/orthotope-cuda.so)
