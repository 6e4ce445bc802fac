// Promise: checks on a probe batch that a growth changed what it said it would, and nothing else.
//
// The probe is random tokens of every modality the old model reads, a function of the seed and the
// number of windows. The two models are asked one after the other, and of a long context as few
// windows as the ranks can share: the check needs no more memory than a training step of the new
// model. All ranks come to the same verdict.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/channel.h"
#include "model/grow.h"
#include "model/params.h"
#include "model/sharding.h"
#include "tensor/backend.h"

namespace ortho {

constexpr std::int64_t kLongProbe = 4096;  // tokens of the new model's context, see probe_windows
constexpr std::int64_t kProbeRows = 1024;  // most tokens whose logits are compared

// Windows of the new model's length in the probe: 2 on each rank, also where windows are cut because
// a token axis must be whole. With a single row a matrix product may round in another way than with
// more, and a promise to the bit would not hold. Of windows longer than kLongProbe, which have rows
// enough, as few as both meshes can share.
std::int64_t probe_windows(const GrowPlan& plan, const Cuts& before = {}, const Cuts& after = {});

// A batch of whole windows and the rows, token * windows + window, whose logits are compared.
struct ProbeBatch {
  Batch batch;
  std::vector<std::int32_t> rows;
};

struct PromiseCheck {
  double largest_difference = 0;  // max |difference| of the promised logits
  double largest_logit = 0;       // max |logit| of the old model: what the tolerance is a share of
  bool kept = true;
};

template <class T>
class PromiseProbe {
 public:
  // How the ranks share the old model and the new one.
  PromiseProbe(const GrowPlan& plan, const Cuts& before, const Cuts& after, std::uint64_t seed);

  // Collective. First the old model's logits, then the new one's against them.
  void ask_old(Params<T>& params, Backend<T>& backend, Channel& world);
  PromiseCheck ask_new(Params<T>& params, Backend<T>& backend, Channel& world);

 private:
  using Logits = std::vector<std::vector<T>>;  // a list a head, complete on every rank
  GrowPlan plan_;
  Cuts before_, after_;
  ProbeBatch old_, new_;
  std::vector<std::string> heads_;
  Logits old_logits_;
};

// "unchanged at the start of the window: largest difference 0 of logits up to 3.1, kept"
std::string check_text(const GrowPlan& plan, const PromiseCheck& check);

}  // namespace ortho
