// Small specs to grow, for tests of growth.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "core/error.h"
#include "model/spec.h"
#include "tests/support/errors.h"

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

}  // namespace ortho
