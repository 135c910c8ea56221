// Eigenvalues and leading eigenvectors of a symmetric matrix, in pieces between which a stop is
// seen: of thousands of columns they take long, and Eigen's own solver cannot be interrupted.
//
// Reflections to a tridiagonal matrix; then implicit QL steps, whose rotations turn strips of the
// vectors that fit into the second-level cache. Source: Golub and Van Loan, "Matrix computations",
// 8.3; EISPACK's tred2 and imtql2. Different on purpose: what is negligible is so beside the
// largest element, and not beside its neighbours, so that the many zeros of a matrix without full
// rank take no steps; eigenvalues are right to some 1e-14 of the largest one.
//
// May touch: src/core/data, src/kernels, Eigen. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <stop_token>
#include <vector>
#include <Eigen/Core>

namespace trails {

class SymmetricEigen {
 public:
  // matrix [order, order], finite. Of elements that rounding makes differ from their mirror image
  // either counts. Throws Error(kCancelled) within some 10 ms of a stop (order 4,096; less below);
  // Error(kInternal) for a matrix that is not square, empty or not finite.
  // Cost: 4/3 order^3 operations: on one core 0.02 s for 512 columns, 0.13 s for 1,024.
  explicit SymmetricEigen(const Eigen::MatrixXd &matrix, const std::stop_token &stop = {});

  // Descending.
  const std::vector<double> &values() const noexcept { return values_; }

  // [order, count]: the eigenvectors of the first `count` values, in their order, of length 1 and
  // at right angles. Throws Error(kCancelled); Error(kInternal) for a count that there is not.
  // Cost: some 5 order^3 operations on `threads` threads, and 2 count order^2: on one core 0.1 s
  // for 512 columns, 0.8 s for 1,024; less without full rank. Memory: order^2 numbers.
  Eigen::MatrixXd Vectors(std::int64_t count, std::int32_t threads = 1,
                          const std::stop_token &stop = {}) const;

 private:
  struct alignas(64) Lanes {
    double at[8];
  };
  class TurnedVectors;

  static double *NumbersOf(Lanes *lanes) noexcept { return reinterpret_cast<double *>(lanes); }
  static const double *NumbersOf(const Lanes *lanes) noexcept {
    return reinterpret_cast<const double *>(lanes);
  }
  double *row(std::int64_t k) noexcept { return NumbersOf(matrix_.data()) + k * stride_; }
  const double *row(std::int64_t k) const noexcept {
    return NumbersOf(matrix_.data()) + k * stride_;
  }
  void Reflect(std::int64_t k, double *reflector);
  void Tridiagonalise(const std::stop_token &stop);

  std::int64_t order_;
  std::int64_t stride_;  // of a row, whole panels of 16
  double scale_ = 1;     // that the matrix was divided by
  // [order, stride_]: the matrix, of which row k becomes the vector of reflection k: I - factor u
  // u'
  std::vector<Lanes> matrix_;
  std::vector<double> factors_;         // [order]
  std::vector<double> diagonal_;        // [order], of the tridiagonal matrix
  std::vector<double> beside_;          // [order], beside_[k] between k and k + 1, the last one 0
  std::vector<double> values_;          // descending
  std::vector<std::int64_t> value_of_;  // [order], the place on the diagonal of each value
};

}  // namespace trails
