#include "kernels/pool_maps.h"

#include <algorithm>
#include <cmath>

namespace trails::kernels {

namespace {

// The cells of a map that are pooled into one.
struct Window {
  std::int32_t first_row, end_row;
  std::int32_t first_cell, end_cell;

  std::int32_t cells() const noexcept { return (end_row - first_row) * (end_cell - first_cell); }
};

// Rows that are summed at a time: their sums stay in the first cache.
constexpr std::int64_t kPooledRows = 512;

// map: the first column of a channel's map, for `count` rows; columns are `rows` floats apart.
void PoolAverage(const Window &window, std::int32_t width, const float *map, std::int64_t rows,
                 std::int64_t count, float *out) {
  double sums[kPooledRows];
  std::fill_n(sums, count, 0.0);
  for (std::int32_t y = window.first_row; y < window.end_row; ++y) {
    for (std::int32_t x = window.first_cell; x < window.end_cell; ++x) {
      const float *const column = map + (std::int64_t{y} * width + x) * rows;
      for (std::int64_t i = 0; i < count; ++i) sums[i] += static_cast<double>(column[i]);
    }
  }
  const auto cells = static_cast<double>(window.cells());
  for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(sums[i] / cells);
}

void PoolLargest(const Window &window, std::int32_t width, const float *map, std::int64_t rows,
                 std::int64_t count, float *out) {
  const float *const first =
      map + (std::int64_t{window.first_row} * width + window.first_cell) * rows;
  std::copy_n(first, count, out);
  for (std::int32_t y = window.first_row; y < window.end_row; ++y) {
    for (std::int32_t x = window.first_cell; x < window.end_cell; ++x) {
      const float *const column = map + (std::int64_t{y} * width + x) * rows;
      // Nothing is above NaN, so that it stays.
      for (std::int64_t i = 0; i < count; ++i) {
        out[i] = column[i] > out[i] || std::isnan(column[i]) ? column[i] : out[i];
      }
    }
  }
}

}  // namespace

void PoolMapsCpu(const Maps &maps, const float *values, std::int64_t rows, float *out) {
  const auto pool_into = maps.largest ? PoolLargest : PoolAverage;
  const std::int32_t height = PooledSide(maps.height, maps.pool);
  const std::int32_t width = PooledSide(maps.width, maps.pool);
  for (std::int32_t channel = 0; channel < maps.channels; ++channel) {
    const float *const map = values + std::int64_t{channel} * maps.height * maps.width * rows;
    for (std::int32_t y = 0; y < height; ++y) {
      for (std::int32_t x = 0; x < width; ++x, out += rows) {
        const Window window{y * maps.pool, std::min((y + 1) * maps.pool, maps.height),
                            x * maps.pool, std::min((x + 1) * maps.pool, maps.width)};
        for (std::int64_t row = 0; row < rows; row += kPooledRows) {
          pool_into(window, maps.width, map + row, rows, std::min(kPooledRows, rows - row),
                    out + row);
        }
      }
    }
  }
}

}  // namespace trails::kernels
