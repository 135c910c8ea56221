// The grid of hyper-parameters, and predictions as matrix products.
//
// May touch: Eigen.
#include "core/filtering/gaussian_process.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace trails {

namespace {

// Each length is half of the one before: exp(-d / length^2) is then the fourth power of the one
// before, and one exponential serves all.
constexpr std::array<double, 3> kLengths = {2, 1, 0.5};
constexpr std::array<double, 4> kLinearShares = {0, 0.3, 0.7, 1};
constexpr std::array<double, 5> kNoises = {0.1, 0.2, 0.35, 0.55, 0.8};
constexpr double kLeastLogWeight = -5;   // below the best, of hyper-parameters that count
constexpr double kLeastVariance = 1e-9;  // where rounding leaves none
constexpr Eigen::Index kBlock = 512;     // points whose distances stay in the cache

using Points = GaussianProcess::Points;

// A space of one candidate has no feature that tells anything.
double Dimensions(const Eigen::Ref<const Points> &points) {
  return static_cast<double>(std::max<Eigen::Index>(1, points.cols()));
}

// exp(-|a - b|^2 / (2 d length^2)) for the largest of the lengths.
Eigen::MatrixXf LongestRadial(const Eigen::Ref<const Points> &a, const Points &b) {
  const auto scale =
      static_cast<float>(-0.5 / (Dimensions(a) * kLengths.front() * kLengths.front()));
  Eigen::MatrixXf distances = -2 * a * b.transpose();
  distances.colwise() += a.rowwise().squaredNorm();
  distances.rowwise() += b.rowwise().squaredNorm().transpose();
  return (distances.array().max(0.0f) * scale).exp();
}

void ToNextLength(Eigen::MatrixXf *radial) {
  radial->array() = radial->array().square().square();
}

}  // namespace

std::vector<GaussianProcess::Hyper> GaussianProcess::AllHypers() {
  std::vector<Hyper> hypers;
  for (const double linear : kLinearShares) {
    // Without a radial part the length means nothing.
    const std::size_t lengths = linear == 1 ? 1 : kLengths.size();
    for (std::size_t length = 0; length < lengths; ++length) {
      for (const double noise : kNoises) {
        hypers.push_back({.linear = linear, .length = length, .noise = noise});
      }
    }
  }
  return hypers;
}

Eigen::MatrixXd GaussianProcess::Covariance(const Hyper &hyper, const Points &a, const Points &b) {
  Eigen::MatrixXf radial = LongestRadial(a, b);
  for (std::size_t length = 0; length < hyper.length; ++length) ToNextLength(&radial);
  const Eigen::MatrixXf linear = a * b.transpose();
  return (1 - hyper.noise) * ((1 - hyper.linear) * radial.cast<double>() +
                              hyper.linear / Dimensions(a) * linear.cast<double>());
}

void GaussianProcess::Weigh() {
  std::stable_sort(hypers_.begin(), hypers_.end(), [](const Hyper &a, const Hyper &b) {
    return a.log_likelihood > b.log_likelihood;
  });
  const double best = hypers_.front().log_likelihood;
  std::erase_if(hypers_, [best](const Hyper &hyper) {
    return hyper.log_likelihood < best + kLeastLogWeight;
  });
  double sum = 0;
  for (Hyper &hyper : hypers_) {
    hyper.weight = std::exp(hyper.log_likelihood - best);
    sum += hyper.weight;
  }
  for (Hyper &hyper : hypers_) hyper.weight /= sum;
}

void GaussianProcess::SumUp() {
  const Points seen = points_.topRows(observed_);
  linear_ = Eigen::VectorXf::Zero(points_.cols());
  radial_ = Eigen::MatrixXf::Zero(observed_, std::ssize(kLengths));
  for (const Hyper &hyper : hypers_) {
    const Eigen::VectorXf part = (hyper.weight * (1 - hyper.noise) * hyper.solution).cast<float>();
    const auto linear = static_cast<float>(hyper.linear);
    linear_ += linear / static_cast<float>(Dimensions(seen)) * (seen.transpose() * part);
    radial_.col(static_cast<Eigen::Index>(hyper.length)) += (1 - linear) * part;
  }
}

void GaussianProcess::Fit(const Points &points, const Eigen::VectorXd &targets,
                          const Eigen::VectorXd &noise_factors, bool choose) {
  points_ = points;
  observed_ = targets.size();
  if (choose) hypers_ = AllHypers();
  const Points seen = points_.topRows(observed_);
  for (Hyper &hyper : hypers_) {
    Eigen::MatrixXd covariance = Covariance(hyper, seen, seen);
    covariance.diagonal() += hyper.noise * noise_factors.head(observed_);
    const Eigen::LLT<Eigen::MatrixXd> factor(covariance);
    hyper.solution = factor.solve(targets);
    hyper.log_likelihood =
        -0.5 * targets.dot(hyper.solution) - factor.matrixLLT().diagonal().array().log().sum();
  }
  if (choose) Weigh();
  SumUp();
  Eigen::MatrixXd covariance = Covariance(hypers_.front(), points_, points_);
  covariance.diagonal() += hypers_.front().noise * noise_factors;
  factor_.compute(covariance);
}

Eigen::VectorXf GaussianProcess::Means(const Points &points) const {
  Eigen::VectorXf means = points * linear_;
  const Points seen = points_.topRows(observed_);
  for (Eigen::Index first = 0; first < points.rows(); first += kBlock) {
    const Eigen::Index count = std::min(kBlock, points.rows() - first);
    Eigen::MatrixXf radial = LongestRadial(points.middleRows(first, count), seen);
    for (Eigen::Index length = 0; length < radial_.cols(); ++length) {
      if (length > 0) ToNextLength(&radial);
      means.segment(first, count) += radial * radial_.col(length);
    }
  }
  return means;
}

Eigen::VectorXd GaussianProcess::Deviations(const Points &points) const {
  const Hyper &hyper = hypers_.front();
  const Eigen::MatrixXd explained = factor_.matrixL().solve(Covariance(hyper, points_, points));
  const Eigen::ArrayXd squares = points.cast<double>().rowwise().squaredNorm();
  const Eigen::ArrayXd before =
      (1 - hyper.noise) * (1 - hyper.linear + hyper.linear / Dimensions(points) * squares);
  const Eigen::ArrayXd variances = before - explained.colwise().squaredNorm().transpose().array();
  return variances.max(kLeastVariance).sqrt();
}

}  // namespace trails
