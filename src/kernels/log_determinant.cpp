// Cholesky's factorisation of 16 matrices in lanes: entry (i, j) of all of them is one vector.
//
// May touch: src/kernels, Google Highway.
#include "kernels/log_determinant.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "kernels/simd.h"

// Compiled once for each target: the file includes itself.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/log_determinant.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace trails::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<float, kMatrices>;
using Vector = hn::Vec<Tag>;
constexpr std::ptrdiff_t kLanes = hn::MaxLanes(Tag());
// Order of a tile: with its sums, a row and a column of others it fits the registers.
constexpr std::ptrdiff_t kTile = kLanes == 16 ? 4 : 2;

// Pivots whose product is kept in float: each is at most 2^15.
constexpr std::ptrdiff_t kPivotsTogether = 4;

// Where entry (row, column), column <= row, of the lower triangles lies.
constexpr std::ptrdiff_t At(std::ptrdiff_t row, std::ptrdiff_t column) noexcept {
  return (row * (row + 1) / 2 + column) * kMatrices;
}

// counts [16][count] -> lanes [count][16].
#if HWY_TARGET == HWY_SCALAR
void Transpose(const std::uint16_t *counts, std::ptrdiff_t count, std::uint16_t *lanes) {
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    for (std::ptrdiff_t m = 0; m < kMatrices; ++m) lanes[i * kMatrices + m] = counts[m * count + i];
  }
}
#else
void Transpose(const std::uint16_t *counts, std::ptrdiff_t count, std::uint16_t *lanes) {
  const hn::FixedTag<std::uint16_t, 8> d;
  const hn::FixedTag<std::uint32_t, 4> d32;
  const hn::FixedTag<std::uint64_t, 2> d64;
  for (std::ptrdiff_t i = 0; i < count; i += 8) {
    for (std::ptrdiff_t m = 0; m < kMatrices; m += 8) {
      // Pairs of matrices, then fours, then all eight.
      hn::Vec<decltype(d32)> pairs[4][2];
      for (std::ptrdiff_t p = 0; p < 4; ++p) {
        const auto a = hn::Load(d, counts + (m + 2 * p) * count + i);
        const auto b = hn::Load(d, counts + (m + 2 * p + 1) * count + i);
        pairs[p][0] = hn::BitCast(d32, hn::InterleaveLower(d, a, b));
        pairs[p][1] = hn::BitCast(d32, hn::InterleaveUpper(d, a, b));
      }
      hn::Vec<decltype(d64)> fours[2][4];
      for (std::ptrdiff_t f = 0; f < 2; ++f) {
        for (std::ptrdiff_t half = 0; half < 2; ++half) {
          const auto a = pairs[2 * f][half];
          const auto b = pairs[2 * f + 1][half];
          fours[f][2 * half] = hn::BitCast(d64, hn::InterleaveLower(d32, a, b));
          fours[f][2 * half + 1] = hn::BitCast(d64, hn::InterleaveUpper(d32, a, b));
        }
      }
      for (std::ptrdiff_t q = 0; q < 4; ++q) {
        std::uint16_t *const to = lanes + (i + 2 * q) * kMatrices + m;
        hn::Store(hn::BitCast(d, hn::InterleaveLower(d64, fours[0][q], fours[1][q])), d, to);
        hn::Store(hn::BitCast(d, hn::InterleaveUpper(d64, fours[0][q], fours[1][q])), d,
                  to + kMatrices);
      }
    }
  }
}
#endif

// The lower triangles of K, from the counts in lanes.
void Assemble(const std::uint16_t *lanes, const float *units, std::int32_t batch, float *k) {
  const Tag d;
  const hn::Rebind<std::int32_t, Tag> d32;
  const hn::Rebind<std::uint16_t, Tag> d16;
  const std::ptrdiff_t order = PaddedOrder(batch);
  for (std::ptrdiff_t lane = 0; lane < kMatrices; lane += kLanes) {
    const Vector n = hn::Load(d, units + lane);
    for (std::ptrdiff_t i = 0; i < order; ++i) {
      const bool padding = i >= batch;
      for (std::ptrdiff_t j = 0; padding && j < i; ++j) {
        hn::Store(hn::Zero(d), d, k + At(i, j) + lane);
      }
      hn::Store(padding ? hn::Set(d, 1) : n, d, k + At(i, i) + lane);
    }
    for (std::ptrdiff_t row = 1; row <= DisagreementRows(batch); ++row) {
      for (std::ptrdiff_t b = 0; b < batch; ++b, lanes += kMatrices) {
        const std::ptrdiff_t other = b + row < batch ? b + row : b + row - batch;
        const Vector count = hn::ConvertTo(d, hn::PromoteTo(d32, hn::Load(d16, lanes + lane)));
        hn::Store(hn::Sub(n, count), d, k + At(std::max(b, other), std::min(b, other)) + lane);
      }
      lanes += (DisagreementColumns(batch) - batch) * kMatrices;
    }
    lanes -= DisagreementCounts(batch) * kMatrices;
  }
}

