#include "core/intermediates/column_statistics.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "kernels/simd.h"

namespace trails {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::size_t kTop = ColumnStatistics::kLargestRows;
// Candidates among which the largest are chosen at a time.
constexpr std::size_t kCandidates = 4 * kTop;

// Sums of every sixteenth value, so that additions neither wait for one another nor depend on the
// CPU's vectors.
struct Lanes {
  static constexpr int kCount = 16;

  double sum[kCount] = {};
  double squares[kCount] = {};
  float least[kCount];
  float largest[kCount];
  std::int32_t zeros[kCount] = {};
  std::int32_t finite[kCount] = {};
  std::int32_t nans[kCount] = {};

  Lanes() {
    std::fill_n(least, kCount, kInfinity);
    std::fill_n(largest, kCount, -kInfinity);
  }
};

inline __attribute__((always_inline)) void AddValue(float value, int lane, Lanes *to) {
  const bool finite = std::fabs(value) < kInfinity;
  const double term = finite ? static_cast<double>(value) : 0.0;
  to->sum[lane] += term;
  to->squares[lane] += term * term;
  const float low = finite ? value : kInfinity;
  const float high = finite ? value : -kInfinity;
  to->least[lane] = low < to->least[lane] ? low : to->least[lane];
  to->largest[lane] = high > to->largest[lane] ? high : to->largest[lane];
  to->zeros[lane] += value == 0.0f ? 1 : 0;
  to->finite[lane] += finite ? 1 : 0;
  to->nans[lane] += value != value ? 1 : 0;
}

TRAILS_SIMD void AddValues(const float *__restrict values, std::int64_t count,
                           Lanes *__restrict to) {
  const std::int64_t whole = count / Lanes::kCount * Lanes::kCount;
  for (std::int64_t i = 0; i < whole; i += Lanes::kCount) {
    for (int lane = 0; lane < Lanes::kCount; ++lane) AddValue(values[i + lane], lane, to);
  }
  for (std::int64_t i = whole; i < count; ++i) {
    AddValue(values[i], static_cast<int>(i - whole), to);
  }
}

template <typename T, typename U>
T SumOf(const U (&lanes)[Lanes::kCount]) {
  T sum = 0;
  for (const U lane : lanes) sum += static_cast<T>(lane);
  return sum;
}

bool Before(const RowValue &a, const RowValue &b) noexcept {
  return a.value > b.value || (a.value == b.value && a.row < b.row);
}

void KeepLargest(std::vector<RowValue> *values) {
  if (values->size() <= kTop) return;
  std::nth_element(values->begin(), values->begin() + (kTop - 1), values->end(), Before);
  values->resize(kTop);
}

// more: descending.
void MergeLargest(std::vector<RowValue> *top, const std::vector<RowValue> &more) {
  std::vector<RowValue> merged;
  merged.reserve(top->size() + more.size());
  std::merge(top->begin(), top->end(), more.begin(), more.end(), std::back_inserter(merged),
             Before);
  if (merged.size() > kTop) merged.resize(kTop);
  *top = std::move(merged);
}

// largest: of the finite values; some_infinite: there may be others than finite ones.
void AddToTop(std::int64_t first_row, std::span<const float> values, float largest,
              bool some_infinite, std::vector<RowValue> *top) {
  bool full = top->size() == kTop;
  float bar = full ? top->back().value : -kInfinity;
  // Nearly every block of a long column ends here.
  if (full && !(largest > bar) && !some_infinite) return;
  std::vector<RowValue> candidates;
  for (std::size_t i = 0; i < values.size(); ++i) {
    // A row that only equals the last of a full list comes after it. NaN is neither.
    if (!(full ? values[i] > bar : values[i] >= bar)) continue;
    candidates.push_back({first_row + static_cast<std::int64_t>(i), values[i]});
    if (candidates.size() < kCandidates) continue;
    KeepLargest(&candidates);
    full = true;
    bar = candidates[kTop - 1].value;
  }
  if (candidates.empty()) return;
  KeepLargest(&candidates);
  std::sort(candidates.begin(), candidates.end(), Before);
  MergeLargest(top, candidates);
}

}  // namespace

double ColumnStatistics::mean() const noexcept {
  const std::int64_t finite = rows - not_finite;
  return finite > 0 ? sum / static_cast<double>(finite) : std::numeric_limits<double>::quiet_NaN();
}

double ColumnStatistics::deviation() const noexcept {
  const double center = mean();
  if (std::isnan(center)) return center;
  const double variance = squares / static_cast<double>(rows - not_finite) - center * center;
  return std::sqrt(std::max(variance, 0.0));
}

void ColumnStatistics::Add(std::int64_t first_row, std::span<const float> values) {
  const auto count = static_cast<std::int64_t>(values.size());
  Lanes lanes;
  AddValues(values.data(), count, &lanes);
  ColumnStatistics added;
  added.rows = count;
  added.zeros = SumOf<std::int64_t>(lanes.zeros);
  added.not_finite = count - SumOf<std::int64_t>(lanes.finite);
  added.nans = SumOf<std::int64_t>(lanes.nans);
  if (added.not_finite < count) {
    added.least = *std::min_element(std::begin(lanes.least), std::end(lanes.least));
    added.largest = *std::max_element(std::begin(lanes.largest), std::end(lanes.largest));
  }
  added.sum = SumOf<double>(lanes.sum);
  added.squares = SumOf<double>(lanes.squares);
  AddToTop(first_row, values, added.largest, added.not_finite > added.nans, &top);
  Append(added);
}

void ColumnStatistics::Append(const ColumnStatistics &later) {
  if (later.rows > later.not_finite) {
    const bool first = rows == not_finite;
    least = first ? later.least : std::min(least, later.least);
    largest = first ? later.largest : std::max(largest, later.largest);
  }
  rows += later.rows;
  zeros += later.zeros;
  not_finite += later.not_finite;
  nans += later.nans;
  sum += later.sum;
  squares += later.squares;
  if (!later.top.empty()) MergeLargest(&top, later.top);
}

std::vector<std::int64_t> SampledRows(std::int64_t rows) {
  const std::int64_t count = std::min(rows, kSampleRows);
  std::vector<std::int64_t> sampled;
  sampled.reserve(static_cast<std::size_t>(std::max<std::int64_t>(count, 0)));
  // Split in two, so that no product overflows.
  for (std::int64_t i = 0; i < count; ++i) {
    sampled.push_back(i * (rows / count) + i * (rows % count) / count);
  }
  return sampled;
}

}  // namespace trails
