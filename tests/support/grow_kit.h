// Small specs to grow, for tests of growth.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "core/error.h"
#include "model/spec.h"

namespace ortho {

inline ModelSpec joint(const Shape& tokens) {
  ModelSpec spec;
  spec.tokens = tokens;
  spec.channels = 3;
  spec.hidden = 4;
  spec.blocks = 1;
  spec.text_symbols = 5;
  return spec;
}

using Change = std::function<void(ModelSpec&)>;

inline ModelSpec changed(ModelSpec spec, const Change& change) {
  change(spec);
  return spec;
}

// What `act` was refused with.
inline std::string refusal(const std::function<void()>& act, ErrorKind kind) {
  try {
    act();
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(kind)) << error.what();
    return error.what();
  }
  return "nothing was refused";
}

}  // namespace ortho
