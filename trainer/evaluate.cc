#include "trainer/evaluate.h"

#include "comm/agree.h"
#include "trainer/fixed_order.h"
#include "trainer/sums.h"

namespace ortho {

TermSums evaluate_split(Channel& channel, Model<float>& model, HeldOut& split, std::int64_t windows,
                        SumOrder order) {
  TermSums sums;  // in fixed order of all ranks, else of this one
  split.restart(windows);
  while (true) {  // equally many batches on all ranks
    std::optional<Batch> batch;
    agree(channel, [&] { batch = split.next(); });
    if (!batch) break;
    std::vector<TermSums> parts;
    const std::int64_t part = model.nodes().batch;
    for (std::int64_t lo = 0; lo < batch->windows; lo += part)
      parts.push_back(model.score(windows_of(*batch, lo, lo + part)));
    if (order == SumOrder::tree) parts = {sum_leaves(channel, parts)};
    for (const TermSums& scored : parts) sums.add(scored);
  }
  return order == SumOrder::tree ? sums : sum_terms(channel, sums);
}

}  // namespace ortho
