#include "core/intermediates/distribution.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>
#include <fmt/format.h>

#include "kernels/simd.h"
#include "trails/error.h"

namespace trails {

namespace {

constexpr std::int32_t kMostBins = 10'000;
constexpr std::size_t kAtOnce = 256;  // values whose bins are computed before they are counted

// The bin of each value, `bins` for one that is not finite. Multiplied, divided and counted from 1
// before it is cut, as width_bucket of PostgreSQL 15 does, so that the last bits and with them the
// bins are equal.
TRAILS_SIMD void FindBins(const float *values, std::size_t count, double least, double span,
                          std::int32_t bins, std::int32_t *bin) {
  for (std::size_t i = 0; i < count; ++i) {
    const double value = values[i];
    const double at = bins * (value - least) / span + 1;
    const double inside = at > 1 ? at : 1;  // NaN too
    const bool finite = value - value == 0;
    const auto whole = static_cast<std::int32_t>(inside < bins ? inside : bins) - 1;
    bin[i] = finite ? whole : bins;
  }
}

}  // namespace

Histogram::Histogram(double least, double largest, std::int32_t bins)
    : least_(least), largest_(largest) {
  if (bins < 1 || bins > kMostBins) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("bins must be from 1 to {}, not {}", kMostBins, bins));
  }
  if (!std::isfinite(bins * (largest - least)) || least > largest) {
    throw Error(ErrorKind::kInternal, fmt::format("no histogram from {} to {}", least, largest));
  }
  counts_.resize(least == largest ? 1 : static_cast<std::size_t>(bins));
}

void Histogram::Add(std::span<const float> values) {
  std::array<std::int32_t, kAtOnce> bin;
  // Any span does for one bin: it takes all.
  const double span = bins() == 1 ? 1 : largest_ - least_;
  for (std::size_t first = 0; first < values.size(); first += kAtOnce) {
    const std::size_t count = std::min(kAtOnce, values.size() - first);
    FindBins(values.data() + first, count, least_, span, bins(), bin.data());
    for (std::size_t i = 0; i < count; ++i) {
      if (bin[i] == bins()) {
        ++not_finite_;
      } else {
        ++counts_[static_cast<std::size_t>(bin[i])];
      }
    }
  }
}

double Histogram::lower(std::int32_t bin) const {
  if (bin < 0 || bin > bins()) {
    throw Error(ErrorKind::kInternal, fmt::format("no bin {} of {}", bin, bins()));
  }
  // Not least + span, which rounding may leave beside the bound that was given.
  if (bin == bins()) return largest_;
  return least_ + (largest_ - least_) * bin / bins();
}

GroupMeans::GroupMeans(std::int64_t columns, std::int64_t groups)
    : groups_(groups), columns_(columns) {
  if (columns < 0 || groups < 0) {
    throw Error(ErrorKind::kInternal,
                fmt::format("no means of {} columns in {} groups", columns, groups));
  }
  sums_.resize(static_cast<std::size_t>(columns * groups));
}

void GroupMeans::Add(std::span<const float> values, std::span<const std::int32_t> group) {
  const auto rows = static_cast<std::int64_t>(group.size());
  if (static_cast<std::int64_t>(values.size()) != columns_ * rows) {
    throw Error(ErrorKind::kInternal, fmt::format("{} values of {} columns for {} rows in groups",
                                                  values.size(), columns_, rows));
  }
  // The rows of a group side by side, so that its sums stay in registers along a column.
  std::vector<std::pair<std::int32_t, std::int32_t>> rows_of;  // group, row
  rows_of.reserve(group.size());
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int32_t g = group[static_cast<std::size_t>(row)];
    if (g < -1 || g >= groups_) {
      throw Error(ErrorKind::kInternal, fmt::format("a row of group {} of {}", g, groups_));
    }
    if (g >= 0) rows_of.emplace_back(g, static_cast<std::int32_t>(row));
  }
  std::sort(rows_of.begin(), rows_of.end());
  for (std::int64_t column = 0; column < columns_; ++column) {
    const float *const of_column = values.data() + column * rows;
    for (std::size_t i = 0; i < rows_of.size();) {
      const std::int32_t g = rows_of[i].first;
      Sums run;
      double origin = 0, sum = 0, squares = 0;
      for (; i < rows_of.size() && rows_of[i].first == g; ++i) {
        const double value = of_column[rows_of[i].second];
        if (!std::isfinite(value)) continue;
        // Differences from the run's first value: a large mean costs no digits.
        if (run.rows++ == 0) origin = value;
        sum += value - origin;
        squares += (value - origin) * (value - origin);
      }
      if (run.rows == 0) continue;
      const auto count = static_cast<double>(run.rows);
      run.mean = origin + sum / count;
      run.squares = std::max(0.0, squares - sum * (sum / count));
      sums_[static_cast<std::size_t>(column * groups_ + g)].Append(run);
    }
  }
}

void GroupMeans::Sums::Append(const Sums &later) noexcept {
  const auto before = static_cast<double>(rows);
  const auto added = static_cast<double>(later.rows);
  const double difference = later.mean - mean;
  rows += later.rows;
  mean += difference * (added / (before + added));
  squares += later.squares + difference * difference * (before * added / (before + added));
}

const GroupMeans::Sums &GroupMeans::At(std::int64_t column, std::int64_t group) const {
  if (column < 0 || column >= columns_ || group < 0 || group >= groups_) {
    throw Error(ErrorKind::kInternal, fmt::format("no group {} of column {}", group, column));
  }
  return sums_[static_cast<std::size_t>(column * groups_ + group)];
}

std::int64_t GroupMeans::rows(std::int64_t column, std::int64_t group) const {
  return At(column, group).rows;
}

double GroupMeans::mean(std::int64_t column, std::int64_t group) const {
  const Sums &sums = At(column, group);
  return sums.rows > 0 ? sums.mean : std::numeric_limits<double>::quiet_NaN();
}

double GroupMeans::deviation(std::int64_t column, std::int64_t group) const {
  const Sums &sums = At(column, group);
  return sums.rows > 0 ? std::sqrt(sums.squares / static_cast<double>(sums.rows))
                       : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace trails
