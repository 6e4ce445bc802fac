// A fiber: a stack of its own that a function runs on, and that can be left and entered again.
//
// One OS thread enters its fibers, one at a time; inside of one, leave() goes back to where it was
// entered. A fiber that is destroyed or started again while its function waits just forgets it.
#pragma once

#include <cstddef>

namespace ortho::sim {

// switch_x86_64.cc or switch_ucontext.cc: machine code or the C library's, CMake picks.
struct Context {
  void* place = nullptr;  // where to go on
};
// The context that enters `entry` at the top of a stack. `entry` never returns.
void prepare(Context& context, std::byte* stack, std::size_t bytes, void (*entry)());
void switch_to(Context& from, Context& to);

class Fiber {
 public:
  Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  ~Fiber();

  void start(void (*function)());  // at the next enter(); it may return
  void enter();
  static void leave();  // from inside: enter() returns
  bool ended() const { return ended_; }

 private:
  [[noreturn]] static void main();

  std::byte* memory_ = nullptr;  // one page that may not be touched, then the stack
  void (*function_)() = nullptr;
  bool ended_ = true;
  Context inside_, outside_;
  void* inside_fake_ = nullptr;  // what an address sanitizer keeps of a stack that is left
  void* outside_fake_ = nullptr;
};

}  // namespace ortho::sim
