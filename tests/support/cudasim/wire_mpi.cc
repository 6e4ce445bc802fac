#include <mpi.h>

#include <cstring>
#include <list>

#include "tests/support/cudasim/wire.h"

namespace ortho::sim {
namespace {

constexpr int kTag = 7321;  // nothing else of the tests sends on MPI_COMM_WORLD itself

class MpiCarrier final : public Carrier {
 public:
  int process() const override {
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    return rank;
  }

  void send(int process, const Post& post, const Bytes& bytes) override {
    Outgoing& one = outgoing_.emplace_back();
    one.bytes.resize(sizeof post + bytes.size());
    std::memcpy(one.bytes.data(), &post, sizeof post);
    if (!bytes.empty()) std::memcpy(one.bytes.data() + sizeof post, bytes.data(), bytes.size());
    MPI_Isend(one.bytes.data(), static_cast<int>(one.bytes.size()), MPI_BYTE, process, kTag,
              MPI_COMM_WORLD, &one.request);
  }

  bool receive(Post& post, Bytes& bytes) override {
    outgoing_.remove_if([](Outgoing& one) {
      int done = 0;
      MPI_Test(&one.request, &done, MPI_STATUS_IGNORE);
      return done != 0;
    });
    int here = 0, size = 0;
    MPI_Status status;
    MPI_Iprobe(MPI_ANY_SOURCE, kTag, MPI_COMM_WORLD, &here, &status);
    if (here == 0) return false;
    MPI_Get_count(&status, MPI_BYTE, &size);
    Bytes whole(static_cast<std::size_t>(size));
    MPI_Recv(whole.data(), size, MPI_BYTE, status.MPI_SOURCE, kTag, MPI_COMM_WORLD,
             MPI_STATUS_IGNORE);
    std::memcpy(&post, whole.data(), sizeof post);
    bytes.assign(whole.begin() + sizeof post, whole.end());
    return true;
  }

 private:
  struct Outgoing {
    Bytes bytes;
    MPI_Request request = MPI_REQUEST_NULL;
  };
  std::list<Outgoing> outgoing_;
};

}  // namespace

void use_mpi() {
  static MpiCarrier carrier;
  use(&carrier);
}

}  // namespace ortho::sim
