// Schemes: how the values of an intermediate are stored.
//
// A scheme is part of what an intermediate means: a value is the same whether it was read or rerun,
// because the scheme is applied on both paths. 'precision => exact' goes around it.
//
// Source: MISTIQUE (Vartak et al., SIGMOD 2018), section 4.1. Different on purpose: the default is
// f16, since a perceptron has no maps to pool; q8 is linear and ours; kbit has bins of each column
// and gives a bin's mean.
//
// May touch: include/trails. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace trails {

enum class SchemeKind : std::uint8_t {
  kF32,        // as computed
  kF16,        // half floats, scaled by a power of two of the column where it would overflow
  kQ8,         // 8 bits, equidistant between the column's least and largest value
  kKbit,       // `bits` bits, bins of equal counts; read back as the bin's mean
  kThreshold,  // 1 bit: above the column's quantile `quantile`, read back as 1 or 0
  kPool,   // half floats of `pool` x `pool` cells of each channel's map, averaged or the largest
  kStats,  // no values: statistics and the largest rows of each column alone
};

enum class Pooling : std::uint8_t { kAverage, kLargest };

struct Scheme {
  SchemeKind kind = SchemeKind::kF16;
  std::int32_t bits = 8;                // kKbit: 2 to 8
  double quantile = 0.995;              // kThreshold: above 0, below 1
  std::int32_t pool = 2;                // kPool: >= 2
  Pooling pooling = Pooling::kAverage;  // kPool

  bool operator==(const Scheme &) const = default;
};

// Reads 'f32', 'f16', 'q8', 'kbit', 'kbit(4)', 'threshold', 'threshold(0.99)', 'pool', 'pool(4)',
// 'pool(4, max)' or 'stats'; without brackets the parameters above.
// Throws Error(kInvalidArgument) for anything else, with a HINT that lists the schemes.
Scheme ParseScheme(std::string_view text);

// The text that ParseScheme reads, shortest: 'kbit(8)', 'pool(2)', 'pool(2, max)'.
std::string SchemeText(const Scheme &scheme);

// Bits that one stored value takes before compression; 0 for kStats.
std::int32_t BitsOf(const Scheme &scheme) noexcept;

// The shape of a layer: one number for a plain one, or channels, height, width. Its product is the
// number of columns; a column's position is (channel * height + row) * width + cell.
struct Shape {
  std::int32_t channels = 0;
  std::int32_t height = 1;
  std::int32_t width = 1;

  std::int32_t columns() const noexcept { return channels * height * width; }
  bool is_spatial() const noexcept { return height > 1 || width > 1; }
  bool operator==(const Shape &) const = default;
};

// The shape that is stored: `shape` itself, or with its maps pooled, the last cells of a row or
// column of a map pooled with fewer neighbours.
// Throws Error(kInvalidArgument) for pooling of a layer without maps, or where pool is above both
// height and width (pool equal to the larger one gives one number a map).
Shape StoredShape(const Scheme &scheme, const Shape &shape);

// Pools rows of a layer. values [shape.columns(), rows] and out [StoredShape(...).columns(), rows]
// are column by column. Averages are summed in double; NaN in a cell makes the pooled cell NaN.
// Throws as StoredShape, Error(kInternal) for another scheme than kPool. Cost: some 0.4 ns
// a cell.
void PoolMaps(const Scheme &scheme, const Shape &shape, const float *values, std::int64_t rows,
              float *out);

}  // namespace trails