// The tile (row, column) of K less the products of what is factorised to its left.
HWY_INLINE void Reduce(const float *HWY_RESTRICT l, std::ptrdiff_t row, std::ptrdiff_t column,
                       Vector (&c)[kTile][kTile]) {
  const Tag d;
  for (std::ptrdiff_t i = 0; i < kTile; ++i) {
    for (std::ptrdiff_t j = 0; j < kTile; ++j) {
      // Above the diagonal any value does: it is not used.
      c[i][j] = hn::Load(d, l + At(row + i, std::min(column + j, row + i)));
    }
  }
  for (std::ptrdiff_t k = 0; k < column; ++k) {
    Vector x[kTile], y[kTile];
    for (std::ptrdiff_t i = 0; i < kTile; ++i) {
      x[i] = hn::Load(d, l + At(row + i, k));
      y[i] = hn::Load(d, l + At(column + i, k));
    }
    for (std::ptrdiff_t i = 0; i < kTile; ++i) {
      for (std::ptrdiff_t j = 0; j < kTile; ++j) c[i][j] = hn::NegMulAdd(x[i], y[j], c[i][j]);
    }
  }
}

// Factorises in place the matrices of the lanes that l points to; the diagonal keeps the inverse of
// L's. units, smallest [16] and products [order / 4][16] point to the first of the lanes.
void Factorise(float *HWY_RESTRICT l, const float *units, std::int32_t batch, float *products,
               float *smallest_pivot) {
  const Tag d;
  const std::ptrdiff_t order = PaddedOrder(batch);
  const Vector least = hn::Mul(hn::Load(d, units), hn::Set(d, kSmallestPivot));
  Vector smallest = hn::Load(d, units);
  Vector product = hn::Set(d, 1);
  for (std::ptrdiff_t column = 0; column < order; column += kTile) {
    Vector c[kTile][kTile];
    Reduce(l, column, column, c);
    for (std::ptrdiff_t j = 0; j < kTile; ++j) {
      // Padding has pivots of 1, which say nothing.
      if (column + j < batch) smallest = hn::Min(smallest, c[j][j]);
      const Vector pivot = hn::Max(c[j][j], column + j < batch ? least : hn::Set(d, 1));
      product = hn::Mul(product, pivot);
      const Vector inv = hn::Div(hn::Set(d, 1), hn::Sqrt(pivot));
      hn::Store(inv, d, l + At(column + j, column + j));
      for (std::ptrdiff_t i = j + 1; i < kTile; ++i) {
        c[i][j] = hn::Mul(c[i][j], inv);
        hn::Store(c[i][j], d, l + At(column + i, column + j));
      }
      for (std::ptrdiff_t i = j + 1; i < kTile; ++i) {
        for (std::ptrdiff_t k = j + 1; k <= i; ++k) {
          c[i][k] = hn::NegMulAdd(c[i][j], c[k][j], c[i][k]);
        }
      }
    }
    if ((column + kTile) % kPivotsTogether == 0) {
      hn::Store(product, d, products + column / kPivotsTogether * kMatrices);
      product = hn::Set(d, 1);
    }
    for (std::ptrdiff_t row = column + kTile; row < order; row += kTile) {
      Reduce(l, row, column, c);
      for (std::ptrdiff_t j = 0; j < kTile; ++j) {
        const Vector inv = hn::Load(d, l + At(column + j, column + j));
        for (std::ptrdiff_t i = 0; i < kTile; ++i) {
          for (std::ptrdiff_t k = 0; k < j; ++k) {
            c[i][j] = hn::NegMulAdd(c[i][k], hn::Load(d, l + At(column + j, column + k)), c[i][j]);
          }
          c[i][j] = hn::Mul(c[i][j], inv);
          hn::Store(c[i][j], d, l + At(row + i, column + j));
        }
      }
    }
  }
  hn::Store(smallest, d, smallest_pivot);
}

