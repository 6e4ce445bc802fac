// Calls of MPI: their errors become exceptions, their communicators have one owner.
//
// Included by comm/mpi*.cc alone, since its types are MPI's.
#pragma once

#include <mpi.h>

#include <array>
#include <source_location>

#include "core/error.h"
#include "core/handle.h"
#include "core/log.h"

namespace ortho {

inline void check_mpi(int code, std::source_location where = std::source_location::current()) {
  if (code == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> words{};
  int length = 0;
  MPI_Error_string(code, words.data(), &length);
  fail(ErrorKind::internal, text("MPI: ", words.data()), where);
}

struct CommunicatorTraits {
  using Type = MPI_Comm;
  static Type null() { return MPI_COMM_NULL; }
  static void close(Type communicator) noexcept {
    int finalized = 0;
    MPI_Finalized(&finalized);
    if (finalized == 0 && MPI_Comm_free(&communicator) != MPI_SUCCESS) {
      warn("MPI could not free a communicator");
    }
  }
};
using Communicator = Handle<CommunicatorTraits>;

}  // namespace ortho
