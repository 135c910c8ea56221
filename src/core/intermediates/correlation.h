// Pearson's correlation of the columns of a layer with one other number of each row.
//
// May touch: src/kernels, include/trails. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace trails {

class ColumnCorrelations {
 public:
  // Throws Error(kInternal) for a number below 0.
  explicit ColumnCorrelations(std::int64_t columns);

  // values [columns, rows], column by column; other [rows]. Rows where either number is not finite
  // are passed over in that column. Sums depend on the order of calls alone, or so nearly: products
  // are fused into them where the CPU can.
  // Throws Error(kInternal) for another number of values. Cost: some 0.6 ns a value.
  void Add(std::span<const float> values, std::span<const float> other);

  // NaN where either has one value among the rows that counted. With 0 and 1 as the other number it
  // is the point-biserial correlation. Throws Error(kInternal) for another column.
  double correlation(std::int64_t column) const;

 private:
  // Of differences from the first row that counted, as those of Moments.
  struct Sums {
    std::int64_t rows = 0;
    double origin = 0, other_origin = 0;
    double value = 0, other = 0;
    double squares = 0, other_squares = 0, products = 0;
  };

  std::vector<Sums> sums_;  // [columns]
};

}  // namespace trails
