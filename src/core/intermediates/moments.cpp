#include "core/intermediates/moments.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <new>
#include <fmt/format.h>

#include "core/data/parallel_for.h"
#include "core/intermediates/panel_product.h"
#include "kernels/simd.h"
#include "trails/error.h"

namespace trails {

namespace {

constexpr std::uint32_t kMagnitude = 0x7FFFFFFFU;
constexpr std::uint32_t kInfinity = 0x7F800000U;

// largest[row]: the bits of the row's largest magnitude, at least kInfinity where one is not
// finite.
TRAILS_SIMD void FindLargest(const float *values, std::int64_t rows, std::int64_t columns,
                             std::uint32_t *largest) {
  for (std::int64_t column = 0; column < columns; ++column) {
    const float *const of_column = values + column * rows;
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(of_column[row]) & kMagnitude;
      largest[row] = largest[row] < magnitude ? magnitude : largest[row];
    }
  }
}

// sums [kPanelColumns] += the first `rows` rows of a panel.
TRAILS_SIMD void AddSums(const double *panel, std::int64_t rows, double *sums) {
  double of_panel[kPanelColumns] = {};
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t j = 0; j < kPanelColumns; ++j) of_panel[j] += panel[row * kPanelColumns + j];
  }
  for (std::int64_t j = 0; j < kPanelColumns; ++j) sums[j] += of_panel[j];
}

}  // namespace

Moments::Moments(std::int64_t columns) : columns_(columns), panels_(PanelsFor(columns)) {
  if (columns < 1) throw Error(ErrorKind::kInternal, "moments of no columns");
  if (columns > kMostColumns) {
    throw Error(ErrorKind::kLimit, "too many columns to compare with one another",
                fmt::format("There are {}; at most {} can be.", columns, kMostColumns));
  }
  const auto padded = static_cast<std::size_t>(panels_ * kPanelColumns);
  origin_.resize(padded);
  sums_.resize(padded);
  products_.reset(static_cast<double *>(std::calloc(padded * padded, sizeof(double))));
  if (products_ == nullptr) throw std::bad_alloc();
}

void Moments::FindFinite(std::span<const float> values, std::int64_t rows) {
  largest_.assign(static_cast<std::size_t>(rows), 0);
  FindLargest(values.data(), rows, columns_, largest_.data());
  finite_.clear();
  for (std::int64_t row = 0; row < rows; ++row) {
    if (largest_[static_cast<std::size_t>(row)] < kInfinity) finite_.push_back(row);
  }
}

void Moments::Add(std::span<const float> values, std::int64_t rows, const std::stop_token &stop) {
  if (rows < 0 || static_cast<std::int64_t>(values.size()) != columns_ * rows) {
    throw Error(ErrorKind::kInternal,
                fmt::format("{} values of {} columns for {} rows", values.size(), columns_, rows));
  }
  FindFinite(values, rows);
  const auto counted = static_cast<std::int64_t>(finite_.size());
  skipped_ += rows - counted;
  if (counted == 0) return;
  if (rows_ == 0) {
    for (std::int64_t column = 0; column < columns_; ++column) {
      origin_[static_cast<std::size_t>(column)] =
          values[static_cast<std::size_t>(column * rows + finite_.front())];
    }
  }
  for (std::int64_t first = 0; first < counted; first += kPanelRows) {
    const std::int64_t count = std::min(kPanelRows, counted - first);
    TakeDifferences(values, rows, first, count);
    AddDifferences(count, stop);
  }
  rows_ += counted;
}

void Moments::TakeDifferences(std::span<const float> values, std::int64_t rows, std::int64_t first,
                              std::int64_t count) {
  // Zeros beyond the last column stay.
  differences_.resize(static_cast<std::size_t>(panels_ * kPanelRows * kPanelColumns));
  for (std::int64_t column = 0; column < columns_; ++column) {
    const float *const from = values.data() + column * rows;
    const double origin = origin_[static_cast<std::size_t>(column)];
    double *const to = differences_.data() + (column / kPanelColumns) * kPanelRows * kPanelColumns +
                       column % kPanelColumns;
    for (std::int64_t i = 0; i < count; ++i) {
      to[i * kPanelColumns] = from[finite_[static_cast<std::size_t>(first + i)]] - origin;
    }
  }
}

void Moments::AddDifferences(std::int64_t count, const std::stop_token &stop) {
  const std::int64_t stride = panels_ * kPanelColumns;
  for (std::int64_t panel = 0; panel < panels_; ++panel) {
    ThrowIfStopped(stop);
    const double *const right = differences_.data() + panel * kPanelRows * kPanelColumns;
    AddSums(right, count, sums_.data() + panel * kPanelColumns);
    AddPanelProduct(differences_.data(), panel + 1, right, count, stride,
                    products_.get() + panel * kPanelColumns);
  }
}

void Moments::Append(const Moments &other, const std::stop_token &stop) {
  if (other.columns_ != columns_) {
    throw Error(ErrorKind::kInternal, fmt::format("moments of {} columns appended to those of {}",
                                                  other.columns_, columns_));
  }
  skipped_ += other.skipped_;
  if (other.rows_ == 0) return;
  if (rows_ == 0) origin_ = other.origin_;
  const auto added = static_cast<double>(other.rows_);
  // The other's sums as they would be had it taken its differences from this one's origin.
  const auto columns = static_cast<std::size_t>(columns_);
  const std::size_t stride = sums_.size();
  std::vector<double> moved(columns);
  for (std::size_t i = 0; i < columns; ++i) moved[i] = other.origin_[i] - origin_[i];
  for (std::size_t a = 0; a < columns; ++a) {
    ThrowIfStopped(stop);
    double *const to = products_.get() + a * stride;
    const double *const from = other.products_.get() + a * stride;
    for (std::size_t b = a; b < columns; ++b) {
      to[b] += from[b] + moved[a] * other.sums_[b] + moved[b] * other.sums_[a] +
               added * moved[a] * moved[b];
    }
  }
  for (std::size_t i = 0; i < columns; ++i) sums_[i] += other.sums_[i] + added * moved[i];
  rows_ += other.rows_;
}

void Moments::CheckColumn(std::int64_t column) const {
  if (column >= 0 && column < columns_) return;
  throw Error(ErrorKind::kInternal, fmt::format("no column {} of {}", column, columns_));
}

double Moments::mean(std::int64_t column) const {
  CheckColumn(column);
  if (rows_ == 0) return std::numeric_limits<double>::quiet_NaN();
  const auto i = static_cast<std::size_t>(column);
  return origin_[i] + sums_[i] / static_cast<double>(rows_);
}

double Moments::Product(std::int64_t a, std::int64_t b) const {
  CheckColumn(a);
  CheckColumn(b);
  if (rows_ == 0) return 0;
  const auto low = static_cast<std::size_t>(std::min(a, b));
  const auto high = static_cast<std::size_t>(std::max(a, b));
  const double product = products_.get()[low * sums_.size() + high] -
                         sums_[low] * (sums_[high] / static_cast<double>(rows_));
  // Rounding can leave less than nothing of a square.
  return a == b ? std::max(0.0, product) : product;
}

}  // namespace trails
