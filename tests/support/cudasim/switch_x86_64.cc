// Leaving a stack for another on x86-64: the registers that a call preserves go onto the old one.
#include <cstdint>

#include "tests/support/cudasim/fiber.h"

extern "C" void ortho_sim_switch(void** from, void* to);

asm(R"(
.text
.globl ortho_sim_switch
.type ortho_sim_switch, @function
ortho_sim_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size ortho_sim_switch, .-ortho_sim_switch
)");

namespace ortho::sim {

// What ortho_sim_switch takes from a stack: six registers, then the address where it goes on. The
// slot above is what `entry` takes for its return address, which leaves the stack aligned for it.
void prepare(Context& context, std::byte* stack, std::size_t bytes, void (*entry)()) {
  auto* top = reinterpret_cast<std::uintptr_t*>(stack + bytes);
  *--top = 0;
  *--top = reinterpret_cast<std::uintptr_t>(entry);
  for (int preserved = 0; preserved < 6; ++preserved) *--top = 0;
  context.place = top;
}

void switch_to(Context& from, Context& to) { ortho_sim_switch(&from.place, to.place); }

}  // namespace ortho::sim
