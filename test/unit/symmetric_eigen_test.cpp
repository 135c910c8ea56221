// Eigenvalues and eigenvectors against what defines them, and against Eigen's solver.
#include "core/intermediates/symmetric_eigen.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stop_token>
#include <string>
#include <Eigen/Dense>

#include "core/random.h"
#include "trails/error.h"

namespace trails {
namespace {

using Matrix = Eigen::MatrixXd;

Matrix RandomMatrix(Eigen::Index rows, Eigen::Index columns, RandomStream *random) {
  Matrix matrix(rows, columns);
  for (double &value : matrix.reshaped()) value = random->Normal();
  return matrix;
}

Matrix WithValues(const Eigen::VectorXd &values, RandomStream *random) {
  const Matrix drawn = RandomMatrix(values.size(), values.size(), random);
  const Matrix rotation = Eigen::HouseholderQR<Matrix>(drawn).householderQ();
  const Matrix made = rotation * values.asDiagonal() * rotation.transpose();
  return (made + made.transpose()) / 2;
}

// Values as Eigen finds them; vectors that the matrix only stretches, at right angles.
void ExpectEigen(const Matrix &matrix, const std::string &what) {
  const Eigen::Index order = matrix.rows();
  const SymmetricEigen found(matrix);
  const Eigen::VectorXd expected =
      Eigen::SelfAdjointEigenSolver<Matrix>(matrix, Eigen::EigenvaluesOnly).eigenvalues().reverse();
  const double largest = expected.cwiseAbs().maxCoeff();
  const double tolerance = 1e-14 * static_cast<double>(order + 10) * largest;
  ASSERT_EQ(found.values().size(), static_cast<std::size_t>(order)) << what;
  for (Eigen::Index i = 0; i < order; ++i) {
    EXPECT_NEAR(found.values()[static_cast<std::size_t>(i)], expected[i], tolerance) << what;
  }
  const Matrix vectors = found.Vectors(order, 2);
  EXPECT_LT((vectors.transpose() * vectors - Matrix::Identity(order, order)).cwiseAbs().maxCoeff(),
            1e-14 * static_cast<double>(order + 10))
      << what;
  Matrix stretched = vectors;
  for (Eigen::Index i = 0; i < order; ++i) {
    stretched.col(i) *= found.values()[static_cast<std::size_t>(i)];
  }
  EXPECT_LE((matrix * vectors - stretched).cwiseAbs().maxCoeff(), tolerance) << what;
}

// Around the panels of 16 columns, the strips of 32 components and the 4 rows of a pass.
TEST(SymmetricEigen, FindsWhatStretchesTheMatrix) {
  RandomStream random(1);
  for (const Eigen::Index order : {1, 2, 3, 4, 5, 7, 15, 16, 17, 18, 31, 32, 33, 48, 65, 130}) {
    const Matrix drawn = RandomMatrix(order, order, &random);
    ExpectEigen(drawn + drawn.transpose(), "order " + std::to_string(order));
  }
}

TEST(SymmetricEigen, OfMatricesThatAreHard) {
  RandomStream random(2);
  Eigen::VectorXd values = Eigen::VectorXd::Zero(70);
  ExpectEigen(Matrix::Zero(70, 70), "zeros");
  ExpectEigen(Matrix::Identity(70, 70), "the identity");
  ExpectEigen(Eigen::VectorXd::LinSpaced(70, -3, 8).asDiagonal(), "a diagonal");
  ExpectEigen(Matrix::Ones(70, 70), "ones");
  values.head(5) << 1, 2, 3, 1e3, 2;
  ExpectEigen(WithValues(values, &random), "rank 5");
  for (Eigen::Index i = 0; i < 70; ++i) values[i] = std::pow(0.5, i);
  ExpectEigen(WithValues(values, &random), "values that fall");
  values = Eigen::VectorXd::Ones(70);
  values[3] = 1 + 1e-13;
  values[8] = 4;
  ExpectEigen(WithValues(values, &random), "values that are alike");
  const Matrix few = RandomMatrix(9, 70, &random);
  ExpectEigen(few.transpose() * few, "fewer rows than columns");
  const Matrix drawn = RandomMatrix(40, 40, &random);
  ExpectEigen(1e-200 * (drawn + drawn.transpose()), "small numbers");
  ExpectEigen(1e150 * (drawn + drawn.transpose()), "large numbers");
  Matrix graded = drawn + drawn.transpose();
  for (Eigen::Index i = 0; i < 40; ++i) {
    graded.row(i) *= std::pow(0.1, i);
    graded.col(i) *= std::pow(0.1, i);
  }
  ExpectEigen(graded, "elements that fall");
  ExpectEigen(graded.reverse(), "elements that rise");
}

TEST(SymmetricEigen, GivesTheFirstVectorsWhateverTheThreads) {
  RandomStream random(3);
  const Matrix drawn = RandomMatrix(45, 45, &random);
  const SymmetricEigen found(drawn * drawn.transpose());
  const Matrix all = found.Vectors(45);
  for (const std::int64_t count : {0, 1, 8, 9, 44}) {
    EXPECT_EQ(found.Vectors(count), all.leftCols(count));
    EXPECT_EQ(found.Vectors(count, 3), all.leftCols(count));
  }
}

TEST(SymmetricEigen, EndsAtAStop) {
  std::stop_source source;
  const SymmetricEigen found(Matrix::Ones(20, 20), source.get_token());
  source.request_stop();
  for (const bool vectors : {false, true}) {
    try {
      if (vectors) {
        found.Vectors(3, 1, source.get_token());
      } else {
        SymmetricEigen(Matrix::Ones(20, 20), source.get_token());
      }
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error &error) {
      EXPECT_EQ(error.kind(), ErrorKind::kCancelled);
    }
  }
}

TEST(SymmetricEigen, RefusesWhatHasNoEigenvalues) {
  const auto kind_of = [](auto call) {
    try {
      call();
    } catch (const Error &error) {
      return error.kind();
    }
    ADD_FAILURE() << "nothing was thrown";
    return ErrorKind::kDevice;
  };
  Matrix strange = Matrix::Identity(3, 3);
  EXPECT_EQ(kind_of([&] { SymmetricEigen(strange).Vectors(4); }), ErrorKind::kInternal);
  EXPECT_EQ(kind_of([&] { SymmetricEigen(strange).Vectors(-1); }), ErrorKind::kInternal);
  EXPECT_EQ(kind_of([] { SymmetricEigen(Matrix(0, 0)); }), ErrorKind::kInternal);
  EXPECT_EQ(kind_of([] { SymmetricEigen(Matrix::Zero(3, 4)); }), ErrorKind::kInternal);
  strange(2, 1) = std::numeric_limits<double>::infinity();
  EXPECT_EQ(kind_of([&] { SymmetricEigen{strange}; }), ErrorKind::kInternal);
}

}  // namespace
}  // namespace trails
