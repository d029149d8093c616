#include "tests/kernels/simulated_block.h"

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <stdexcept>

#include "base/rng.h"

namespace panal::kernels::cuda {
namespace {

constexpr std::size_t kStackBytes = 128 << 10;
constexpr std::int64_t kGuardBytes = 256;
constexpr unsigned char kUntouched = 0xFF;  // Four of them are a NaN.

// Leaving a place for another, or for a fiber's beginning, returns when somebody leaves for it.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
struct Place {
  ucontext_t context;
};
void leave(Place& from, ucontext_t& beginning) { swapcontext(&from.context, &beginning); }
void leave(Place& from, Place& to) { leave(from, to.context); }
#else
// swapcontext() asks the kernel for the signal mask at every turn. Sanitizers know jumps only
// within one stack.
struct Place {
  jmp_buf registers;
};
[[gnu::noinline]] void leave(Place& from, ucontext_t& beginning) {
  if (_setjmp(from.registers) == 0) setcontext(&beginning);
}
[[gnu::noinline]] void leave(Place& from, Place& to) {
  if (_setjmp(from.registers) == 0) _longjmp(to.registers, 1);
}
#endif

enum class Waits { kForNothing, kForWarp, kForBlock, kIsDone };

}  // namespace

struct SimulatedBlock::State {
  State(const Geometry& wanted, std::uint64_t seed) : shape(wanted), rng(seed) {
    const auto count = static_cast<std::size_t>(shape.threads);
    fibers.resize(count);
    slots.resize(count);
    for (int i = 0; i < shape.threads; ++i) order.push_back(i);
    memory.resize(static_cast<std::size_t>(shape.shared_bytes + kGuardBytes) / 16 + 1);
  }
  unsigned char* bytes() { return memory.front().at; }

  // A fiber runs the body of its thread in one block after the other.
  static void enter(unsigned low, unsigned high) {
    auto* state = reinterpret_cast<State*>((std::uintptr_t{high} << 32) | low);
    while (true) {
      (*state->thread_body)();
      state->wait(Waits::kIsDone);
    }
  }
  void resume(int thread) {
    current = thread;
    Fiber& fiber = fibers[static_cast<std::size_t>(thread)];
    if (fiber.stack) return leave(scheduler, fiber.place);
    begin(fiber);
  }
  void wait(Waits what) {
    const auto me = static_cast<std::size_t>(current);
    waits[me] = what;
    leave(fibers[me].place, scheduler);
  }
  // Frees the threads of [begin, end) when all of them wait for `what`.
  void release(int begin, int end, Waits what) {
    const auto first = waits.begin() + begin, last = waits.begin() + end;
    if (std::all_of(first, last, [&](Waits is) { return is == what; }))
      std::fill(first, last, Waits::kForNothing);
  }
  void schedule() {
    while (true) {
      for (std::size_t i = order.size() - 1; i > 0; --i)
        std::swap(order[i], order[static_cast<std::size_t>(rng.below(i + 1))]);
      bool ran = false;
      for (const int thread : order) {
        if (waits[static_cast<std::size_t>(thread)] != Waits::kForNothing) continue;
        ran = true;
        resume(thread);
      }
      if (std::all_of(waits.begin(), waits.end(), [](Waits is) { return is == Waits::kIsDone; }))
        return;
      if (!ran) throw std::runtime_error("some threads wait at a barrier that others never reach");
      for (int warp = 0; warp < shape.threads; warp += kWarp)
        release(warp, warp + kWarp, Waits::kForWarp);
      release(0, shape.threads, Waits::kForBlock);
    }
  }

  struct Fiber {
    std::unique_ptr<unsigned char[]> stack;  // From its first turn on.
    Place place;                             // Where it waits.
  };
  void begin(Fiber& fiber) {
    fiber.stack = std::make_unique_for_overwrite<unsigned char[]>(kStackBytes);
    ucontext_t context{};
    getcontext(&context);
    context.uc_stack.ss_sp = fiber.stack.get();
    context.uc_stack.ss_size = kStackBytes;
    const auto address = reinterpret_cast<std::uintptr_t>(this);
    makecontext(&context, reinterpret_cast<void (*)()>(&State::enter), 2,
                static_cast<unsigned>(address & 0xFFFFFFFFu), static_cast<unsigned>(address >> 32));
    leave(scheduler, context);
  }

