#include "trainer/evaluate.h"

#include "comm/agree.h"
#include "trainer/sums.h"

namespace ortho {

TermSums evaluate_split(Channel& channel, Model<float>& model, HeldOut& split,
                        std::int64_t windows) {
  TermSums mine;
  split.restart(windows);
  while (true) {  // equally many batches on all ranks
    std::optional<Batch> batch;
    agree(channel, [&] { batch = split.next(); });
    if (!batch) return sum_terms(channel, mine);
    mine.add(model.score(*batch));
  }
}

}  // namespace ortho
