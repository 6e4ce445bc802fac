// HeldRows: which rows of a batch, [s_1]…[s_n][B], a rank holds, as a Box of them.
//
// A batch counts its rows token by token, t * B + b; so does the rank, through its own Box. Token
// axes may be cut anywhere, so the rows held are runs of the batch, in the batch's order.
#pragma once

#include "tensor/box.h"

namespace ortho {

struct HeldRows {
  Shape batch;  // s_1 … s_n, then the windows
  Box box;      // of it

  std::int64_t windows() const { return batch.back(); }  // of the batch
  std::int64_t count() const { return elements(box); }   // rows held
  bool all() const { return box == whole(batch); }
  std::int64_t row(std::int64_t local) const;  // in the batch
  std::int64_t local(std::int64_t row) const;  // -1: not held
};

// Calls act(local, row of the batch) for every row held, in order.
template <class Act>
void for_each_row(const HeldRows& rows, Act act) {
  std::int64_t local = 0;
  for_each_run(rows.batch, rows.box, [&](std::int64_t first, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) act(local++, first + i);
  });
}

}  // namespace ortho
