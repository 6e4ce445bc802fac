// Errors as values: what an act throws, and what it says.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "core/error.h"

namespace ortho {

// The Error that `act` throws; a test fails when it throws none.
template <class Act>
Error error_of(Act act) {
  try {
    act();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no Error was thrown";
  return {ErrorKind::internal, ""};
}

// Its message; its kind must be `kind`.
template <class Act>
std::string message_of(Act act, ErrorKind kind) {
  const Error error = error_of(act);
  EXPECT_EQ(error.kind(), kind) << error.what();
  return error.what();
}

inline void expect_in(const std::string& part, const std::string& whole) {
  EXPECT_NE(whole.find(part), std::string::npos) << part << "\nnot in\n" << whole;
}

}  // namespace ortho
