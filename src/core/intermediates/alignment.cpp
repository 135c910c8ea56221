#include "core/intermediates/alignment.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>
#include <Eigen/Core>
#include <fmt/format.h>

#include "core/data/parallel_for.h"
#include "core/intermediates/panel_product.h"
#include "core/intermediates/symmetric_eigen.h"
#include "trails/error.h"

namespace trails {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// A direction with less of the largest one's variance is what rounding leaves of none: of a dead
// unit, a repeated column, or more columns than rows. Sums of doubles are some 1e-14 off, and the
// rounding of floats leaves 1e-14.
constexpr double kNoVariance = 1e-10;

void CheckLayers(const Moments &moments, std::int64_t first_columns) {
  if (first_columns >= 1 && first_columns < moments.columns()) return;
  throw Error(ErrorKind::kInternal, fmt::format("layers of {} and {} columns", first_columns,
                                                moments.columns() - first_columns));
}

// A run of columns.
struct Columns {
  std::int64_t first = 0;
  std::int64_t count = 0;
};

// The products of the columns of a with those of b: [a.count, b.count].
Eigen::MatrixXd Products(const Moments &moments, Columns a, Columns b,
                         const std::stop_token &stop) {
  Eigen::MatrixXd products(a.count, b.count);
  for (Eigen::Index j = 0; j < b.count; ++j) {
    ThrowIfStopped(stop);
    for (Eigen::Index i = 0; i < a.count; ++i) {
      products(i, j) = moments.Product(a.first + i, b.first + j);
    }
  }
  return products;
}

// Rows [first, first + count) in the panels that AddPanelProduct takes.
void FillPanels(const Eigen::MatrixXd &matrix, Eigen::Index first, Eigen::Index count,
                std::vector<double> *panels) {
  panels->resize(static_cast<std::size_t>(PanelsFor(matrix.cols()) * kPanelRows * kPanelColumns));
  for (Eigen::Index column = 0; column < matrix.cols(); ++column) {
    const double *const from = matrix.col(column).data() + first;
    double *const to = panels->data() + (column / kPanelColumns) * kPanelRows * kPanelColumns +
                       column % kPanelColumns;
    for (Eigen::Index i = 0; i < count; ++i) to[i * kPanelColumns] = from[i];
  }
}

// a' b, of equally many rows.
Eigen::MatrixXd TransposedTimes(const Eigen::MatrixXd &a, const Eigen::MatrixXd &b,
                                const std::stop_token &stop) {
  const std::int64_t right_panels = PanelsFor(b.cols());
  const std::int64_t stride = right_panels * kPanelColumns;
  std::vector<double> products(
      static_cast<std::size_t>(PanelsFor(a.cols()) * kPanelColumns * stride));
  std::vector<double> left, right;
  for (Eigen::Index first = 0; first < a.rows(); first += kPanelRows) {
    const Eigen::Index count = std::min<Eigen::Index>(kPanelRows, a.rows() - first);
    FillPanels(a, first, count, &left);
    FillPanels(b, first, count, &right);
    for (std::int64_t panel = 0; panel < right_panels; ++panel) {
      ThrowIfStopped(stop);
      AddPanelProduct(left.data(), PanelsFor(a.cols()),
                      right.data() + panel * kPanelRows * kPanelColumns, count, stride,
                      products.data() + panel * kPanelColumns);
    }
  }
  Eigen::MatrixXd result(a.cols(), b.cols());
  for (Eigen::Index i = 0; i < a.cols(); ++i) {
    for (Eigen::Index j = 0; j < b.cols(); ++j) {
      result(i, j) = products[static_cast<std::size_t>(i * stride + j)];
    }
  }
  return result;
}

// The fewest directions that hold `variance` of a layer's variance, scaled to variance 1:
// [columns, directions].
Eigen::MatrixXd Directions(const Eigen::MatrixXd &products, double variance, std::int32_t threads,
                           const std::stop_token &stop) {
  const SymmetricEigen eigen(products, stop);
  const std::vector<double> &held = eigen.values();  // descending
  std::size_t all = 0;
  double total = 0;
  while (all < held.size() && held[all] > kNoVariance * held.front()) total += held[all++];
  std::size_t kept = 0;
  double sum = 0;
  while (kept < all && sum < variance * total) sum += held[kept++];
  Eigen::MatrixXd directions = eigen.Vectors(static_cast<std::int64_t>(kept), threads, stop);
  for (std::size_t i = 0; i < kept; ++i) {
    directions.col(static_cast<Eigen::Index>(i)) /= std::sqrt(held[i]);
  }
  return directions;
}

// |X'X| of a layer.
double FrobeniusNorm(const Moments &moments, Columns layer, const std::stop_token &stop) {
  double off_diagonal = 0, diagonal = 0;
  for (std::int64_t a = layer.first; a < layer.first + layer.count; ++a) {
    ThrowIfStopped(stop);
    const double square = moments.Product(a, a);
    diagonal += square * square;
    for (std::int64_t b = a + 1; b < layer.first + layer.count; ++b) {
      const double product = moments.Product(a, b);
      off_diagonal += product * product;
    }
  }
  return std::sqrt(diagonal + 2 * off_diagonal);
}

}  // namespace

void CheckVariance(double variance) {
  if (variance > 0 && variance <= 1) return;
  throw Error(ErrorKind::kInvalidArgument,
              fmt::format("variance must be above 0 and at most 1, not {}", variance));
}

double Svcca(const Moments &moments, std::int64_t first_columns, double variance,
             std::int32_t threads, const std::stop_token &stop) {
  CheckLayers(moments, first_columns);
  CheckVariance(variance);
  const Columns of_first{0, first_columns};
  const Columns of_second{first_columns, moments.columns() - first_columns};
  const Eigen::MatrixXd first =
      Directions(Products(moments, of_first, of_first, stop), variance, threads, stop);
  const Eigen::MatrixXd second =
      Directions(Products(moments, of_second, of_second, stop), variance, threads, stop);
  const Eigen::Index fewer = std::min(first.cols(), second.cols());
  if (fewer == 0) return kNaN;

  // Its singular values are the canonical correlations.
  const Eigen::MatrixXd between = TransposedTimes(
      first, TransposedTimes(Products(moments, of_second, of_first, stop), second, stop), stop);
  const Eigen::MatrixXd narrow =
      first.cols() <= second.cols() ? Eigen::MatrixXd(between.transpose()) : between;
  const SymmetricEigen squares(TransposedTimes(narrow, narrow, stop), stop);
  double sum = 0;
  for (const double square : squares.values()) sum += std::sqrt(std::clamp(square, 0.0, 1.0));
  return sum / static_cast<double>(fewer);
}

double LinearCka(const Moments &moments, std::int64_t first_columns, const std::stop_token &stop) {
  CheckLayers(moments, first_columns);
  const double first = FrobeniusNorm(moments, {0, first_columns}, stop);
  const double second =
      FrobeniusNorm(moments, {first_columns, moments.columns() - first_columns}, stop);
  if (first == 0 || second == 0) return kNaN;
  double between = 0;
  for (std::int64_t a = 0; a < first_columns; ++a) {
    ThrowIfStopped(stop);
    for (std::int64_t b = first_columns; b < moments.columns(); ++b) {
      const double product = moments.Product(a, b);
      between += product * product;
    }
  }
  return std::min(1.0, between / first / second);
}

}  // namespace trails
