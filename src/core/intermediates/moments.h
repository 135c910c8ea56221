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
  // Cost: rows * columns^2 multiplications in double.
  void Add(std::span<const float> values, std::int64_t rows);
  // Adds what another pass over other rows saw. The last bits depend on the order of such calls.
  void Append(const Moments &other);

  std::int64_t columns() const noexcept { return columns_; }
  std::int64_t rows() const noexcept { return rows_; }        // that counted
  std::int64_t skipped() const noexcept { return skipped_; }  // not finite
  double mean(std::int64_t column) const;
  // Sum over rows of the product of two columns' differences from their means.
  double Product(std::int64_t a, std::int64_t b) const;

 private:
  std::int64_t columns_;
  std::int64_t rows_ = 0;
  std::int64_t skipped_ = 0;
  // Differences from the first row that counted are summed, so that large means cost no digits.
  std::vector<double> origin_;    // [columns]
  std::vector<double> sums_;      // [columns]
  std::vector<double> products_;  // [columns, columns], upper triangle
};

}  // namespace trails
