// Memory of a simulated device, and pinned memory of the host.
//
// Device memory may be touched only while the device works, and never before or behind an
// allocation: there lie pages that nobody may touch. All of it is 0xff, NaN, at birth. Whoever
// touches what he may not ends the process with a line that says what it was.
#pragma once

#include <cstddef>
#include <map>
#include <string>

namespace ortho::sim {

class Memory {
 public:
  explicit Memory(int device, std::size_t limit) : device_(device), limit_(limit) {}
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory();

  void* allocate(std::size_t bytes, bool on_host);  // nullptr: there is no room
  // "" or what is wrong: never allocated here, or what lies behind its end was written.
  std::string free(void* memory, bool on_host);
  std::size_t used() const { return used_; }
  std::size_t limit() const { return limit_; }

  void open();  // device memory, until close(); both may come again
  void close();

 private:
  std::map<std::byte*, std::size_t> blocks_, pinned_;
  int device_;
  std::size_t limit_, used_ = 0;
  bool open_ = false;
};

enum class Where { pageable, pinned, device };
struct Place {
  Where where = Where::pageable;
  int device = -1;
  std::size_t bytes = 0;  // from the pointer to the end of its allocation
};
Place place_of(const void* pointer);

// Says of a fault in memory of a device which it was, then lets it end the process.
void name_faults();

}  // namespace ortho::sim