// products [order / 4][16]: of 4 pivots each; smallest [16]: the smallest pivots.
void Cholesky(const std::uint16_t *disagreements, const float *units, std::int32_t batch,
              float *triangles, std::uint16_t *lanes, float *products, float *smallest) {
  Transpose(disagreements, DisagreementCounts(batch), lanes);
  Assemble(lanes, units, batch, triangles);
  for (std::ptrdiff_t lane = 0; lane < kMatrices; lane += kLanes) {
    Factorise(triangles + lane, units + lane, batch, products + lane, smallest + lane);
  }
}

}  // namespace
}  // namespace trails::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trails::kernels {
namespace {

using Square =
    double[kMaxBatch][kMaxBatch];  // of which the first `batch` rows and columns are used

constexpr double kSingular = -std::numeric_limits<double>::infinity();

// The logarithm of the determinant of the symmetric matrix a, which it overwrites.
TRAILS_SIMD double Eliminate(Square &a, double units, std::int32_t batch) {
  constexpr double kZeroPivot = 1e-9;       // as a share of N: no more than rounding left it
  constexpr double kLeastLogarithm = -0.5;  // between ln 1 and ln 0
  double sum = 0;
  for (std::int32_t k = 0; k < batch; ++k) {
    std::int32_t largest = k;
    for (std::int32_t i = k + 1; i < batch; ++i) {
      if (a[i][i] > a[largest][largest]) largest = i;
    }
    if (!(a[largest][largest] > kZeroPivot * units)) return kSingular;
    if (largest != k) {
      std::swap_ranges(a[k], a[k] + batch, a[largest]);
      for (std::int32_t i = k; i < batch; ++i) std::swap(a[i][k], a[i][largest]);
    }
    sum += std::log(a[k][k]);
    // Whole rows, though one half would do: they are vectors.
    for (std::int32_t i = k + 1; i < batch; ++i) {
      const double factor = a[i][k] / a[k][k];
      for (std::int32_t j = k + 1; j < batch; ++j) a[i][j] -= factor * a[k][j];
    }
  }
  return sum < kLeastLogarithm ? kSingular : sum;
}

}  // namespace

HWY_EXPORT(Cholesky);

void LogDeterminants(const std::uint16_t *disagreements, const float *units, std::int32_t batch,
                     float *scratch, double *log_determinant) {
  const std::ptrdiff_t order = PaddedOrder(batch);
  const std::ptrdiff_t fours = order / 4;
  float *const triangles = scratch;
  float *const products = triangles + order * (order + 1) / 2 * kMatrices;
  float *const smallest = products + fours * kMatrices;
  auto *const lanes = reinterpret_cast<std::uint16_t *>(smallest + kMatrices);
  HWY_DYNAMIC_DISPATCH(Cholesky)
  (disagreements, units, batch, triangles, lanes, products, smallest);
  for (std::ptrdiff_t m = 0; m < kMatrices; ++m) {
    if (!(smallest[m] > kSmallestPivot * units[m])) {
      log_determinant[m] =
          LogDeterminant(disagreements + m * DisagreementCounts(batch), double{units[m]}, batch);
      continue;
    }
    double product = 1;
    for (std::ptrdiff_t i = 0; i < fours; ++i) product *= double{products[i * kMatrices + m]};
    log_determinant[m] = std::log(product);
  }
}

double LogDeterminant(const std::uint16_t *disagreements, double units, std::int32_t batch) {
  Square a;
  for (std::int32_t i = 0; i < batch; ++i) a[i][i] = units;
  for (std::int32_t row = 1; row <= DisagreementRows(batch); ++row) {
    for (std::int32_t b = 0; b < batch; ++b) {
      const std::int32_t other = b + row < batch ? b + row : b + row - batch;
      const int count = disagreements[(row - 1) * DisagreementColumns(batch) + b];
      if (count == 0) return kSingular;  // two equal samples
      a[b][other] = a[other][b] = units - count;
    }
  }
  return Eliminate(a, units, batch);
}

}  // namespace trails::kernels
#endif
