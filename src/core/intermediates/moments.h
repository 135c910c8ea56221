// First and second moments of the columns of one or two layers, in one pass: what correlation, CKA
// and SVCCA are computed from.
//
// May touch: src/core/data, src/core/intermediates, src/kernels. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

namespace trails {

class Moments {
 public:
  // Above this many columns a pass would take minutes and the matrix 128 MB.
  static constexpr std::int64_t kMostColumns = 4'096;

  // Throws Error(kLimit) for columns above kMostColumns, Error(kInternal) for none.
  explicit Moments(std::int64_t columns);

  // values [columns, rows], column by column. Rows with a value that is not finite are passed over.
  // Throws Error(kInternal) for another number of values; Error(kCancelled) within a millisecond of
  // a stop, after which the moments are of no use. Cost: rows * columns^2 / 2 multiplications and
  // as many additions in double, at the rates of AddPanelProduct from 256 columns on; and 1 ns a
  // value to get ready for them.
  void Add(std::span<const float> values, std::int64_t rows, const std::stop_token &stop = {});
  // Adds what another pass over other rows saw. The last bits depend on the order of such calls, as
  // they do on the CPU (products are fused into sums where it can).
  // Throws Error(kInternal) for another number of columns; Error(kCancelled) as Add.
  void Append(const Moments &other, const std::stop_token &stop = {});

  std::int64_t columns() const noexcept { return columns_; }
  std::int64_t rows() const noexcept { return rows_; }        // that counted
  std::int64_t skipped() const noexcept { return skipped_; }  // not finite
  double mean(std::int64_t column) const;                     // NaN of no rows
  // Sum over rows of the product of two columns' differences from their means; exactly 0 where
  // either has one value. Both throw Error(kInternal) for another column.
  double Product(std::int64_t a, std::int64_t b) const;

 private:
  struct Free {
    void operator()(double *numbers) const noexcept { std::free(numbers); }
  };

  void FindFinite(std::span<const float> values, std::int64_t rows);
  void TakeDifferences(std::span<const float> values, std::int64_t rows, std::int64_t first,
                       std::int64_t count);
  void AddDifferences(std::int64_t count, const std::stop_token &stop);
  void CheckColumn(std::int64_t column) const;

  std::int64_t columns_;
  std::int64_t panels_;  // of columns that are worked on side by side, the last one padded
  std::int64_t rows_ = 0;
  std::int64_t skipped_ = 0;
  // Differences from the first row that counted are summed, so that large means cost no digits: as
  // that row is one of the data, its distance from the mean is at most sqrt(rows) deviations.
  std::vector<double> origin_;  // [padded columns]
  std::vector<double> sums_;    // [padded columns]
  // [padded columns, padded columns], upper triangle. Of calloc, which takes the pages when they
  // are first written to: zeroing 128 MB takes 0.1 s in which nobody looks for a stop.
  std::unique_ptr<double[], Free> products_;
  std::vector<double> differences_;     // scratch of Add, and the two below
  std::vector<std::uint32_t> largest_;  // [rows]
  std::vector<std::int64_t> finite_;    // rows that count
};

}  // namespace trails
