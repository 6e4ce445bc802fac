// Evaluate: loss on a held-out split, over all its windows, each token scored once.
#pragma once

#include <cstdint>

#include "comm/channel.h"
#include "dataio/loader.h"
#include "model/model.h"
#include "trainer/replicas.h"

namespace ortho {

// Sums over all ranks; `windows`: about so many, spread over the split (0 = all). Collective;
// replicas score different windows, the ranks of one replica the tokens that each holds of them.
// `split` gives the windows of this rank's replica; more than the model's are scored in parts of
// its size. SumOrder::tree: each batch is added up as trainer/fixed_order.h says.
TermSums evaluate_split(Channel& channel, Model<float>& model, HeldOut& split, std::int64_t windows,
                        SumOrder order = SumOrder::ranks);

}  // namespace ortho
