# cmake -DMPIRUN=… -DPROGRAM=… -P mpi_kit.cmake: does the MPI test kit see what goes wrong on one rank?

# expect(FILTER, EXIT CODE, WORDS that must be printed, MORE ARGUMENTS of the program)
function(expect filter code words)
  execute_process(COMMAND ${MPIRUN} -np 2 ${PROGRAM} --gtest_filter=${filter} ${ARGN}
    RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result STREQUAL "${code}" OR NOT output MATCHES "${words}")
    message(SEND_ERROR "${filter}: exit code ${result}, expected ${code}; expected words: ${words}\n${output}")
  endif()
endfunction()

expect(Kit.Passes 0 "1 test." 2)
expect(Kit.FailsOnRank1 1 "rank 1. FAILED Kit.FailsOnRank1" 2)
expect(Kit.FailsOnRank1 1 "on another rank" 2)
expect(Kit.ThrowsOnRank1 1 "rank 1. .*thrown on purpose" 2)
expect(Kit.HangsOnRank1 70 "HANGS for 2 s: Kit.HangsOnRank1" 2 2)
expect(Kit.NoSuchTest 1 "0 tests" 2)
expect(Kit.Passes 64 "2 ranks joined, 3 were expected" 3)
