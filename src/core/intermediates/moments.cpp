#include "core/intermediates/moments.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <fmt/format.h>

#include "kernels/simd.h"
#include "trails/error.h"

namespace trails {

namespace {

constexpr std::int64_t kPanel = 16;    // columns side by side: 2 vectors of AVX-512
constexpr std::int64_t kTile = 8;      // of these, rows of a tile: 8 x 16 sums are 16 registers
constexpr std::int64_t kAtOnce = 256;  // rows whose differences are held: 32 KB a panel

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

// From here to pop_options products are fused into sums where the CPU can, which doubles their
// rate. Their last bits then depend on the CPU, which nothing that is made of them minds.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("fp-contract=fast")
#endif

// products [kTile, kPanel] += a' b over `rows` rows, of kTile columns by a panel. Inlined, so that
// it is compiled for the CPU of its caller. one: 1, which the compiler must not know: it would load
// kTile neighbours of a at once and spread them with shuffles, which take turns with the products.
inline __attribute__((always_inline)) void AddTile(const double *__restrict a,
                                                   const double *__restrict b, std::int64_t rows,
                                                   std::int64_t one, std::int64_t stride,
                                                   double *__restrict products) {
  double sums[kTile][kPanel] = {};
  for (std::int64_t row = 0; row < rows; ++row) {
#pragma GCC unroll 8
    for (std::int64_t i = 0; i < kTile; ++i) {
      const double ai = a[row * kPanel + i * one];
      for (std::int64_t j = 0; j < kPanel; ++j) sums[i][j] += ai * b[row * kPanel + j];
    }
  }
  for (std::int64_t i = 0; i < kTile; ++i) {
    for (std::int64_t j = 0; j < kPanel; ++j) products[i * stride + j] += sums[i][j];
  }
}

// differences [panels, kAtOnce, kPanel], of which the first `rows` rows count; sums
// [panels * kPanel]; products [panels * kPanel, panels * kPanel], the tiles on and above the
// diagonal.
TRAILS_SIMD void AddProducts(const double *differences, std::int64_t rows, std::int64_t panels,
                             std::int64_t one, double *sums, double *products) {
  const std::int64_t stride = panels * kPanel;
  for (std::int64_t right = 0; right < panels; ++right) {
    const double *const b = differences + right * kAtOnce * kPanel;
    double of_panel[kPanel] = {};
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t j = 0; j < kPanel; ++j) of_panel[j] += b[row * kPanel + j];
    }
    for (std::int64_t j = 0; j < kPanel; ++j) sums[right * kPanel + j] += of_panel[j];
    for (std::int64_t left = 0; left <= right; ++left) {
      const double *const a = differences + left * kAtOnce * kPanel;
      for (std::int64_t i = 0; i < kPanel; i += kTile) {
        AddTile(a + i, b, rows, one, stride,
                products + (left * kPanel + i) * stride + right * kPanel);
      }
    }
  }
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif

}  // namespace

Moments::Moments(std::int64_t columns)
    : columns_(columns), panels_((columns + kPanel - 1) / kPanel) {
  if (columns < 1) throw Error(ErrorKind::kInternal, "moments of no columns");
  if (columns > kMostColumns) {
    throw Error(ErrorKind::kLimit, "too many columns to compare with one another",
                fmt::format("There are {}; at most {} can be.", columns, kMostColumns),
                "Ask for fewer columns.");
  }
  const auto padded = static_cast<std::size_t>(panels_ * kPanel);
  origin_.resize(padded);
  sums_.resize(padded);
  products_.resize(padded * padded);
}

void Moments::FindFinite(std::span<const float> values, std::int64_t rows) {
  largest_.assign(static_cast<std::size_t>(rows), 0);
  FindLargest(values.data(), rows, columns_, largest_.data());
  finite_.clear();
  for (std::int64_t row = 0; row < rows; ++row) {
    if (largest_[static_cast<std::size_t>(row)] < kInfinity) finite_.push_back(row);
  }
}

void Moments::Add(std::span<const float> values, std::int64_t rows) {
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
  // Zeros beyond the last column stay.
  differences_.resize(static_cast<std::size_t>(panels_ * kAtOnce * kPanel));
  for (std::int64_t first = 0; first < counted; first += kAtOnce) {
    const std::int64_t count = std::min(kAtOnce, counted - first);
    for (std::int64_t column = 0; column < columns_; ++column) {
      const float *const from = values.data() + column * rows;
      const double origin = origin_[static_cast<std::size_t>(column)];
      double *const to =
          differences_.data() + (column / kPanel) * kAtOnce * kPanel + column % kPanel;
      for (std::int64_t i = 0; i < count; ++i) {
        to[i * kPanel] = from[finite_[static_cast<std::size_t>(first + i)]] - origin;
      }
    }
    AddProducts(differences_.data(), count, panels_, 1, sums_.data(), products_.data());
  }
  rows_ += counted;
}

void Moments::Append(const Moments &other) {
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
    for (std::size_t b = a; b < columns; ++b) {
      products_[a * stride + b] += other.products_[a * stride + b] + moved[a] * other.sums_[b] +
                                   moved[b] * other.sums_[a] + added * moved[a] * moved[b];
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
  const double product = products_[low * sums_.size() + high] -
                         sums_[low] * (sums_[high] / static_cast<double>(rows_));
  // Rounding can leave less than nothing of a square.
  return a == b ? std::max(0.0, product) : product;
}

}  // namespace trails