  struct alignas(16) Sixteen {
    unsigned char at[16];
  };
  Geometry shape;
  Rng rng;
  std::int64_t block_index = 0;
  int current = 0;
  std::vector<int> order;
  std::vector<Waits> waits;
  std::vector<Fiber> fibers;
  std::vector<float> slots;  // What shuffles exchange.
  std::vector<Sixteen> memory;
  Place scheduler;
  const std::function<void()>* thread_body = nullptr;
};

SimulatedBlock::SimulatedBlock(const Geometry& shape, std::uint64_t seed)
    : state_(std::make_unique<State>(shape, seed)) {}
SimulatedBlock::~SimulatedBlock() = default;

void SimulatedBlock::run(std::int64_t index, const std::function<void()>& thread_body) {
  State& s = *state_;
  s.block_index = index;
  s.thread_body = &thread_body;
  s.waits.assign(static_cast<std::size_t>(s.shape.threads), Waits::kForNothing);
  std::memset(s.bytes(), kUntouched, s.memory.size() * 16);
  s.schedule();
  for (std::int64_t i = 0; i < kGuardBytes; ++i) {
    if (s.bytes()[s.shape.shared_bytes + i] != kUntouched)
      throw std::runtime_error("a thread wrote after the end of the shared memory");
  }
}

int SimulatedBlock::thread() const { return state_->current; }
int SimulatedBlock::threads() const { return state_->shape.threads; }
std::int64_t SimulatedBlock::index() const { return state_->block_index; }
std::int64_t SimulatedBlock::blocks() const { return state_->shape.blocks; }
void SimulatedBlock::barrier() { state_->wait(Waits::kForBlock); }
void SimulatedBlock::warp_barrier() { state_->wait(Waits::kForWarp); }
unsigned char* SimulatedBlock::shared() { return state_->bytes(); }

float SimulatedBlock::shuffle_xor(float value, int mask) {
  const int me = thread();
  state_->slots[static_cast<std::size_t>(me)] = value;
  warp_barrier();
  const float other = state_->slots[static_cast<std::size_t>(me ^ mask)];
  warp_barrier();
  return other;
}

void SimulatedBlock::clear(Accumulator& sum) {
  if (thread() % kWarp == 0) sum.numbers.assign(256, 0.0f);
}
// All threads of a warp meet before and after touching shared memory, as on a device.
void SimulatedBlock::read(Left& fragment, const std::uint16_t* from, int apart) {
  warp_barrier();
  if (thread() % kWarp == 0) {
    fragment.numbers.resize(256);
    for (int r = 0; r < 16; ++r)
      for (int c = 0; c < 16; ++c)
        fragment.numbers[static_cast<std::size_t>(r * 16 + c)] = to_float(from[r * apart + c]);
  }
  warp_barrier();
}
void SimulatedBlock::read(Right& fragment, const std::uint16_t* from, int apart) {
  warp_barrier();
  if (thread() % kWarp == 0) {
    fragment.numbers.resize(256);
    for (int r = 0; r < 16; ++r)
      for (int c = 0; c < 16; ++c)
        fragment.numbers[static_cast<std::size_t>(r * 16 + c)] = to_float(from[c * apart + r]);
  }
  warp_barrier();
}
void SimulatedBlock::multiply(Accumulator& sum, const Left& left, const Right& right) {
  if (thread() % kWarp != 0) return;
  for (std::size_t r = 0; r < 16; ++r)
    for (std::size_t k = 0; k < 16; ++k)
      for (std::size_t c = 0; c < 16; ++c)
        sum.numbers[r * 16 + c] += left.numbers[r * 16 + k] * right.numbers[k * 16 + c];
}
void SimulatedBlock::write(float* to, const Accumulator& sum, int apart) {
  warp_barrier();
  if (thread() % kWarp == 0) {
    for (int r = 0; r < 16; ++r)
      for (int c = 0; c < 16; ++c)
        to[r * apart + c] = sum.numbers[static_cast<std::size_t>(r * 16 + c)];
  }
  warp_barrier();
}

}  // namespace panal::kernels::cuda
