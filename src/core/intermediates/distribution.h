// How the values of columns are spread: histograms, and means by group.
//
// May touch: src/core/intermediates. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace trails {

// Counts of the values of one column in bins of equal width.
class Histogram {
 public:
  // Bins from `least` to `largest`, which is in the last bin; one bin where both are equal. A value
  // is in the bin that width_bucket of PostgreSQL 15 gives it.
  // Throws Error(kInvalidArgument) for bins outside 1 .. 10,000, Error(kInternal) for bounds that
  // are not finite, too far apart for double, or the wrong way round.
  Histogram(double least, double largest, std::int32_t bins);

  // Values outside the bounds count in the nearest bin, NaN and infinities in not_finite().
  // Cost: some 1 ns a value.
  void Add(std::span<const float> values);

  std::int32_t bins() const noexcept { return static_cast<std::int32_t>(counts_.size()); }
  // Lower bound of the bin; bins() gives the upper bound of the last. Throws Error(kInternal) for
  // another bin.
  double lower(std::int32_t bin) const;
  std::int64_t count(std::int32_t bin) const { return counts_.at(static_cast<std::size_t>(bin)); }
  std::int64_t not_finite() const noexcept { return not_finite_; }

 private:
  double least_;
  double largest_;
  std::vector<std::int64_t> counts_;
  std::int64_t not_finite_ = 0;
};

// Mean and deviation of columns within groups of rows: the VIS query.
class GroupMeans {
 public:
  // Throws Error(kInternal) for a number below 0. Memory: 24 bytes a column and group.
  GroupMeans(std::int64_t columns, std::int64_t groups);

  // values [columns, rows], column by column; group [rows]: 0 .. groups - 1, or -1 for none.
  // Values that are not finite are left out of their column.
  // Throws Error(kInternal) for another number of rows in `group` or a group outside.
  // Cost: a sort of the rows, and some 2 ns a value.
  void Add(std::span<const float> values, std::span<const std::int32_t> group);

  // All three throw Error(kInternal) for a column or group outside.
  std::int64_t rows(std::int64_t column, std::int64_t group) const;  // finite values
  double mean(std::int64_t column, std::int64_t group) const;        // NaN without one
  double deviation(std::int64_t column, std::int64_t group) const;   // divided by their number

 private:
  struct Sums {
    std::int64_t rows = 0;
    double mean = 0;
    double squares = 0;  // of the differences from the mean

    // Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm", 1979.
    void Append(const Sums &later) noexcept;
  };
  const Sums &At(std::int64_t column, std::int64_t group) const;

  std::int64_t groups_;
  std::int64_t columns_;
  std::vector<Sums> sums_;  // [columns, groups]
};

}  // namespace trails
