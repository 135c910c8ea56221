#include "core/data/number_fit.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <boost/sort/spreadsort/integer_sort.hpp>

#include "core/data/parallel_for.h"

namespace trails {

namespace {

constexpr std::int64_t kFewestBins = 8;
constexpr double kFarthestValue = 1e150;
// Every integral double below it is one int64, and INT64_MIN, which stands for NULL, is none.
constexpr double kInt64Bound = 9223372036854775808.0;

// Unsigned keys that order as the values do, in the form that integer_sort wants. Its own signed
// keys overflow when the values lie further apart than 2^63.
struct OrderedKey {
  static constexpr std::uint64_t kSign = std::uint64_t{1} << 63;
  std::uint64_t operator()(std::int64_t value, unsigned shift) const noexcept {
    return (static_cast<std::uint64_t>(value) ^ kSign) >> shift;
  }
  std::uint64_t operator()(double value, unsigned shift) const noexcept {
    const auto bits = std::bit_cast<std::uint64_t>(value);
    return ((bits & kSign) != 0 ? ~bits : bits | kSign) >> shift;
  }
};

// Sorts in pieces and merges them, so that a stop is seen in between.
template <typename T>
void Sort(std::vector<T> &values, const std::stop_token &stop) {
  constexpr std::ptrdiff_t kPiece = 1 << 18;  // some 10 ms
  const auto count = std::ssize(values);
  const auto at = [&](std::ptrdiff_t i) { return values.begin() + std::min(i, count); };
  for (std::ptrdiff_t first = 0; first < count; first += kPiece) {
    ThrowIfStopped(stop);
    boost::sort::spreadsort::integer_sort(at(first), at(first + kPiece), OrderedKey{},
                                          std::less<T>{});
  }
  for (std::ptrdiff_t width = kPiece; width < count; width *= 2) {
    for (std::ptrdiff_t first = 0; first + width < count; first += 2 * width) {
      ThrowIfStopped(stop);
      std::inplace_merge(at(first), at(first + width), at(first + 2 * width));
    }
  }
}

std::vector<std::int64_t> SortedIntegers(const Column &column, std::span<const std::int32_t> train,
                                         const std::stop_token &stop) {
  std::vector<std::int64_t> values;
  values.reserve(train.size());
  for (const std::int32_t row : train) {
    const std::int64_t value = column.integer(row);
    if (value != Column::kNullInteger) values.push_back(value);
  }
  Sort(values, stop);
  return values;
}

// Sets *infinite when a value was not finite.
std::vector<double> SortedDoubles(const Column &column, std::span<const std::int32_t> train,
                                  const std::stop_token &stop, bool *infinite) {
  std::vector<double> values;
  values.reserve(train.size());
  double least = std::numeric_limits<double>::infinity();
  double greatest = -least;
  for (const std::int32_t row : train) {
    const double value = column.number(row);
    if (std::isnan(value)) continue;
    if (std::isinf(value)) {
      *infinite = true;
      values.push_back(value);
      continue;
    }
    // + 0.0 makes one value of the two zeros.
    values.push_back(std::clamp(value, -kFarthestValue, kFarthestValue) + 0.0);
    least = std::min(least, values.back());
    greatest = std::max(greatest, values.back());
  }
  if (*infinite && least > greatest) values.clear();
  if (*infinite) {
    for (double &value : values) value = std::clamp(value, least, greatest);
  }
  Sort(values, stop);
  return values;
}

bool AllIntegral(const std::vector<double> &values) {
  return std::all_of(values.begin(), values.end(), [](double value) {
    return std::abs(value) < kInt64Bound && value == std::trunc(value);
  });
}

// Calls visit(value, rows) for each distinct value of a sorted list, ascending.
template <typename T, typename Visit>
void ForEachValue(const std::vector<T> &sorted, Visit visit) {
  for (std::size_t first = 0; first < sorted.size();) {
    std::size_t end = first + 1;
    while (end < sorted.size() && sorted[end] == sorted[first]) ++end;
    visit(sorted[first], static_cast<std::int64_t>(end - first));
    first = end;
  }
}

// The quantile `share` of a sorted list: linear between the two nearest order statistics.
template <typename T>
double Quantile(const std::vector<T> &sorted, double share) {
  const double position = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  const double t = position - static_cast<double>(below);
  const auto a = static_cast<double>(sorted[below]);
  const auto b = static_cast<double>(sorted[above]);
  // From the nearer end, so that equal neighbours give themselves, also after rounding.
  return t < 0.5 ? a + (b - a) * t : b - (b - a) * (1 - t);
}

template <typename T>
std::vector<double> KnotsOf(const std::vector<T> &sorted, std::int64_t wanted) {
  std::vector<double> knots{static_cast<double>(sorted.front()),
                            static_cast<double>(sorted.back())};
  std::vector<T> rest;
  std::int64_t heavy = 0;
  const auto rows = static_cast<std::int64_t>(sorted.size());
  ForEachValue(sorted, [&](T value, std::int64_t count) {
    if (count * wanted >= rows) {
      knots.push_back(static_cast<double>(value));
      ++heavy;
    } else {
      rest.insert(rest.end(), static_cast<std::size_t>(count), value);
    }
  });
  if (!rest.empty()) {
    const std::int64_t bins = std::max(kFewestBins, wanted - heavy);
    for (std::int64_t i = 0; i < bins; ++i) {
      knots.push_back(Quantile(rest, static_cast<double>(i) / static_cast<double>(bins)));
    }
    knots.push_back(static_cast<double>(rest.back()));
  }
  std::sort(knots.begin(), knots.end());
  knots.erase(std::unique(knots.begin(), knots.end()), knots.end());
  return knots;
}

struct Moments {
  double mean = 0;
  double deviation = 0;
};

template <typename T>
Moments MomentsOf(const std::vector<T> &sorted) {
  const auto count = static_cast<double>(sorted.size());
  Moments moments;
  for (const T value : sorted) moments.mean += static_cast<double>(value) / count;
  double squares = 0;
  for (const T value : sorted) {
    const double distance = static_cast<double>(value) - moments.mean;
    squares += distance * distance / count;
  }
  // Rounding of the mean would give a constant a tiny deviation, and its value a random z.
  if (sorted.front() != sorted.back()) moments.deviation = std::sqrt(squares);
  return moments;
}

template <typename T>
void Locate(const std::vector<T> &sorted, Encoding encoding, Field *field) {
  const Moments moments = MomentsOf(sorted);
  field->center = moments.mean;
  field->scale = moments.deviation;
  if (encoding == Encoding::kPiecewiseLinear) {
    field->center = Quantile(sorted, 0.5);
    const double range = Quantile(sorted, 0.75) - Quantile(sorted, 0.25);
    if (range > 0) field->scale = range;
  }
  if (!(field->scale > 0)) field->scale = 1;
}

}  // namespace

SortedNumbers SortNumbers(const Column &column, std::span<const std::int32_t> train,
                          const std::stop_token &stop) {
  SortedNumbers numbers;
  if (column.kind() == ColumnKind::kInteger) {
    numbers.values = SortedIntegers(column, train, stop);
  } else {
    bool infinite = false;
    std::vector<double> doubles = SortedDoubles(column, train, stop, &infinite);
    if (!infinite && AllIntegral(doubles)) {
      numbers.values = std::vector<std::int64_t>(doubles.begin(), doubles.end());
    } else {
      numbers.values = std::move(doubles);
    }
  }
  numbers.nulls = static_cast<std::int64_t>(train.size()) - numbers.count();
  std::visit(
      [&numbers](const auto &sorted) {
        ForEachValue(sorted, [&numbers](auto, std::int64_t count) {
          ++numbers.distinct;
          numbers.most = std::max(numbers.most, count);
        });
      },
      numbers.values);
  return numbers;
}

std::vector<double> QuantileKnots(const SortedNumbers &numbers, std::int32_t bins) {
  return std::visit([bins](const auto &sorted) { return KnotsOf(sorted, bins); }, numbers.values);
}

void FitNumber(const SortedNumbers &numbers, Encoding encoding, std::int32_t bins, Field *field) {
  field->kind = FieldKind::kNumeric;
  std::visit([&](const auto &sorted) { Locate(sorted, encoding, field); }, numbers.values);
  field->soft_clip = encoding == Encoding::kPiecewiseLinear;
  field->knots.clear();
  if (encoding != Encoding::kPiecewiseLinear) return;
  for (const double knot : QuantileKnots(numbers, bins)) {
    const float z = Standardise(field->center, field->scale, knot);
    // Two knots may become one float: the gather kernel divides by their distance.
    if (field->knots.empty() || z > field->knots.back()) field->knots.push_back(z);
  }
  // A single knot is the median, so z = 0.
  if (field->knots.size() == 1) field->knots.push_back(1);
}

}  // namespace trails
