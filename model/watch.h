// Watch: while it lives, a model's messages under way are looked after between the tiles of the
// backend's operations. MPI moves large messages only while somebody calls it.
#pragma once

#include "model/moves.h"
#include "tensor/backend.h"

namespace ortho {

template <class T>
class Watch {
 public:
  Watch(Backend<T>& backend, Moves<T>& moves) : backend_(backend) {
    if (!moves.all().empty()) backend.set_between_tiles([&moves] { moves.look_after(); });
  }
  ~Watch() { backend_.set_between_tiles({}); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  Backend<T>& backend_;
};

}  // namespace ortho
