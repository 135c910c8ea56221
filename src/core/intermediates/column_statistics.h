// What is kept of every column of an intermediate, whatever its scheme: moments, counts, and the
// rows with the largest values; and which rows make a sample of it.
//
// All of it is of the exact values, so that the largest rows and the statistics of an intermediate
// are right even where its values are stored in a bit each.
//
// May touch: include/trails, src/kernels. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace trails {

struct RowValue {
  std::int64_t row = 0;  // position, from 0
  float value = 0;

  bool operator==(const RowValue &) const = default;
};

// Of one column. Sums are of the finite values, in double and in an order that depends on the calls
// of Add and Append alone, never on the CPU: blocks appended in their order give the same bits
// whichever threads added them.
struct ColumnStatistics {
  static constexpr std::int32_t kLargestRows = 100;

  std::int64_t rows = 0;
  std::int64_t zeros = 0;
  std::int64_t not_finite = 0;
  std::int64_t nans = 0;  // of not_finite
  float least = 0;        // of the finite values; 0 when there are none
  float largest = 0;      //
  double sum = 0;
  double squares = 0;
  // The kLargestRows largest values, NaN left out, descending; of equal values the first row first.
  std::vector<RowValue> top;

  double mean() const noexcept;  // NaN without a finite value
  double deviation()
      const noexcept;  // of the finite values, divided by their number; never below 0

  // Adds the values of rows first_row, first_row + 1, ..., which come after those seen so far.
  // Cost: some 5 ns a value of the first thousands, while the largest are found, then 0.5 ns.
  void Add(std::int64_t first_row, std::span<const float> values);
  // Adds what `later` has seen: rows that all come after those seen here. Cost: some 0.3 us.
  void Append(const ColumnStatistics &later);
};

// Which rows make the sample of an intermediate that `rows` rows have: at most kSampleRows,
// ascending, evenly spread, the same for every column, layer and epoch.
inline constexpr std::int64_t kSampleRows = 8'192;
std::vector<std::int64_t> SampledRows(std::int64_t rows);

}  // namespace trails
