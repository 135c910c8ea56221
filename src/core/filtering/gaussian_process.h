// Gaussian process regression for targets of unit variance, the mean of predictions averaged over
// hyper-parameters by their marginal likelihood.
//
// The kernel of points x, y of d features is
//   (1 - noise) ((1 - linear) exp(-|x - y|^2 / (2 d length^2)) + linear x . y / d),
// and an observation adds noise times its own factor. On few observations the average beats the
// most likely ones; deviations are those of the most likely ones alone.
// Source: Rasmussen, Williams 2006, algorithm 2.1 and section 5.2. Evidence: docs/benchmarks.md,
// "Filtering: learning".
//
// May touch: Eigen.
#pragma once

#include <cstddef>
#include <vector>
#include <Eigen/Dense>

namespace trails {

// One thread at a time. Same calls, same numbers on one machine.
class GaussianProcess {
 public:
  using Points = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic>;  // [points, features]

  // Observed targets [n] at the first n points, n >= 1; the points after them are believed: they
  // count with whatever mean each hyper-parameter predicts, so that deviations alone change
  // (kriging believer). noise_factors [n + believed], positive. With `choose` the weights of the
  // hyper-parameters are found anew, else those of the last Fit stand (the first has to choose).
  // Cost: n^3 / 3 multiply-adds for each of 50 hyper-parameters; without `choose`, of those that
  // weigh.
  void Fit(const Points &points, const Eigen::VectorXd &targets,
           const Eigen::VectorXd &noise_factors, bool choose);

  // [points]. Cost: some 2 ns a point and observation.
  Eigen::VectorXf Means(const Points &points) const;
  // Of what is predicted, without the noise of an observation. [points]. Cost: (n + believed)^2
  // multiply-adds a point.
  Eigen::VectorXd Deviations(const Points &points) const;

  Eigen::Index observed() const noexcept { return observed_; }

 private:
  struct Hyper {
    double linear;       // share of the linear part
    std::size_t length;  // index into kLengths
    double noise;        // its variance
    double weight = 0;   // in the mean; they add up to one
    double log_likelihood = 0;
    Eigen::VectorXd solution = {};  // [n]: covariance^-1 targets
  };
  static std::vector<Hyper> AllHypers();
  static Eigen::MatrixXd Covariance(const Hyper &hyper, const Points &a, const Points &b);
  void Weigh();
  void SumUp();

  std::vector<Hyper> hypers_;  // the best first, once they are weighed
  Points points_;
  Eigen::Index observed_ = 0;
  Eigen::VectorXf linear_;              // [features]: of the mean
  Eigen::MatrixXf radial_;              // [n, lengths]: of the mean
  Eigen::LLT<Eigen::MatrixXd> factor_;  // of all points, by the best hyper-parameters
};

}  // namespace trails
