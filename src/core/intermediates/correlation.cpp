#include "core/intermediates/correlation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <fmt/format.h>

#include "kernels/simd.h"
#include "trails/error.h"

namespace trails {

namespace {

constexpr std::size_t kLanes = 16;

// Of every sixteenth row, so that additions do not wait for one another.
struct Lanes {
  double rows[kLanes] = {};
  double value[kLanes] = {}, other[kLanes] = {};
  double squares[kLanes] = {}, other_squares[kLanes] = {}, products[kLanes] = {};
};

double SumOf(const double (&lanes)[kLanes]) {
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("fp-contract=fast")
#endif

inline __attribute__((always_inline)) void AddRow(float value, float other, double origin,
                                                  double other_origin, std::size_t lane,
                                                  Lanes *to) {
  const bool finite = value - value == 0 && other - other == 0;
  const double x = finite ? value - origin : 0.0;
  const double y = finite ? other - other_origin : 0.0;
  to->rows[lane] += finite ? 1.0 : 0.0;
  to->value[lane] += x;
  to->other[lane] += y;
  to->squares[lane] += x * x;
  to->other_squares[lane] += y * y;
  to->products[lane] += x * y;
}

// Differences from the origins, of the rows where both are finite.
TRAILS_SIMD void AddRows(const float *__restrict values, const float *__restrict others,
                         std::size_t rows, double origin, double other_origin,
                         Lanes *__restrict to) {
  const std::size_t whole = rows / kLanes * kLanes;
  for (std::size_t row = 0; row < whole; row += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      AddRow(values[row + lane], others[row + lane], origin, other_origin, lane, to);
    }
  }
  for (std::size_t row = whole; row < rows; ++row) {
    AddRow(values[row], others[row], origin, other_origin, row - whole, to);
  }
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif

// The sum of squares around the mean; rounding can leave less than nothing of it.
double AroundMean(double squares, double sum, double rows) {
  return std::max(0.0, squares - sum * (sum / rows));
}

}  // namespace

ColumnCorrelations::ColumnCorrelations(std::int64_t columns) {
  if (columns < 0) {
    throw Error(ErrorKind::kInternal, fmt::format("correlations of {} columns", columns));
  }
  sums_.resize(static_cast<std::size_t>(columns));
}

void ColumnCorrelations::Add(std::span<const float> values, std::span<const float> other) {
  const std::size_t rows = other.size();
  if (values.size() != sums_.size() * rows) {
    throw Error(ErrorKind::kInternal,
                fmt::format("{} values of {} columns for {} rows to correlate", values.size(),
                            sums_.size(), rows));
  }
  for (std::size_t column = 0; column < sums_.size(); ++column) {
    Sums &sums = sums_[column];
    const float *const of_column = values.data() + column * rows;
    std::size_t first = 0;
    if (sums.rows == 0) {
      while (first < rows && !(std::isfinite(of_column[first]) && std::isfinite(other[first]))) {
        ++first;
      }
      if (first == rows) continue;
      sums.origin = of_column[first];
      sums.other_origin = other[first];
    }
    Lanes added;
    AddRows(of_column + first, other.data() + first, rows - first, sums.origin, sums.other_origin,
            &added);
    sums.rows += static_cast<std::int64_t>(SumOf(added.rows));
    sums.value += SumOf(added.value);
    sums.other += SumOf(added.other);
    sums.squares += SumOf(added.squares);
    sums.other_squares += SumOf(added.other_squares);
    sums.products += SumOf(added.products);
  }
}

double ColumnCorrelations::correlation(std::int64_t column) const {
  if (column < 0 || column >= static_cast<std::int64_t>(sums_.size())) {
    throw Error(ErrorKind::kInternal, fmt::format("no correlation of column {}", column));
  }
  const Sums &sums = sums_[static_cast<std::size_t>(column)];
  const auto rows = static_cast<double>(sums.rows);
  if (sums.rows == 0) return std::numeric_limits<double>::quiet_NaN();
  const double squares = AroundMean(sums.squares, sums.value, rows);
  const double other_squares = AroundMean(sums.other_squares, sums.other, rows);
  if (squares == 0 || other_squares == 0) return std::numeric_limits<double>::quiet_NaN();
  const double products = sums.products - sums.value * (sums.other / rows);
  return std::clamp(products / std::sqrt(squares) / std::sqrt(other_squares), -1.0, 1.0);
}

}  // namespace trails
