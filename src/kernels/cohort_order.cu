#include "kernels/block_sum.h"
#include "kernels/card_random.h"
#include "kernels/cohort_order.h"
#include "kernels/launch.h"

namespace trails::kernels {

namespace {

constexpr int kOrderRounds = 5;  // BatchOrder's
constexpr int kPlacesOfThread = kOrderTile / static_cast<int>(kThreads);
constexpr std::uint32_t kNoValue = 0xFFFFFFFFU;  // more than any row number

// BatchOrder's bijection of one member and epoch.
struct Bijection {
  std::uint32_t factor[kOrderRounds], summand[kOrderRounds];
  std::uint32_t mask;
  int shift;
};

struct OrderTask {
  const std::uint64_t *seeds;
  std::uint64_t epoch;
  std::uint32_t mask;
  int shift;
  std::uint32_t rows;
  std::int64_t tiles;
  std::int64_t epoch_rows;
};

__device__ __forceinline__ Bijection DrawBijection(const OrderTask &task, std::int64_t member) {
  Bijection drawn;
  const std::uint64_t first = task.epoch * 2 * kOrderRounds;
#pragma unroll
  for (int r = 0; r < kOrderRounds; ++r) {
    const std::uint64_t seed = task.seeds[member];
    const auto draw = static_cast<std::uint64_t>(2 * r);
    drawn.factor[r] = static_cast<std::uint32_t>(DrawOf(seed, first + draw)) | 1U;
    drawn.summand[r] = static_cast<std::uint32_t>(DrawOf(seed, first + draw + 1));
  }
  drawn.mask = task.mask;
  drawn.shift = task.shift;
  return drawn;
}

__device__ __forceinline__ std::uint32_t ValueAt(const Bijection &bijection, std::uint32_t place) {
#pragma unroll
  for (int r = 0; r < kOrderRounds; ++r) {
    place = (place * bijection.factor[r] + bijection.summand[r]) & bijection.mask;
    place ^= place >> bijection.shift;
  }
  return place;
}

// The values at the thread's places of the block's tile, kNoValue for those that do not count.
// Returns how many count.
__device__ __forceinline__ int Walk(const OrderTask &task, std::uint32_t *values) {
  const Bijection bijection = DrawBijection(task, blockIdx.x / task.tiles);
  const std::int64_t first =
      (blockIdx.x % task.tiles) * kOrderTile + threadIdx.x * std::int64_t{kPlacesOfThread};
  const std::int64_t places = std::int64_t{task.mask} + 1;
  int found = 0;
#pragma unroll
  for (int i = 0; i < kPlacesOfThread; ++i) {
    const std::uint32_t value = ValueAt(bijection, static_cast<std::uint32_t>(first + i));
    const bool counts = first + i < places && value < task.rows;
    values[i] = counts ? value : kNoValue;
    found += counts ? 1 : 0;
  }
  return found;
}

__global__ void __launch_bounds__(kThreads) CountTileKernel(OrderTask task, std::int32_t *counts) {
  std::uint32_t values[kPlacesOfThread];
  const int found = BlockSum(Walk(task, values));
  if (threadIdx.x == 0) counts[blockIdx.x] = found;
}

// The sum of the block's threads' numbers before this one's.
__device__ __forceinline__ int BlockSumBefore(int number) {
  __shared__ int of_warps[kThreads / 32];
  const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
  int sum = number;
  for (int lanes = 1; lanes < 32; lanes *= 2) {
    const int before = __shfl_up_sync(~0U, sum, static_cast<unsigned>(lanes));
    if (lane >= lanes) sum += before;
  }
  if (lane == 31) of_warps[warp] = sum;
  __syncthreads();
  int before = sum - number;
  for (int w = 0; w < warp; ++w) before += of_warps[w];
  return before;
}

__global__ void __launch_bounds__(kThreads)
    WriteTileKernel(OrderTask task, const std::int32_t *rows, const std::int32_t *counts,
                    std::int32_t *order) {
  __shared__ std::uint32_t tile[kOrderTile];
  const std::int64_t member = blockIdx.x / task.tiles, tile_number = blockIdx.x % task.tiles;
  std::int64_t before = 0;
  for (std::int64_t i = threadIdx.x; i < tile_number; i += kThreads) {
    before += counts[member * task.tiles + i];
  }
  before = BlockSum(before);
  if (before >= task.epoch_rows) return;  // the rest that does not fill a mini-batch

  std::uint32_t values[kPlacesOfThread];
  const int found = Walk(task, values);
  int at = BlockSumBefore(found);
#pragma unroll
  for (int i = 0; i < kPlacesOfThread; ++i) {
    if (values[i] != kNoValue) tile[at++] = values[i];
  }
  __syncthreads();
  const int count = counts[blockIdx.x];
  std::int32_t *const to = order + member * task.epoch_rows;
  for (int i = static_cast<int>(threadIdx.x); i < count; i += static_cast<int>(kThreads)) {
    if (before + i < task.epoch_rows) to[before + i] = rows[tile[i]];
  }
}

}  // namespace

void CohortOrderCuda(const CohortOrderShape &shape, const std::int32_t *rows,
                     const std::uint64_t *seeds, std::int64_t epoch, std::int32_t *tile_counts,
                     std::int32_t *order, CUstream_st *stream) {
  if (shape.members == 0) return;
  const int bits = shape.bits();
  const OrderTask task = {.seeds = seeds,
                          .epoch = static_cast<std::uint64_t>(epoch),
                          .mask = static_cast<std::uint32_t>((std::uint64_t{1} << bits) - 1),
                          .shift = (bits + 1) / 2,
                          .rows = static_cast<std::uint32_t>(shape.rows),
                          .tiles = shape.tiles(),
                          .epoch_rows = shape.epoch_rows()};
  const auto blocks = static_cast<unsigned>(shape.members * task.tiles);
  Launch(CountTileKernel, blocks, kThreads, stream, task, tile_counts);
  Launch(WriteTileKernel, blocks, kThreads, stream, task, rows, tile_counts, order);
}

}  // namespace trails::kernels
