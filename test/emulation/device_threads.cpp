#include "device_threads.h"

#include <boost/context/continuation.hpp>
#include <boost/context/fixedsize_stack.hpp>
#include <boost/context/preallocated.hpp>

#include <array>
#include <cstddef>
#include <exception>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace emulation {

namespace {

namespace context = boost::context;

constexpr std::size_t kStackBytes = 128 * 1024;
constexpr std::size_t kWarp = 32;

enum class State : std::uint8_t { kReady, kAtBlock, kAtWarp, kEnded };

// A stack that outlives the fibers that use it.
struct KeptStack {
  context::fixedsize_stack allocator{kStackBytes};
  context::stack_context stack = allocator.allocate();

  KeptStack() = default;
  KeptStack(const KeptStack &) = delete;
  KeptStack &operator=(const KeptStack &) = delete;
  ~KeptStack() { allocator.deallocate(stack); }
};

// For continuations on a kept stack: there is nothing to free.
struct NoFree {
  void deallocate(context::stack_context &) noexcept {}
};

struct Fiber {
  context::continuation rest;  // of the fiber while it waits, of the block while it runs
  State state = State::kReady;
  bool begun = false;
  uint3 index{};
  std::uint64_t given = 0;
};

class Block {
 public:
  void Run(dim3 threads, const std::function<void()> &thread, bool descending) {
    thread_ = &thread;
    const std::size_t count = std::size_t{threads.x} * threads.y * threads.z;
    fibers_.clear();
    fibers_.resize(count);
    while (stacks_.size() < count) stacks_.push_back(std::make_unique<KeptStack>());
    for (std::size_t t = 0; t < count; ++t) {
      fibers_[t].index = {static_cast<unsigned>(t % threads.x),
                          static_cast<unsigned>(t / threads.x % threads.y),
                          static_cast<unsigned>(t / threads.x / threads.y)};
    }
    for (std::size_t ended = 0; ended < count;) {
      bool moved = false;
      for (std::size_t i = 0; i < count; ++i) {
        const std::size_t t = descending ? count - 1 - i : i;
        if (fibers_[t].state != State::kReady) continue;
        moved = true;
        Resume(t);
        if (fibers_[t].state == State::kEnded) ++ended;
      }
      if (failure_) {
        fibers_.clear();  // unwinds those that wait
        std::rethrow_exception(std::exchange(failure_, nullptr));
      }
      moved = ReleaseWarps() || moved;
      moved = ReleaseBlock() || moved;
      if (!moved && ended < count) {
        fibers_.clear();
        throw std::logic_error("the threads of a block wait for each other for ever");
      }
    }
  }

  void Wait(State at) {
    Fiber &self = fibers_[running_];
    self.state = at;
    self.rest = self.rest.resume();
  }
  std::size_t running() const { return running_; }
  Fiber &running_fiber() { return fibers_[running_]; }
  const Fiber *AtLane(std::size_t lane) const {
    const std::size_t t = running_ / kWarp * kWarp + lane;
    return t < fibers_.size() ? &fibers_[t] : nullptr;
  }

 private:
  void Resume(std::size_t t) {
    running_ = t;
    Fiber &fiber = fibers_[t];
    threadIdx = fiber.index;
    if (!fiber.begun) {
      fiber.begun = true;
      const context::stack_context &stack = stacks_[t]->stack;
      const context::preallocated place(stack.sp, stack.size, stack);
      fiber.rest = context::callcc(std::allocator_arg, place, NoFree{},
                                   [this, &fiber](context::continuation &&block) {
                                     fiber.rest = std::move(block);
                                     RunThread();
                                     fiber.state = State::kEnded;
                                     return std::move(fiber.rest);
                                   });
    } else {
      fiber.rest = fiber.rest.resume();
    }
  }
  void RunThread() {
    try {
      (*thread_)();
    } catch (const context::detail::forced_unwind &) {
      throw;
    } catch (...) {
      failure_ = std::current_exception();
    }
  }
  // Lets the warps go on whose lanes have all arrived or ended.
  bool ReleaseWarps() {
    bool released = false;
    for (std::size_t first = 0; first < fibers_.size(); first += kWarp) {
      const std::size_t last = std::min(first + kWarp, fibers_.size());
      bool waits = false, whole = true;
      for (std::size_t t = first; t < last; ++t) {
        waits = waits || fibers_[t].state == State::kAtWarp;
        whole = whole && (fibers_[t].state == State::kAtWarp || fibers_[t].state == State::kEnded);
      }
      if (!waits || !whole) continue;
      for (std::size_t t = first; t < last; ++t) {
        if (fibers_[t].state == State::kAtWarp) fibers_[t].state = State::kReady;
      }
      released = true;
    }
    return released;
  }
  bool ReleaseBlock() {
    bool waits = false;
    for (const Fiber &fiber : fibers_) {
      if (fiber.state != State::kAtBlock && fiber.state != State::kEnded) return false;
      waits = waits || fiber.state == State::kAtBlock;
    }
    for (Fiber &fiber : fibers_) {
      if (fiber.state == State::kAtBlock) fiber.state = State::kReady;
    }
    return waits;
  }

  const std::function<void()> *thread_ = nullptr;
  std::vector<Fiber> fibers_;
  std::vector<std::unique_ptr<KeptStack>> stacks_;
  std::size_t running_ = 0;
  std::exception_ptr failure_;
};

Block &TheBlock() {
  static auto *const block = new Block;
  return *block;
}

}  // namespace

void RunGrid(dim3 blocks, dim3 threads, const std::function<void()> &thread) {
  static bool descending = false;
  descending = !descending;
  blockDim = threads;
  gridDim = blocks;
  const std::uint64_t count = std::uint64_t{blocks.x} * blocks.y * blocks.z;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t b = descending ? count - 1 - i : i;
    blockIdx = {static_cast<unsigned>(b % blocks.x), static_cast<unsigned>(b / blocks.x % blocks.y),
                static_cast<unsigned>(b / blocks.x / blocks.y)};
    TheBlock().Run(threads, thread, descending);
  }
}

void MeetBlock() {
  TheBlock().Wait(State::kAtBlock);
}

std::uint64_t Exchange(std::uint64_t bits, int from) {
  Block &block = TheBlock();
  block.running_fiber().given = bits;
  block.Wait(State::kAtWarp);
  const Fiber *const source = block.AtLane(static_cast<std::size_t>(from) % kWarp);
  const std::uint64_t got =
      source == nullptr || source->state == State::kEnded ? bits : source->given;
  block.Wait(State::kAtWarp);  // nobody gives anew before all have read
  return got;
}

std::uint32_t Ballot(bool set) {
  Block &block = TheBlock();
  block.running_fiber().given = set ? 1 : 0;
  block.Wait(State::kAtWarp);
  std::uint32_t bits = 0;
  for (std::size_t lane = 0; lane < kWarp; ++lane) {
    const Fiber *const fiber = block.AtLane(lane);
    if (fiber == nullptr || fiber->state == State::kEnded || fiber->given == 0) continue;
    bits |= std::uint32_t{1} << lane;
  }
  block.Wait(State::kAtWarp);
  return bits;
}

int Lane() {
  return static_cast<int>(TheBlock().running() % kWarp);
}

}  // namespace emulation
