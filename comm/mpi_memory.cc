#include "comm/mpi_memory.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <cstring>
#include <exception>

#include "comm/mpi_call.h"

namespace ortho {
namespace {

constexpr std::int64_t kPageBytes = 4096;

struct WindowTraits {
  using Type = MPI_Win;
  static Type null() { return MPI_WIN_NULL; }
  static void close(Type window) noexcept {
    int finalized = 0;
    MPI_Finalized(&finalized);
    if (finalized == 0 && MPI_Win_free(&window) != MPI_SUCCESS) warn("MPI could not free a window");
  }
};
using Window = Handle<WindowTraits>;

class MpiMemory final : public NodeMemory {
 public:
  MpiMemory(MPI_Comm node, const Neighbours& neighbours, std::int64_t bytes);
  ~MpiMemory() override;

 private:
  Window window_;
  int exceptions_ = std::uncaught_exceptions();  // in flight when it was made
};

// Parts begin anywhere in pages, at the same place of them for all ranks: MPI's own words lie before.
std::byte* next_page(std::byte* part) {
  return part + (-reinterpret_cast<std::uintptr_t>(part) & (kPageBytes - 1));
}

// Parts that MPI need not lay side by side have pages of their own.
Window allocate_window(MPI_Comm node, std::int64_t bytes, std::byte*& own) {
  MPI_Info info = MPI_INFO_NULL;
  check_mpi(MPI_Info_create(&info));
  check_mpi(MPI_Info_set(info, "alloc_shared_noncontig", "true"));
  MPI_Win window = MPI_WIN_NULL;
  const int code = MPI_Win_allocate_shared(bytes, 1, info, node, &own, &window);
  MPI_Info_free(&info);
  check_mpi(code);
  return Window(window);
}

// `node` has the ranks of this node in their order.
MpiMemory::MpiMemory(MPI_Comm node, const Neighbours& neighbours, std::int64_t bytes)
    : NodeMemory(neighbours, bytes) {
  // Not empty, so that no two parts lie at one address.
  const std::int64_t whole = std::max<std::int64_t>(bytes, 1);
  std::byte* own = nullptr;
  window_ = allocate_window(node, whole + kPageBytes, own);
  own = next_page(own);
  int* model = nullptr;
  int found = 0;
  check_mpi(MPI_Win_get_attr(window_.get(), MPI_WIN_MODEL, &model, &found));
  ASSERT(found != 0 && *model == MPI_WIN_UNIFIED, "this MPI copies its shared windows");
  // Written now, so that the room is taken before anyone asks for it again.
  std::memset(own, 0, static_cast<size_t>(whole));

  const std::vector<int> ranks = neighbours.on_my_node();
  std::vector<std::byte*> theirs(ranks.size());
  check_mpi(MPI_Allgather(&own, sizeof(own), MPI_BYTE, theirs.data(), sizeof(own), MPI_BYTE, node));
  for (size_t member = 0; member < ranks.size(); ++member) {
    MPI_Aint size = 0;
    int unit = 0;
    std::byte* here = nullptr;
    check_mpi(MPI_Win_shared_query(window_.get(), static_cast<int>(member), &size, &unit, &here));
    show(ranks[member], theirs[member], next_page(here), size - kPageBytes);
  }
}

// To free a window waits for all its ranks; after an exception they may never come.
MpiMemory::~MpiMemory() {
  if (std::uncaught_exceptions() > exceptions_) window_.release();
}

}  // namespace

std::int64_t shared_room_bytes() {
  struct statvfs room {};
  if (statvfs("/dev/shm", &room) != 0) return 0;
  return static_cast<std::int64_t>(room.f_bavail) * static_cast<std::int64_t>(room.f_frsize);
}

std::unique_ptr<SharedMemory> share_memory(MPI_Comm communicator, const Neighbours& neighbours,
                                           int rank, std::int64_t bytes) {
  const std::int64_t limit = neighbours.setting().shared_bytes;
  const std::int64_t room = shared_room_bytes();
  const ShareRequest mine{neighbours.machine(rank), bytes,
                          limit < 0 ? room : std::min(limit, room)};
  std::vector<ShareRequest> requests(neighbours.nodes().size());
  check_mpi(MPI_Allgather(&mine, sizeof(mine), MPI_BYTE, requests.data(), sizeof(mine), MPI_BYTE,
                          communicator));
  if (!neighbours.any_share() || !neighbours.grant(requests)) return unshared_memory(bytes);
  MPI_Comm node = MPI_COMM_NULL;
  check_mpi(
      MPI_Comm_split(communicator, neighbours.nodes()[static_cast<size_t>(rank)], rank, &node));
  const Communicator owned(node);
  return std::make_unique<MpiMemory>(node, neighbours, bytes);
}

}  // namespace ortho
