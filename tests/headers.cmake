# cmake -DROOT=folder -DCXX=compiler -DINCLUDES=path|path -P headers.cmake: every header of the house compiles
# alone, so no file depends on what another happened to include before.
cmake_minimum_required(VERSION 3.25)

string(REPLACE "|" ";" paths "${INCLUDES}")
list(REMOVE_DUPLICATES paths)
list(REMOVE_ITEM paths ${ROOT} /usr/include)  # as -isystem they would hide warnings and system headers
# The tests' programs are told these by CMake.
set(told -DORTHO_BINARY="" -DORTHO_MPIEXEC="" -DORTHO_SOURCE_DIR="" -DORTHO_DECODE="" -DORTHO_MAKE_MEDIA="")
set(flags ${told} -std=c++20 -Wall -Wextra -Wconversion -Wshadow -Werror -fsyntax-only -I${ROOT} -I${ROOT}/tests)
foreach(path ${paths})
  list(APPEND flags -isystem ${path})
endforeach()

set(checked 0)
foreach(folder core tensor comm dataio model trainer launch tests)
  file(GLOB_RECURSE headers ${ROOT}/${folder}/*.h)
  foreach(header ${headers})
    if(header MATCHES "^${ROOT}/(tensor|comm|tests/support)/cuda(sim)?/")
      continue()
    endif()
    execute_process(COMMAND ${CXX} ${flags} -include ${header} -x c++ /dev/null
      RESULT_VARIABLE result ERROR_VARIABLE errors)
    if(NOT result EQUAL 0)
      message(SEND_ERROR "${header} does not compile alone:\n${errors}")
    endif()
    math(EXPR checked "${checked} + 1")
  endforeach()
endforeach()
if(checked EQUAL 0)
  message(FATAL_ERROR "no header found under ${ROOT}")
endif()
message(STATUS "${checked} headers compile alone")
