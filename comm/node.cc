#include "comm/node.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/log.h"
#include "tensor/buffer.h"

namespace ortho {
namespace {

class OwnMemory final : public SharedMemory {
 public:
  explicit OwnMemory(std::int64_t bytes) : buffer_(bytes, "memory that no rank shares") {}
  std::span<std::byte> bytes() override { return buffer_.span(); }
  bool shared() const override { return false; }
  std::byte* of(int) const override { return nullptr; }

 private:
  Buffer<std::byte> buffer_;
};

}  // namespace

std::vector<int> number_by_node(std::span<const int> nodes) {
  std::map<int, int> first;  // rank of a node
  for (size_t rank = 0; rank < nodes.size(); ++rank)
    first.try_emplace(nodes[rank], static_cast<int>(rank));
  std::vector<size_t> order(nodes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return first.at(nodes[a]) < first.at(nodes[b]); });
  std::vector<int> number(nodes.size());
  for (size_t place = 0; place < order.size(); ++place)
    number[order[place]] = static_cast<int>(place);
  return number;
}

std::vector<int> nodes_of(std::span<const int> machines, int ranks_per_node) {
  REQUIRE(ranks_per_node >= 0, "nodes of ", ranks_per_node, " ranks; 0 leaves them as they are");
  std::map<int, int> seen;                    // ranks of a machine so far
  std::map<std::pair<int, int>, int> number;  // of a machine's n-th node
  std::vector<int> nodes;
  for (const int machine : machines) {
    const int before = seen[machine]++;
    const std::pair<int, int> part{machine, ranks_per_node == 0 ? 0 : before / ranks_per_node};
    nodes.push_back(number.try_emplace(part, static_cast<int>(number.size())).first->second);
  }
  return nodes;
}

bool fit(std::span<const ShareRequest> requests) {
  // A sixteenth and 64 KB a rank stay free: ends of pages, and what MPI itself puts there.
  constexpr std::int64_t kMargin = 16, kRankBytes = 64 << 10;
  std::map<int, ShareRequest> machines;
  for (const ShareRequest& one : requests) {
    ShareRequest& all =
        machines.try_emplace(one.machine, ShareRequest{0, 0, one.room_bytes}).first->second;
    all.bytes += one.bytes + one.bytes / kMargin + kRankBytes;
    all.room_bytes = std::min(all.room_bytes, one.room_bytes);
  }
  return std::all_of(machines.begin(), machines.end(), [](const auto& machine) {
    return machine.second.bytes <= machine.second.room_bytes;
  });
}

void Windows::add(int owner, const std::byte* theirs, const std::byte* here, std::int64_t bytes) {
  const bool is_new = views_.try_emplace({owner, theirs}, View{here, bytes}).second;
  ASSERT(is_new, "rank ", owner, " shares the same memory twice");
}

void Windows::remove(int owner, const std::byte* theirs) { views_.erase({owner, theirs}); }

const std::byte* Windows::here(int owner, const void* theirs, std::int64_t bytes) const {
  const auto* first = static_cast<const std::byte*>(theirs);
  auto after = views_.upper_bound({owner, first});
  if (after == views_.begin()) return nullptr;
  const auto& [key, view] = *--after;
  if (key.first != owner) return nullptr;
  const std::int64_t offset = first - key.second;
  return offset + bytes <= view.bytes ? view.here + offset : nullptr;
}

Site::Site(std::vector<int> its_machines, const NodeSetting& its_setting)
    : setting(its_setting),
      machines(std::move(its_machines)),
      nodes(nodes_of(machines, setting.ranks_per_node)) {}

Neighbours::Neighbours(std::shared_ptr<Site> site, std::vector<int> world, int rank)
    : site_(std::move(site)), world_(std::move(world)), rank_(rank) {
  for (const int number : world_) nodes_.push_back(site_->nodes[static_cast<size_t>(number)]);
}

Neighbours Neighbours::among(const std::vector<int>& ranks, int rank) const {
  std::vector<int> numbers;
  for (const int member : ranks) numbers.push_back(world_[static_cast<size_t>(member)]);
  return {site_, std::move(numbers), rank};
}

std::vector<int> Neighbours::on_my_node() const {
  std::vector<int> ranks;
  for (size_t rank = 0; rank < nodes_.size(); ++rank)
    if (nodes_[rank] == nodes_[static_cast<size_t>(rank_)]) ranks.push_back(static_cast<int>(rank));
  return ranks;
}

bool Neighbours::any_share() const {
  std::vector<int> sorted = nodes_;
  std::sort(sorted.begin(), sorted.end());
  return std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end();
}

const std::byte* Neighbours::reads(int owner, const void* theirs, std::int64_t bytes) const {
  return site_->windows.here(static_cast<int>(world(owner)), theirs, bytes);
}

bool Neighbours::grant(std::span<const ShareRequest> requests) const {
  if (fit(requests)) return true;
  if (!site_->told && rank_ == 0)
    warn(
        "too little room for shared memory: exchanges within a node go by messages, which is "
        "slower. Give more to the machine's /dev/shm (a container's --shm-size).");
  site_->told = true;
  return false;
}

NodeMemory::NodeMemory(const Neighbours& neighbours, std::int64_t bytes)
    : neighbours_(neighbours), bytes_(bytes) {}

NodeMemory::~NodeMemory() {
  for (const auto& [rank, part] : parts_)
    neighbours_.site_->windows.remove(static_cast<int>(neighbours_.world(rank)), part.theirs);
}

void NodeMemory::show(int rank, const std::byte* theirs, std::byte* here, std::int64_t bytes) {
  neighbours_.site_->windows.add(static_cast<int>(neighbours_.world(rank)), theirs, here, bytes);
  parts_[rank] = {theirs, here};
  if (rank == neighbours_.rank_) own_ = {here, static_cast<size_t>(bytes_)};
}

std::byte* NodeMemory::of(int rank) const {
  const auto found = parts_.find(rank);
  return found == parts_.end() ? nullptr : found->second.here;
}

std::unique_ptr<SharedMemory> unshared_memory(std::int64_t bytes) {
  return std::make_unique<OwnMemory>(bytes);
}

}  // namespace ortho
