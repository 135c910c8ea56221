// Gaussian process regression against its definition.
#include "core/filtering/gaussian_process.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/random.h"

namespace trails {
namespace {

using Points = GaussianProcess::Points;

Points RandomPoints(Eigen::Index count, Eigen::Index features, RandomStream *random) {
  Points points(count, features);
  for (Eigen::Index i = 0; i < count; ++i) {
    for (Eigen::Index j = 0; j < features; ++j) {
      points(i, j) = static_cast<float>(random->Normal());
    }
  }
  return points;
}

Eigen::VectorXd Targets(const Points &points, double noise, RandomStream *random) {
  Eigen::VectorXd targets(points.rows());
  for (Eigen::Index i = 0; i < points.rows(); ++i) {
    targets[i] = std::sin(points(i, 0)) + 0.5 * points(i, 1) + noise * random->Normal();
  }
  return targets;
}

// The kernel as gaussian_process.h has it, and the 50 hyper-parameters of its average.
struct Hyper {
  double linear, length, noise;
};

std::vector<Hyper> Grid() {
  std::vector<Hyper> grid;
  for (const double noise : {0.1, 0.2, 0.35, 0.55, 0.8}) {
    for (const double linear : {0.0, 0.3, 0.7}) {
      for (const double length : {0.5, 1.0, 2.0}) grid.push_back({linear, length, noise});
    }
    grid.push_back({1, 1, noise});
  }
  return grid;
}

Eigen::MatrixXd Kernel(const Hyper &hyper, const Points &a, const Points &b) {
  Eigen::MatrixXd kernel(a.rows(), b.rows());
  const auto features = static_cast<double>(a.cols());
  for (Eigen::Index i = 0; i < a.rows(); ++i) {
    for (Eigen::Index j = 0; j < b.rows(); ++j) {
      double product = 0, distance = 0;
      for (Eigen::Index f = 0; f < a.cols(); ++f) {
        product += static_cast<double>(a(i, f)) * b(j, f);
        distance += std::pow(static_cast<double>(a(i, f)) - b(j, f), 2);
      }
      const double radial = std::exp(-distance / (2 * features * hyper.length * hyper.length));
      kernel(i, j) =
          (1 - hyper.noise) * ((1 - hyper.linear) * radial + hyper.linear * product / features);
    }
  }
  return kernel;
}

TEST(GaussianProcess, AveragesOverHyperParametersByTheirLikelihood) {
  RandomStream random(1);
  for (const Eigen::Index count : {1, 7, 30}) {
    const Points points = RandomPoints(count, 3, &random);
    const Eigen::VectorXd targets = Targets(points, 0.3, &random);
    Eigen::VectorXd factors = Eigen::VectorXd::Ones(count);
    factors[0] = 2;
    const Points others = RandomPoints(700, 3, &random);

    Eigen::VectorXd expected = Eigen::VectorXd::Zero(others.rows());
    double sum = 0, best = -1e300;
    Eigen::VectorXd best_deviations;
    for (const Hyper &hyper : Grid()) {
      Eigen::MatrixXd covariance = Kernel(hyper, points, points);
      covariance.diagonal() += hyper.noise * factors;
      const Eigen::MatrixXd inverse = covariance.inverse();
      const double log_likelihood =
          -0.5 * targets.dot(inverse * targets) - 0.5 * std::log(covariance.determinant());
      const Eigen::MatrixXd across = Kernel(hyper, others, points);
      expected += std::exp(log_likelihood) * (across * inverse * targets);
      sum += std::exp(log_likelihood);
      if (log_likelihood <= best) continue;
      best = log_likelihood;
      best_deviations = (Kernel(hyper, others, others).diagonal() -
                         (across * inverse * across.transpose()).diagonal())
                            .cwiseSqrt();
    }
    GaussianProcess process;
    process.Fit(points, targets, factors, true);
    EXPECT_EQ(process.observed(), count);
    // What weighs less than 0.7 % of the best is left out.
    EXPECT_LT((process.Means(others).cast<double>() - expected / sum).cwiseAbs().maxCoeff(), 0.03);
    EXPECT_LT((process.Deviations(others) - best_deviations).cwiseAbs().maxCoeff(), 1e-4);
  }
}

TEST(GaussianProcess, TellsTheSignalFromTheNoise) {
  RandomStream random(2);
  const Points points = RandomPoints(60, 4, &random);
  const Points others = RandomPoints(200, 4, &random);
  const Eigen::VectorXd truth = Targets(others, 0, &random);
  const Eigen::VectorXd ones = Eigen::VectorXd::Ones(60);
  GaussianProcess process;
  process.Fit(points, Targets(points, 0.1, &random), ones, true);
  const Eigen::VectorXd errors = process.Means(others).cast<double>() - truth;
  EXPECT_LT(std::sqrt(errors.squaredNorm() / 200), 0.4 * std::sqrt(truth.squaredNorm() / 200));

  Eigen::VectorXd nothing(60);
  for (double &target : nothing) target = random.Normal();
  process.Fit(points, nothing, ones, true);
  EXPECT_LT(process.Means(others).cwiseAbs().maxCoeff(), 0.6);
}

TEST(GaussianProcess, BelievedPointsChangeDeviationsAlone) {
  RandomStream random(3);
  const Points points = RandomPoints(20, 3, &random);
  const Eigen::VectorXd targets = Targets(points.topRows(15), 0.2, &random);
  const Points others = RandomPoints(50, 3, &random);
  GaussianProcess without, with;
  without.Fit(points.topRows(15), targets, Eigen::VectorXd::Ones(15), true);
  with.Fit(points, targets, Eigen::VectorXd::Ones(20), true);
  EXPECT_EQ(with.observed(), 15);
  EXPECT_EQ(with.Means(others), without.Means(others));
  EXPECT_TRUE((with.Deviations(others).array() <= without.Deviations(others).array()).all());
  const Points believed = points.bottomRows(5);
  EXPECT_TRUE((with.Deviations(believed).array() < without.Deviations(believed).array()).all());
}

TEST(GaussianProcess, KeepsItsHyperParametersUntilItChooses) {
  RandomStream random(4);
  const Points points = RandomPoints(40, 2, &random);
  const Eigen::VectorXd smooth = Targets(points, 0.05, &random);
  Eigen::VectorXd rough(40);
  for (double &target : rough) target = random.Normal();
  const Eigen::VectorXd ones = Eigen::VectorXd::Ones(40);
  GaussianProcess kept, chosen;
  kept.Fit(points, rough, ones, true);
  kept.Fit(points, smooth, ones, false);
  chosen.Fit(points, smooth, ones, true);
  // The rough targets have taught it that most is noise, so it does not follow the smooth ones.
  const auto error = [&](const GaussianProcess &process) {
    return (process.Means(points).cast<double>() - smooth).norm();
  };
  EXPECT_GT(error(kept), 2 * error(chosen));
  kept.Fit(points, smooth, ones, true);
  EXPECT_EQ(kept.Means(points), chosen.Means(points));
}

TEST(GaussianProcess, FeaturesMayBeNone) {
  GaussianProcess process;
  process.Fit(Points(3, 0), Eigen::Vector3d(1, 1, 1), Eigen::Vector3d::Ones(), true);
  EXPECT_GT(process.Means(Points(1, 0))[0], 0.5f);
  EXPECT_TRUE(std::isfinite(process.Deviations(Points(1, 0))[0]));
}

}  // namespace
}  // namespace trails
