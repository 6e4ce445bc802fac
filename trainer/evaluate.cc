#include "trainer/evaluate.h"

#include "comm/agree.h"
#include "trainer/sums.h"

namespace ortho {

TermSums evaluate_split(Channel& channel, Model<float>& model, HeldOut& split,
                        std::int64_t windows) {
  TermSums mine;
  agree(channel, [&] {
    split.restart(windows);
    while (const auto batch = split.next()) mine.add(model.score(*batch));
  });
  return sum_terms(channel, mine);
}

}  // namespace ortho
