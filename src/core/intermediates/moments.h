// First and second moments of the columns of one or two layers, in one pass: what correlation, CKA
// and SVCCA are computed from.
//
// May touch: src/core/intermediates, src/kernels. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace trails {

class Moments {
 public:
  // Above this many columns a pass would take minutes and the matrix 128 MB.
  static constexpr std::int64_t kMostColumns = 4'096;

  // Throws Error(kLimit) for columns above kMostColumns, Error(kInternal) for none.
  explicit Moments(std::int64_t columns);

  // values [columns, rows], column by column. Rows with a value that is not finite are passed over.
  // Throws Error(kInternal) for another number of values. Cost: rows * columns^2 / 2
  // multiplications and as many additions in double, on one core 50 GFLOP/s from 256 columns on
  // with AVX-512 (of 92 that it can), 19 with AVX2, 11 with SSE2; and 1 ns a value to get ready for
  // them.
  void Add(std::span<const float> values, std::int64_t rows);
  // Adds what another pass over other rows saw. The last bits depend on the order of such calls, as
  // they do on the CPU (products are fused into sums where it can).
  // Throws Error(kInternal) for another number of columns.
  void Append(const Moments &other);

  std::int64_t columns() const noexcept { return columns_; }
  std::int64_t rows() const noexcept { return rows_; }        // that counted
  std::int64_t skipped() const noexcept { return skipped_; }  // not finite
  double mean(std::int64_t column) const;                     // NaN of no rows
  // Sum over rows of the product of two columns' differences from their means; exactly 0 where
  // either has one value. Both throw Error(kInternal) for another column.
  double Product(std::int64_t a, std::int64_t b) const;

 private:
  void FindFinite(std::span<const float> values, std::int64_t rows);
  void CheckColumn(std::int64_t column) const;

  std::int64_t columns_;
  std::int64_t panels_;  // of columns that are worked on side by side, the last one padded
  std::int64_t rows_ = 0;
  std::int64_t skipped_ = 0;
  // Differences from the first row that counted are summed, so that large means cost no digits: as
  // that row is one of the data, its distance from the mean is at most sqrt(rows) deviations.
  std::vector<double> origin_;          // [padded columns]
  std::vector<double> sums_;            // [padded columns]
  std::vector<double> products_;        // [padded columns, padded columns], upper triangle
  std::vector<double> differences_;     // scratch of Add, and the two below
  std::vector<std::uint32_t> largest_;  // [rows]
  std::vector<std::int64_t> finite_;    // rows that count
};

}  // namespace trails
