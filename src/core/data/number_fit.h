// How a column of numbers is standardised and where its knots lie.
//
// May touch: src/core/data, include/trails. Never Torch or PostgreSQL.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <stop_token>
#include <variant>
#include <vector>

#include "core/data/fields.h"

namespace trails {

// A column's training values without NULL, ascending. Integers where all of them are integral,
// whatever the column's kind. Infinities of a column count as its farthest finite values, and
// then the column is not integral; beyond +-1e150 values count as that, so that their squares
// stay finite.
struct SortedNumbers {
  std::variant<std::vector<std::int64_t>, std::vector<double>> values;
  std::int64_t nulls = 0;
  std::int64_t distinct = 0;
  std::int64_t most = 0;  // rows of the most frequent value

  bool integral() const noexcept { return values.index() == 0; }
  const std::vector<std::int64_t> &integers() const { return std::get<0>(values); }
  std::int64_t count() const noexcept {
    return std::visit([](const auto &v) { return static_cast<std::int64_t>(v.size()); }, values);
  }
};

// Throws Error(kCancelled) within some 10 ms of a stop.
// Cost: one sort.
SortedNumbers SortNumbers(const Column &column, std::span<const std::int32_t> train,
                          const std::stop_token &stop = {});

// Sets kind, center, scale, knots and soft_clip of `field`. numbers.count() > 0.
//   piecewise-linear: center = median, scale = inter-quartile range; 48 bins (see QuantileKnots)
//   trails:           center = mean, scale = standard deviation; no knots, no soft clip
// A scale of 0 gives way to the standard deviation, that to 1. Quantiles interpolate linearly
// between the order statistics, and the standard deviation is that of a population.
void FitNumber(const SortedNumbers &numbers, Encoding encoding, Field *field);

// The knots in the column's unit, ascending and distinct, 1 to 56 of them: the values that hold at
// least 1/48 of the rows; quantiles of the other rows, as many bins as are left of 48 but no fewer
// than 8; the smallest and the largest value.
std::vector<double> QuantileKnots(const SortedNumbers &numbers);

// z as the network sees it: knots and values must come from this one formula, so that a value
// that is a knot lies exactly on it.
inline float Standardise(double center, double scale, double value) noexcept {
  constexpr double kBound = kFarthestZ;
  return static_cast<float>(std::clamp((value - center) / scale, -kBound, kBound));
}

}  // namespace trails
