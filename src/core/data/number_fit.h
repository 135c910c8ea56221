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
#include "trails/options.h"

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
//   piecewise-linear: center = median, scale = inter-quartile range; knots as QuantileKnots
//   trails:           center = mean, scale = standard deviation; no knots, no soft clip
// A scale of 0 gives way to the standard deviation, that to 1. Quantiles interpolate linearly
// between the order statistics, and the standard deviation is that of a population.
void FitNumber(const SortedNumbers &numbers, Encoding encoding, std::int32_t bins, Field *field);

// How many bins a number of a table is cut into by default: classes are told apart by coarse
// steps, a number that is to be predicted follows fine ones (docs/architecture.md, "Encodings").
constexpr std::int32_t BinsOf(Task task, std::int64_t train_rows) noexcept {
  constexpr std::int64_t kRowsOfABin = 80, kCoarse = 48, kFine = 192;
  if (task != Task::kRegression) return kCoarse;
  return static_cast<std::int32_t>(std::clamp(train_rows / kRowsOfABin, kCoarse, kFine));
}

// The knots in the column's unit, ascending and distinct, 1 to bins + 8 of them: the values that
// hold at least a bin's share of the rows, 1/bins; quantiles of the other rows, as many bins as are
// left but no fewer than 8; the smallest and the largest value. bins >= 1.
std::vector<double> QuantileKnots(const SortedNumbers &numbers, std::int32_t bins);

// z as the network sees it: knots and values must come from this one formula, so that a value
// that is a knot lies exactly on it.
inline float Standardise(double center, double scale, double value) noexcept {
  constexpr double kBound = kFarthestZ;
  return static_cast<float>(std::clamp((value - center) / scale, -kBound, kBound));
}

}  // namespace trails
