// Pools the maps of a layer: cells of pool x pool become their average or the largest.
//
// May touch: the C++ standard library, .cu the CUDA runtime. Knows nothing of Torch or PostgreSQL.
#pragma once

#include <cstdint>

struct CUstream_st;

namespace trails::kernels {

// `channels` maps of height x width cells; pool >= 1.
struct Maps {
  std::int32_t channels, height, width;
  std::int32_t pool;
  bool largest;  // else the average
};

// Cells of a side of a map once pooled; the last ones are of fewer cells.
constexpr std::int32_t PooledSide(std::int32_t cells, std::int32_t pool) noexcept {
  return (cells - 1) / pool + 1;
}

// values [channels * height * width, rows] and out [channels * pooled height * pooled width, rows]
// are column by column. Averages are summed in double, row of cells by row of cells; NaN in a cell
// makes the pooled cell NaN. Cost: some 0.4 ns a cell.
void PoolMapsCpu(const Maps &maps, const float *values, std::int64_t rows, float *out);
// The same bits, in the memory of a card; queued on `stream`. Throws Error(kDevice) when the launch
// is refused. Cost: memory-bound, each cell is read once.
void PoolMapsCuda(const Maps &maps, const float *values, std::int64_t rows, float *out,
                  CUstream_st *stream);

}  // namespace trails::kernels
