// Gradients against central differences in double.
#pragma once

#include <cmath>
#include <functional>

namespace ortho {

// (f(x + h) - f(x - h)) / 2h for the number `x` inside whatever f depends on.
inline double central_difference(double& x, const std::function<double()>& f) {
  const double kept = x, h = 1e-5 * std::max(1.0, std::abs(x));
  x = kept + h;
  const double above = f();
  x = kept - h;
  const double below = f();
  x = kept;
  return (above - below) / (2 * h);
}

}  // namespace ortho
