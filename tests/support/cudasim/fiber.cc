#include "tests/support/cudasim/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

// There only in programs that a sanitizer watches.
extern "C" {
[[gnu::weak]] void __sanitizer_start_switch_fiber(void** fake, const void* bottom,
                                                  std::size_t bytes);
[[gnu::weak]] void __sanitizer_finish_switch_fiber(void* fake, const void** bottom,
                                                   std::size_t* bytes);
[[gnu::weak]] void __asan_unpoison_memory_region(const volatile void* memory, std::size_t bytes);
}

namespace ortho::sim {
namespace {

constexpr std::size_t kStackBytes = std::size_t{128} << 10;
constexpr std::size_t kPage = 4096;

thread_local Fiber* current = nullptr;
thread_local const void* thread_stack = nullptr;  // the stack that enter() was called on
thread_local std::size_t thread_stack_bytes = 0;

void begin_switch(void** fake, const void* bottom, std::size_t bytes) {
  if (__sanitizer_start_switch_fiber != nullptr)
    __sanitizer_start_switch_fiber(fake, bottom, bytes);
}

void end_switch(void* fake, const void** bottom, std::size_t* bytes) {
  if (__sanitizer_finish_switch_fiber != nullptr)
    __sanitizer_finish_switch_fiber(fake, bottom, bytes);
}

}  // namespace

Fiber::Fiber() {
  void* memory = mmap(nullptr, kPage + kStackBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, kPage, PROT_NONE) != 0) std::abort();
  memory_ = static_cast<std::byte*>(memory);
}

Fiber::~Fiber() { munmap(memory_, kPage + kStackBytes); }

void Fiber::start(void (*function)()) {
  std::byte* stack = memory_ + kPage;
  if (__asan_unpoison_memory_region != nullptr) __asan_unpoison_memory_region(stack, kStackBytes);
  function_ = function;
  ended_ = false;
  inside_fake_ = nullptr;
  prepare(inside_, stack, kStackBytes, &Fiber::main);
}

void Fiber::enter() {
  current = this;
  begin_switch(&outside_fake_, memory_ + kPage, kStackBytes);
  switch_to(outside_, inside_);
  end_switch(outside_fake_, nullptr, nullptr);
  current = nullptr;
}

void Fiber::leave() {
  Fiber& self = *current;
  begin_switch(&self.inside_fake_, thread_stack, thread_stack_bytes);
  switch_to(self.inside_, self.outside_);
  end_switch(self.inside_fake_, &thread_stack, &thread_stack_bytes);
}

void Fiber::main() {
  end_switch(nullptr, &thread_stack, &thread_stack_bytes);
  current->function_();
  current->ended_ = true;
  while (true) leave();
}

}  // namespace ortho::sim
