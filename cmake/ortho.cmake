# ortho_floor(NAME USES floors LINKS libraries): a static library of all .cc files of folder NAME, subfolders
# too, except main.cc and folders cuda: those become the GPU's module. Include paths start at the root: "folder/file.h".
function(ortho_floor name)
  cmake_parse_arguments(FLOOR "" "" "USES;LINKS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${name}/*.cc)
  list(FILTER sources EXCLUDE REGEX "/main\\.cc$|^${CMAKE_SOURCE_DIR}/${name}/cuda/")
  if(sources)
    add_library(${name} STATIC ${sources})
    set(scope PUBLIC)
  else()
    add_library(${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(${name} ${scope} ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} ${scope} ${FLOOR_USES} ${FLOOR_LINKS})
endfunction()

# Debian installs serial and OpenMPI HDF5 side by side; only the serial one may be linked (docs/files.md).
if(HDF5_IS_PARALLEL)
  message(FATAL_ERROR "found the parallel HDF5 (${HDF5_C_INCLUDE_DIRS}); Orthotope needs the serial one: install libhdf5-dev")
endif()
# The loader reads on a thread of its own while the run evaluates and saves.
include(CheckCXXSymbolExists)
set(CMAKE_REQUIRED_INCLUDES ${HDF5_C_INCLUDE_DIRS})
check_cxx_symbol_exists(H5_HAVE_THREADSAFE H5pubconf.h HDF5_IS_THREADSAFE)
unset(CMAKE_REQUIRED_INCLUDES)
if(NOT HDF5_IS_THREADSAFE)
  message(FATAL_ERROR "this HDF5 (${HDF5_C_INCLUDE_DIRS}) was not built thread-safe; Debian's libhdf5-dev is")
endif()
add_library(hdf5_serial INTERFACE)
target_include_directories(hdf5_serial SYSTEM INTERFACE ${HDF5_C_INCLUDE_DIRS})
target_link_libraries(hdf5_serial INTERFACE ${HDF5_C_LIBRARIES})

# oneDNN by its library alone: Debian's package file for CMake asks for OpenCL, which we do not use.
find_library(ONEDNN_LIBRARY NAMES dnnl REQUIRED)
find_path(ONEDNN_INCLUDE NAMES dnnl.h REQUIRED)
add_library(onednn INTERFACE)
target_include_directories(onednn SYSTEM INTERFACE ${ONEDNN_INCLUDE})
target_link_libraries(onednn INTERFACE ${ONEDNN_LIBRARY})
