// Weights of which a rank holds a part, against whole ones.
#pragma once

#include <vector>

#include "model/params.h"

namespace ortho::test {

// number_of(spec)(index) for each element of a whole weight that is held.
template <class T, class NumberOf>
void fill_params(Params<T>& params, NumberOf number_of) {
  for (Param<T>& param : params.all()) {
    const auto number = number_of(param.spec);
    T* next = param.value;
    for_each_run(param.spec.shape(), param.box, [&](std::int64_t first, std::int64_t count) {
      for (std::int64_t i = first; i < first + count; ++i) *next++ = static_cast<T>(number(i));
    });
  }
}

// As whole weights, one after the other, with zeros for what this rank does not hold.
template <class T>
std::vector<T> whole_gradients(const Params<T>& params) {
  std::vector<T> all;
  for (const Param<T>& param : params.all()) {
    const Shape shape = param.spec.shape();
    std::vector<T> values(static_cast<size_t>(elements(shape)));
    copy_box(param.grad, extent(param.box), whole(extent(param.box)), values.data(), shape,
             param.box.lo);
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

}  // namespace ortho::test
