#include "tests/support/cudasim/device_memory.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <utility>

#include "core/error.h"

namespace ortho::sim {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kAlign = 256;                  // like cudaMalloc
constexpr std::size_t kHuge = std::size_t{4} << 20;  // from here on in huge pages: fast to close
constexpr auto kPoison = std::byte{0xff};

std::size_t round_up(std::size_t bytes, std::size_t to) { return (bytes + to - 1) / to * to; }

struct Block {
  int device = 0;
  bool on_host = false;
  std::size_t bytes = 0;
};

std::mutex places_mutex;  // guards `places`: all memory of the process, by its address
std::map<const std::byte*, Block>& places() {
  static auto* all = new std::map<const std::byte*, Block>;  // outlives all that asks at the end
  return *all;
}

// The pages of an allocation; a page before and one behind stay closed for ever.
std::byte* pages_of(std::byte* memory, std::size_t bytes) {
  return memory + round_up(bytes, kAlign) - round_up(bytes, kPage);
}

void protect(std::byte* memory, std::size_t bytes, int protection) {
  if (mprotect(pages_of(memory, bytes), round_up(bytes, kPage), protection) != 0)
    fail(ErrorKind::internal, text("mprotect: ", system_error()));
}

// The allocation that `address` lies in, or stands a page before or behind; end() if none.
auto near(const std::byte* address) {
  auto found = places().upper_bound(address + kPage);
  while (found != places().begin()) {
    --found;
    if (address >= found->first - kPage && address < found->first + found->second.bytes + kPage)
      return found;
    if (address >= found->first + found->second.bytes + kPage) break;
  }
  return places().end();
}

thread_local bool device_works = false;

void on_fault(int signal_number, siginfo_t* info, void*) {
  const auto* address = static_cast<const std::byte*>(info->si_addr);
  const auto found = near(address);
  char line[300] = "a fault outside of all memory of the simulated device\n";
  if (found != places().end())
    std::snprintf(line, sizeof line,
                  "simulated device %d: the %s touches byte %td of memory of %zu bytes%s\n",
                  found->second.device, device_works ? "device" : "host", address - found->first,
                  found->second.bytes,
                  device_works ? ", outside of it" : ": it lies on the device");
  if (write(STDERR_FILENO, line, std::strlen(line)) < 0) std::abort();
  signal(signal_number, SIG_DFL);  // the instruction runs again, and ends the process
}

}  // namespace

Memory::~Memory() {
  for (auto* kind : {&blocks_, &pinned_})
    while (!kind->empty()) free(kind->begin()->first, kind == &pinned_);
}

void* Memory::allocate(std::size_t bytes, bool on_host) {
  bytes = bytes == 0 ? kAlign : bytes;
  if (!on_host && used_ + bytes > limit_) return nullptr;
  const std::size_t open_bytes = round_up(bytes, kPage);
  void* area = mmap(nullptr, open_bytes + 2 * kPage, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (area == MAP_FAILED) return nullptr;
  std::byte* pages = static_cast<std::byte*>(area) + kPage;
  if (open_bytes >= kHuge) madvise(pages, open_bytes, MADV_HUGEPAGE);  // slower if it fails
  std::byte* memory = pages + open_bytes - round_up(bytes, kAlign);
  protect(memory, bytes, PROT_READ | PROT_WRITE);
  std::memset(pages, static_cast<int>(kPoison), open_bytes);
  if (!on_host && !open_) protect(memory, bytes, PROT_NONE);
  (on_host ? pinned_ : blocks_)[memory] = bytes;
  if (!on_host) used_ += bytes;
  const std::lock_guard lock(places_mutex);
  places()[memory] = {device_, on_host, bytes};
  return memory;
}

std::string Memory::free(void* pointer, bool on_host) {
  auto* memory = static_cast<std::byte*>(pointer);
  auto& blocks = on_host ? pinned_ : blocks_;
  const auto found = blocks.find(memory);
  if (found == blocks.end()) return "frees what it does not hold";
  const std::size_t bytes = found->second;
  blocks.erase(found);
  if (!on_host) used_ -= bytes;
  std::string wrong;
  protect(memory, bytes, PROT_READ | PROT_WRITE);
  for (std::size_t behind = bytes; behind < round_up(bytes, kAlign); ++behind)
    if (wrong.empty() && memory[behind] != kPoison)
      wrong = text("memory of ", bytes, " bytes was written at byte ", behind);
  {
    const std::lock_guard lock(places_mutex);
    places().erase(memory);
  }
  munmap(pages_of(memory, bytes) - kPage, round_up(bytes, kPage) + 2 * kPage);
  return wrong;
}

void Memory::open() {
  if (std::exchange(open_, true)) return;
  device_works = true;
  for (const auto& [memory, bytes] : blocks_) protect(memory, bytes, PROT_READ | PROT_WRITE);
}

void Memory::close() {
  if (!std::exchange(open_, false)) return;
  device_works = false;
  for (const auto& [memory, bytes] : blocks_) protect(memory, bytes, PROT_NONE);
}

Place place_of(const void* pointer) {
  const auto* address = static_cast<const std::byte*>(pointer);
  const std::lock_guard lock(places_mutex);
  auto found = places().upper_bound(address);
  if (found == places().begin()) return {};
  --found;
  const std::byte* end = found->first + found->second.bytes;
  if (address > end || (address == end && found->second.bytes > 0)) return {};
  return {found->second.on_host ? Where::pinned : Where::device, found->second.device,
          static_cast<std::size_t>(end - address)};
}

void name_faults() {
  struct sigaction action {};
  action.sa_sigaction = &on_fault;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, nullptr);
}

}  // namespace ortho::sim
