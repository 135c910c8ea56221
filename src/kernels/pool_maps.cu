#include "kernels/launch.h"
#include "kernels/pool_maps.h"

namespace trails::kernels {

namespace {

// A thread has one row of one pooled cell: neighbours read neighbouring rows of a column.
__global__ void PoolMapsKernel(Maps maps, const float *values, std::int64_t rows, float *out) {
  const std::int32_t height = PooledSide(maps.height, maps.pool);
  const std::int32_t width = PooledSide(maps.width, maps.pool);
  const std::int64_t count = std::int64_t{maps.channels} * height * width * rows;
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step) {
    const std::int64_t row = i % rows;
    const std::int64_t cell = i / rows;
    const auto left = static_cast<std::int32_t>(cell % width) * maps.pool;
    const auto top = static_cast<std::int32_t>(cell / width % height) * maps.pool;
    const std::int64_t channel = cell / width / height;
    const std::int32_t right = min(left + maps.pool, maps.width);
    const std::int32_t bottom = min(top + maps.pool, maps.height);
    const float *const map = values + channel * maps.height * maps.width * rows + row;
    double sum = 0;
    float largest = map[(std::int64_t{top} * maps.width + left) * rows];
    for (std::int32_t y = top; y < bottom; ++y) {
      for (std::int32_t x = left; x < right; ++x) {
        const float value = map[(std::int64_t{y} * maps.width + x) * rows];
        sum += static_cast<double>(value);
        largest = value > largest || isnan(value) ? value : largest;
      }
    }
    const double cells = (bottom - top) * (right - left);
    out[i] = maps.largest ? largest : static_cast<float>(sum / cells);
  }
}

}  // namespace

void PoolMapsCuda(const Maps &maps, const float *values, std::int64_t rows, float *out,
                  CUstream_st *stream) {
  const std::int64_t count = std::int64_t{maps.channels} * PooledSide(maps.height, maps.pool) *
                             PooledSide(maps.width, maps.pool) * rows;
  if (count == 0) return;
  Launch(PoolMapsKernel, BlocksFor(count), kThreads, stream, maps, values, rows, out);
}

}  // namespace trails::kernels
