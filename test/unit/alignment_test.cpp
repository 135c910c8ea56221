// SVCCA and CKA against their definitions on explicit matrices.
#include "core/intermediates/alignment.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <stop_token>
#include <vector>
#include <Eigen/Dense>

#include "core/random.h"
#include "trails/error.h"

namespace trails {
namespace {

using Matrix = Eigen::MatrixXd;

// Rows, columns of the first layer and of the second.
struct Sizes {
  Eigen::Index rows, p, q;
};
constexpr Sizes kSizes[] = {{300, 20, 20}, {300, 5, 31}, {200, 31, 5}, {20, 31, 25}, {60, 1, 1}};

// Every number a float, so that the moments see what the definitions see.
Matrix RandomMatrix(Eigen::Index rows, Eigen::Index columns, RandomStream *random) {
  Matrix matrix(rows, columns);
  for (double &value : matrix.reshaped()) value = static_cast<float>(random->Normal());
  return matrix;
}

Matrix Rounded(const Matrix &matrix) {
  return matrix.cast<float>().cast<double>();
}

Matrix Centred(const Matrix &matrix) {
  return matrix.rowwise() - matrix.colwise().mean();
}

Matrix RandomRotation(Eigen::Index order, RandomStream *random) {
  const Matrix drawn = RandomMatrix(order, order, random);
  return Eigen::HouseholderQR<Matrix>(drawn).householderQ() * Matrix::Identity(order, order);
}

Moments MomentsOf(const Matrix &x, const Matrix &y) {
  Moments moments(x.cols() + y.cols());
  std::vector<float> values;
  for (const Matrix *const matrix : {&x, &y}) {
    for (const double value : matrix->reshaped()) values.push_back(static_cast<float>(value));
  }
  moments.Add(values, x.rows());
  return moments;
}

double Svcca(const Matrix &x, const Matrix &y, double variance) {
  return Svcca(MomentsOf(x, y), x.cols(), variance);
}
double LinearCka(const Matrix &x, const Matrix &y) {
  return LinearCka(MomentsOf(x, y), x.cols());
}

// Layers of few strong and many weak directions, as networks have them; y shares some of x's.
struct Layers {
  Matrix x, y;
};
Layers RandomLayers(Eigen::Index rows, Eigen::Index x_columns, Eigen::Index y_columns,
                    RandomStream *random) {
  const auto mixed = [&](const Matrix &sources, Eigen::Index columns) {
    Matrix weights = RandomMatrix(sources.cols(), columns, random);
    for (Eigen::Index i = 0; i < weights.rows(); ++i) weights.row(i) *= std::pow(0.6, i);
    return Rounded((sources * weights).array() + 3.0);
  };
  const Matrix shared = RandomMatrix(rows, 6, random);
  Matrix of_x(rows, 12), of_y(rows, 12);
  of_x << shared, RandomMatrix(rows, 6, random);
  of_y << RandomMatrix(rows, 2, random), shared, RandomMatrix(rows, 4, random);
  return {mixed(of_x, x_columns), mixed(of_y, y_columns)};
}

// The left singular vectors that hold `variance`: an orthonormal basis of the layer's directions.
Matrix Basis(const Matrix &matrix, double variance) {
  const Eigen::JacobiSVD<Matrix> svd(Centred(matrix), Eigen::ComputeThinU);
  const Eigen::VectorXd held = svd.singularValues().cwiseAbs2();
  Eigen::Index kept = 0;
  double sum = 0;
  while (kept < held.size() && held[kept] > 1e-10 * held[0] && sum < variance * held.sum()) {
    sum += held[kept++];
  }
  return svd.matrixU().leftCols(kept);
}

double SvccaByDefinition(const Matrix &x, const Matrix &y, double variance) {
  const Matrix of_x = Basis(x, variance), of_y = Basis(y, variance);
  const Eigen::JacobiSVD<Matrix> between(of_x.transpose() * of_y);
  return between.singularValues().sum() / static_cast<double>(std::min(of_x.cols(), of_y.cols()));
}

// Hilbert-Schmidt independence of the rows' Gram matrices.
double CkaByDefinition(const Matrix &x, const Matrix &y) {
  const Eigen::Index rows = x.rows();
  const Matrix centre =
      Matrix::Identity(rows, rows) - Matrix::Constant(rows, rows, 1.0 / static_cast<double>(rows));
  const Matrix k = centre * (x * x.transpose()) * centre;
  const Matrix l = centre * (y * y.transpose()) * centre;
  return k.cwiseProduct(l).sum() / std::sqrt(k.squaredNorm() * l.squaredNorm());
}

TEST(Svcca, EqualsItsDefinition) {
  RandomStream random(1);
  for (const auto &[rows, p, q] : kSizes) {
    const Layers layers = RandomLayers(rows, p, q, &random);
    for (const double variance : {0.5, 0.8, 0.9, 0.99, 0.999}) {
      const double expected = SvccaByDefinition(layers.x, layers.y, variance);
      EXPECT_NEAR(Svcca(layers.x, layers.y, variance), expected, 1e-8)
          << rows << " x " << p << ", " << q << " at " << variance;
      EXPECT_GT(expected, 0.01);
    }
  }
}

TEST(Svcca, CountsTheDirectionsByHand) {
  // Two columns at right angles, of variances 9 to 1.
  const Eigen::Vector4d a(1, 1, -1, -1), b(1, -1, 1, -1);
  Matrix x(4, 2);
  x << 3 * a, b;
  EXPECT_NEAR(Svcca(x, b, 0.85), 0, 1e-7);  // a alone holds it, and b is not along it
  EXPECT_NEAR(Svcca(x, b, 0.95), 1, 1e-9);  // both are needed
  EXPECT_NEAR(Svcca(x, a, 0.85), 1, 1e-9);
  // One of two shared: correlations 1 and 0, of two directions each.
  const Eigen::Vector4d c(1, -1, -1, 1);
  Matrix y(4, 2);
  y << a, 2 * c;
  EXPECT_NEAR(Svcca(x, y, 1), 0.5, 1e-7);
  // a and a + b: correlation 1 / sqrt(2).
  EXPECT_NEAR(Svcca(a, a + b, 0.99), std::sqrt(0.5), 1e-12);
}

TEST(Svcca, IsOneForWhatALinearMapTurnsIntoTheOther) {
  RandomStream random(2);
  const Matrix x = RandomMatrix(500, 12, &random);
  EXPECT_NEAR(Svcca(x, x, 0.99), 1, 1e-9);
  EXPECT_NEAR(Svcca(x, x, 1), 1, 1e-9);
  EXPECT_NEAR(Svcca(x, Rounded(x * RandomRotation(12, &random)), 1), 1, 1e-9);
  EXPECT_NEAR(Svcca(x, Rounded(x * RandomMatrix(12, 12, &random)), 1), 1, 1e-9);
  EXPECT_NEAR(Svcca(x, Rounded(x * RandomMatrix(12, 5, &random)), 1), 1, 1e-9);
  EXPECT_NEAR(Svcca(x, Rounded((1e4 * x).array() + 1e5), 0.99), 1,
              1e-4);  // of 1e5 floats keep 1e-2
}

TEST(Svcca, DoesNotMindRotationAndScale) {
  RandomStream random(3);
  const Layers layers = RandomLayers(400, 15, 10, &random);
  const Matrix turned = Rounded(8 * layers.x * RandomRotation(15, &random));
  for (const double variance : {0.9, 0.99}) {
    const double before = Svcca(layers.x, layers.y, variance);
    EXPECT_NEAR(Svcca(turned, layers.y, variance), before, 1e-5);
    EXPECT_NEAR(Svcca(layers.y, layers.x, variance), before, 1e-9);  // nor which comes first
  }
}

// The squares of the canonical correlations of independent columns, p and q of them, sum up to
// p q / (rows - 1) on average.
TEST(Svcca, IsNearZeroForNoise) {
  RandomStream random(4);
  const Matrix x = RandomMatrix(4001, 10, &random), y = RandomMatrix(4001, 10, &random);
  const double root_mean_square = std::sqrt(10.0 / 4000);  // 0.05
  const double found = Svcca(x, y, 1);
  EXPECT_LT(found, 1.1 * root_mean_square);
  EXPECT_GT(found, 0.6 * root_mean_square);
}

TEST(Svcca, DoesNotCountDeadUnitsAndRepeatedColumns) {
  RandomStream random(5);
  const Layers layers = RandomLayers(300, 8, 6, &random);
  Matrix dead(300, 12), repeated(300, 16);
  dead << Matrix::Zero(300, 2), layers.x, Matrix::Constant(300, 2, 7.5);
  repeated << layers.x, layers.x;
  for (const double variance : {0.8, 0.99, 1.0}) {
    const double before = Svcca(layers.x, layers.y, variance);
    EXPECT_NEAR(Svcca(dead, layers.y, variance), before, 1e-7);
    EXPECT_NEAR(Svcca(repeated, layers.y, variance), before, 1e-7);
    EXPECT_NEAR(SvccaByDefinition(layers.x, layers.y, variance), before, 1e-7);
  }
  // One that is repeated alone moves the variance, and adds no direction.
  Matrix one(300, 9);
  one << layers.x, layers.x.col(3);
  EXPECT_NEAR(Svcca(one, layers.y, 0.9), SvccaByDefinition(one, layers.y, 0.9), 1e-8);
  EXPECT_NEAR(Svcca(one, layers.y, 1), Svcca(layers.x, layers.y, 1), 1e-7);
}

// A column that others make up but for its rounding to float holds 1e-15 of their variance beside.
TEST(Svcca, DoesNotCountWhatRoundingLeaves) {
  RandomStream random(12);
  const Matrix y = RandomMatrix(300, 3, &random);
  Matrix x(300, 4);
  x << y.leftCols(2), Rounded(y.leftCols(2) * RandomMatrix(2, 2, &random));
  EXPECT_NEAR(Svcca(x, y, 1), 1, 1e-9);  // 2 directions of x, both in y
}

TEST(Svcca, OfFewerRowsThanColumns) {
  RandomStream random(6);
  const Matrix x = RandomMatrix(9, 20, &random), y = RandomMatrix(9, 30, &random);
  EXPECT_NEAR(Svcca(x, y, 1), 1, 1e-9);  // both span all that 9 rows have
  for (const double variance : {0.3, 0.6, 0.9}) {
    const double expected = SvccaByDefinition(x, y, variance);
    EXPECT_NEAR(Svcca(x, y, variance), expected, 1e-9);
    EXPECT_LT(expected, 1);
  }
}

TEST(Svcca, IsNothingOfAConstantLayer) {
  RandomStream random(7);
  const Matrix x = RandomMatrix(50, 3, &random), constant = Matrix::Constant(50, 2, 0.1F);
  EXPECT_TRUE(std::isnan(Svcca(x, constant, 0.99)));
  EXPECT_TRUE(std::isnan(Svcca(constant, x, 0.99)));
  EXPECT_TRUE(std::isnan(Svcca(x.topRows(1), x.topRows(1), 0.99)));
  EXPECT_TRUE(std::isnan(Svcca(Moments(4), 2, 0.99)));
  EXPECT_TRUE(std::isnan(LinearCka(x, constant)));
  EXPECT_TRUE(std::isnan(LinearCka(constant, x)));
  EXPECT_TRUE(std::isnan(LinearCka(Moments(4), 2)));
}

TEST(Svcca, RefusesVariancesAndLayersThatMakeNoSense) {
  const auto kind_of = [](auto call) {
    try {
      call();
    } catch (const Error &error) {
      return error.kind();
    }
    ADD_FAILURE() << "nothing was thrown";
    return ErrorKind::kDevice;
  };
  const Moments moments(4);
  for (const double variance : {0.0, -0.5, 1.0001, std::nan("")}) {
    EXPECT_EQ(kind_of([&] { Svcca(moments, 2, variance); }), ErrorKind::kInvalidArgument);
  }
  for (const std::int64_t columns : {-1, 0, 4, 5}) {
    EXPECT_EQ(kind_of([&] { Svcca(moments, columns, 0.99); }), ErrorKind::kInternal);
    EXPECT_EQ(kind_of([&] { LinearCka(moments, columns); }), ErrorKind::kInternal);
  }
}

TEST(LinearCka, EqualsItsDefinition) {
  RandomStream random(8);
  for (const auto &[rows, p, q] : kSizes) {
    const Layers layers = RandomLayers(rows, p, q, &random);
    const double expected = CkaByDefinition(layers.x, layers.y);
    EXPECT_NEAR(LinearCka(layers.x, layers.y), expected, 1e-12);
    EXPECT_GT(expected, 0.01);
    EXPECT_LT(expected, 0.999);
  }
}

TEST(LinearCka, ByHand) {
  const Eigen::Vector4d a(1, 1, -1, -1), b(1, -1, 1, -1);
  EXPECT_DOUBLE_EQ(LinearCka(a, a + b), 0.5);  // of single columns the square of the correlation
  EXPECT_DOUBLE_EQ(LinearCka(a, b), 0);
  Matrix x(4, 2);
  x << a, b;
  EXPECT_DOUBLE_EQ(LinearCka(x, a), std::sqrt(0.5));  // 16 / (4 sqrt(2) * 4)
}

TEST(LinearCka, DoesNotMindRotationScaleAndShift) {
  RandomStream random(9);
  const Matrix x = RandomMatrix(200, 12, &random), y = RandomMatrix(200, 7, &random);
  EXPECT_DOUBLE_EQ(LinearCka(x, x), 1);
  EXPECT_NEAR(LinearCka(x, Rounded(x * RandomRotation(12, &random))), 1, 1e-12);
  EXPECT_DOUBLE_EQ(LinearCka(x, -4 * x), 1);
  EXPECT_NEAR(LinearCka(x, Rounded(x.array() + 100.0)), 1, 1e-9);
  EXPECT_DOUBLE_EQ(LinearCka(x, y), LinearCka(y, x));
  EXPECT_NEAR(LinearCka(Rounded(3 * x * RandomRotation(12, &random)), y), LinearCka(x, y), 1e-6);
  // It does mind other linear maps, which SVCCA does not.
  EXPECT_LT(LinearCka(x, Rounded(x * RandomMatrix(12, 12, &random))), 0.9);
}

// Of independent standard normal columns |X'Y|^2 is rows p q on average, and |X'X| about
// rows sqrt(p (1 + (p + 1) / rows)).
TEST(LinearCka, IsNearZeroForNoise) {
  RandomStream random(10);
  const Matrix x = RandomMatrix(3000, 16, &random), y = RandomMatrix(3000, 9, &random);
  const double expected =
      16.0 * 9 / 3000 / std::sqrt(16 * (1 + 17.0 / 3000) * 9 * (1 + 10.0 / 3000));
  EXPECT_NEAR(LinearCka(x, y), expected, 0.35 * expected);  // 3 deviations: 16 * 9 squares
}

// More columns than are multiplied with one another at a time.
TEST(Svcca, EqualsItsDefinitionOfWideLayers) {
  RandomStream random(13);
  const Matrix x = RandomMatrix(700, 270, &random);
  Matrix y = RandomMatrix(700, 40, &random);
  y.leftCols(10) += x.leftCols(10);
  y = Rounded(y);
  const double expected = SvccaByDefinition(x, y, 0.9);
  EXPECT_NEAR(Svcca(x, y, 0.9), expected, 1e-9);
  EXPECT_NEAR(Svcca(y, x, 0.9), expected, 1e-9);
  EXPECT_EQ(Svcca(MomentsOf(x, y), 270, 0.9, 3), Svcca(MomentsOf(x, y), 270, 0.9, 1));
}

TEST(Alignment, EndsAtAStop) {
  RandomStream random(14);
  const Moments moments = MomentsOf(RandomMatrix(50, 20, &random), RandomMatrix(50, 10, &random));
  std::stop_source source;
  EXPECT_GT(Svcca(moments, 20, 0.99, 1, source.get_token()), 0);
  EXPECT_GT(LinearCka(moments, 20, source.get_token()), 0);
  source.request_stop();
  const auto kind_of = [](auto call) {
    try {
      call();
    } catch (const Error &error) {
      return error.kind();
    }
    ADD_FAILURE() << "nothing was thrown";
    return ErrorKind::kDevice;
  };
  EXPECT_EQ(kind_of([&] { Svcca(moments, 20, 0.99, 1, source.get_token()); }),
            ErrorKind::kCancelled);
  EXPECT_EQ(kind_of([&] { LinearCka(moments, 20, source.get_token()); }), ErrorKind::kCancelled);
}

}  // namespace
}  // namespace trails
