// Leaving a stack for another by the C library, on processors without machine code of ours. Slower:
// each switch asks the kernel for the mask of signals.
#include <ucontext.h>

#include "tests/support/cudasim/fiber.h"

namespace ortho::sim {
namespace {

// Contexts live as long as the thread: few, and used again and again.
ucontext_t& of(Context& context) {
  if (context.place == nullptr) context.place = new ucontext_t;
  return *static_cast<ucontext_t*>(context.place);
}

}  // namespace

void prepare(Context& context, std::byte* stack, std::size_t bytes, void (*entry)()) {
  ucontext_t& target = of(context);
  getcontext(&target);
  target.uc_stack.ss_sp = stack;
  target.uc_stack.ss_size = bytes;
  target.uc_link = nullptr;
  makecontext(&target, entry, 0);
}

void switch_to(Context& from, Context& to) { swapcontext(&of(from), &of(to)); }

}  // namespace ortho::sim
