// The threads of one block as fibers of one thread: what lets a kernel's own source run, and be
// compared with its CPU twin, where there is no card.
//
// Threads run one after the other until they meet at a barrier or exchange values within a warp.
// Blocks and threads run in ascending order in one launch and in descending order in the next, so
// that a kernel whose result depends on the order gives two results. Not emulated: anything about
// time, caches, or memory ordering within a block's threads.
#pragma once

#include <cstdint>
#include <functional>

struct uint3 {
  unsigned x, y, z;
};

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned of_x = 1, unsigned of_y = 1, unsigned of_z = 1)  // NOLINT: as CUDA's
      : x(of_x), y(of_y), z(of_z) {}
};

// As in a kernel. Of the fiber that runs now.
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
inline constexpr int warpSize = 32;

namespace emulation {

// Runs `thread` once for every thread of every block. Throws std::logic_error when the threads of
// a block wait for each other for ever: a barrier that some of them never reach.
void RunGrid(dim3 blocks, dim3 threads, const std::function<void()> &thread);

// Of the running fiber: waits for all threads of the block that have not ended.
void MeetBlock();
// Gives `bits` to the lanes of the warp and returns those of lane `from`(0 .. 31); all lanes of
// the warp that have not ended must call it. Of a lane that has ended it is this lane's own.
std::uint64_t Exchange(std::uint64_t bits, int from);
// As Exchange, from every lane: bit i is whether lane i, if it has not ended, gave `set`.
std::uint32_t Ballot(bool set);
// Lane of the running fiber in its warp.
int Lane();

}  // namespace emulation
