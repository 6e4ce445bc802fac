#include "trainer/evaluate.h"

#include "comm/agree.h"
#include "trainer/step.h"

namespace ortho {

TermSums evaluate_split(Channel& channel, Model<float>& model, HeldOut& split,
                        std::int64_t windows) {
  TermSums mine;
  const std::int64_t per_batch = model.nodes().batch * channel.ranks();
  agree(channel, [&] {
    split.restart();
    for (std::int64_t done = 0; windows == 0 || done < windows; done += per_batch) {
      const auto batch = split.next();
      if (!batch) break;
      mine.add(model.score(*batch));
    }
  });
  return sum_terms(channel, mine);
}

}  // namespace ortho
