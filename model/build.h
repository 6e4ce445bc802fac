// Build: what the parts of a model are built from. All of it outlives the model.
#pragma once

#include "model/arena.h"
#include "model/moves.h"
#include "model/params.h"
#include "model/segments.h"
#include "model/sharding.h"
#include "tensor/backend.h"

namespace ortho {

template <class T>
struct Build {
  const ModelSpec& spec;
  const Sharding& sharding;
  Params<T>& params;
  Backend<T>& backend;
  Arena<T>& arena;
  Moves<T>& moves;
  const Segments* segments = nullptr;  // of the batch that is run; null: windows are never cut
};

}  // namespace ortho
