#include "core/intermediates/alignment.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <Eigen/Dense>
#include <fmt/format.h>

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

// The products of `rows` columns from `row` on with `columns` columns from `column` on.
Eigen::MatrixXd Products(const Moments &moments, std::int64_t row, std::int64_t rows,
                         std::int64_t column, std::int64_t columns) {
  Eigen::MatrixXd products(rows, columns);
  for (Eigen::Index j = 0; j < columns; ++j) {
    for (Eigen::Index i = 0; i < rows; ++i) products(i, j) = moments.Product(row + i, column + j);
  }
  return products;
}

using Solver = Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>;

Solver Solve(const Eigen::MatrixXd &products, Eigen::DecompositionOptions options) {
  Solver solver(products, options);
  if (solver.info() != Eigen::Success) {
    throw Error(ErrorKind::kInternal, "no eigenvalues of the products of columns were found");
  }
  return solver;
}

// The fewest directions that hold `variance` of a layer's variance, scaled to variance 1:
// [columns, directions].
Eigen::MatrixXd Directions(const Eigen::MatrixXd &products, double variance) {
  const Solver solver = Solve(products, Eigen::ComputeEigenvectors);
  const Eigen::VectorXd &held = solver.eigenvalues();  // ascending
  const Eigen::Index columns = held.size();
  const double largest = held[columns - 1];
  Eigen::Index all = 0;
  double total = 0;
  while (all < columns && held[columns - 1 - all] > kNoVariance * largest) {
    total += held[columns - 1 - all];
    ++all;
  }
  Eigen::Index kept = 0;
  double sum = 0;
  while (kept < all && sum < variance * total) {
    sum += held[columns - 1 - kept];
    ++kept;
  }
  return solver.eigenvectors().rightCols(kept) *
         held.tail(kept).cwiseSqrt().cwiseInverse().asDiagonal();
}

// |X'X| of the layer whose columns start at `first`.
double FrobeniusNorm(const Moments &moments, std::int64_t first, std::int64_t columns) {
  double off_diagonal = 0, diagonal = 0;
  for (std::int64_t a = first; a < first + columns; ++a) {
    const double square = moments.Product(a, a);
    diagonal += square * square;
    for (std::int64_t b = a + 1; b < first + columns; ++b) {
      const double product = moments.Product(a, b);
      off_diagonal += product * product;
    }
  }
  return std::sqrt(diagonal + 2 * off_diagonal);
}

}  // namespace

double Svcca(const Moments &moments, std::int64_t first_columns, double variance) {
  CheckLayers(moments, first_columns);
  if (!(variance > 0 && variance <= 1)) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("variance must be above 0 and at most 1, not {}", variance));
  }
  const std::int64_t second_columns = moments.columns() - first_columns;
  const Eigen::MatrixXd first =
      Directions(Products(moments, 0, first_columns, 0, first_columns), variance);
  const Eigen::MatrixXd second = Directions(
      Products(moments, first_columns, second_columns, first_columns, second_columns), variance);
  const Eigen::Index fewer = std::min(first.cols(), second.cols());
  if (fewer == 0) return kNaN;

  // Its singular values are the canonical correlations.
  const Eigen::MatrixXd between =
      first.transpose() * Products(moments, 0, first_columns, first_columns, second_columns) *
      second;
  const Eigen::MatrixXd squared = first.cols() <= second.cols()
                                      ? Eigen::MatrixXd(between * between.transpose())
                                      : Eigen::MatrixXd(between.transpose() * between);
  const Eigen::VectorXd squares = Solve(squared, Eigen::EigenvaluesOnly).eigenvalues();
  return squares.cwiseMax(0.0).cwiseMin(1.0).cwiseSqrt().sum() / static_cast<double>(fewer);
}

double LinearCka(const Moments &moments, std::int64_t first_columns) {
  CheckLayers(moments, first_columns);
  const double first = FrobeniusNorm(moments, 0, first_columns);
  const double second = FrobeniusNorm(moments, first_columns, moments.columns() - first_columns);
  if (first == 0 || second == 0) return kNaN;
  double between = 0;
  for (std::int64_t a = 0; a < first_columns; ++a) {
    for (std::int64_t b = first_columns; b < moments.columns(); ++b) {
      const double product = moments.Product(a, b);
      between += product * product;
    }
  }
  return std::min(1.0, between / first / second);
}

double Correlation(const Moments &moments, std::int64_t a, std::int64_t b) {
  const double of_a = moments.Product(a, a);
  const double of_b = moments.Product(b, b);
  if (of_a == 0 || of_b == 0) return kNaN;
  return std::clamp(moments.Product(a, b) / std::sqrt(of_a) / std::sqrt(of_b), -1.0, 1.0);
}

}  // namespace trails
