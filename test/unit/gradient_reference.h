// The gradient TFMEMs of one candidate by plain loops in double, and their derivatives by dual
// numbers: what the gradient pass is held against.
//
// May touch: src/core/filtering, Eigen.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>
#include <Eigen/Eigenvalues>

#include "core/filtering/scoring_batch.h"
#include "core/filtering/tfmem.h"

namespace trails::test {

// A number and its derivative.
struct Dual {
  double value = 0;
  double slope = 0;
  Dual() = default;
  Dual(double number, double derivative = 0) : value(number), slope(derivative) {}
};
inline Dual operator+(Dual a, Dual b) {
  return {a.value + b.value, a.slope + b.slope};
}
inline Dual operator-(Dual a, Dual b) {
  return {a.value - b.value, a.slope - b.slope};
}
inline Dual operator*(Dual a, Dual b) {
  return {a.value * b.value, a.slope * b.value + a.value * b.slope};
}
inline Dual operator/(Dual a, Dual b) {
  return {a.value / b.value, (a.slope * b.value - a.value * b.slope) / (b.value * b.value)};
}
inline Dual Sqrt(Dual a) {
  return {std::sqrt(a.value), a.slope / (2 * std::sqrt(a.value))};
}
inline Dual Exp(Dual a) {
  return {std::exp(a.value), a.slope * std::exp(a.value)};
}

using Matrix = std::vector<std::vector<Dual>>;  // [row][unit]

struct ReferenceScores {
  double grad_norm = 0, grad_plain = 0, snip = 0, fisher = 0, grasp = 0;
  double ntk_trace = 0, ntk_cond_num = 0, ntk_trace_approx = 0;
  double grasp_terms = 0;      // the sum of the absolute values of its terms
  double smallest_active = 1;  // how near to zero a normalised pre-activation came, without zeros
};

// The network with W -> (1 + t) W, its numbers' slopes the derivatives by t.
class ReferenceNetwork {
 public:
  ReferenceNetwork(const InitialWeights &weights, const ScoringBatch &batch)
      : weights_(weights), batch_(batch) {
    Forward();
  }

  ReferenceScores Scores() {
    ReferenceScores scores;
    scores.smallest_active = smallest_active_;
    Backward(LossGradient());
    AddFirstOrder(&scores);
    Backward(OwnOutputGradient());
    AddKernel(&scores);
    return scores;
  }

 private:
  std::size_t layers() const { return weights_.weight.size(); }
  std::size_t width(std::size_t l) const { return static_cast<std::size_t>(weights_.dims[l]); }
  std::size_t rows() const { return static_cast<std::size_t>(batch_.rows); }
  Dual Weight(std::size_t l, std::size_t r, std::size_t k) const {
    const double weight = weights_.weight[l][r * width(l) + k];
    return {weight, weight};
  }
  Matrix Zeros(std::size_t units) const { return Matrix(rows(), std::vector<Dual>(units)); }

  void Forward() {
    Matrix h = Zeros(width(0));
    for (std::size_t b = 0; b < rows(); ++b) {
      for (std::size_t k = 0; k < width(0); ++k) h[b][k] = double{batch_.x[b * width(0) + k]};
    }
    for (std::size_t l = 0; l < layers(); ++l) {
      input_.push_back(h);
      Matrix a = Zeros(width(l + 1));
      for (std::size_t b = 0; b < rows(); ++b) {
        for (std::size_t r = 0; r < width(l + 1); ++r) {
          for (std::size_t k = 0; k < width(l); ++k) a[b][r] = a[b][r] + Weight(l, r, k) * h[b][k];
          a[b][r] = a[b][r] + Dual(weights_.bias[l][r]);
        }
      }
      linear_.push_back(a);
      if (l + 1 == layers()) return;
      h = Normalise(a);
    }
  }

  // Appends zhat and 1 / std of a layer; returns the activations.
  Matrix Normalise(const Matrix &a) {
    const std::size_t units = a[0].size();
    Matrix normed = Zeros(units), h = Zeros(units);
    std::vector<Dual> inv(units);
    for (std::size_t r = 0; r < units; ++r) {
      Dual mean, variance;
      for (std::size_t b = 0; b < rows(); ++b) mean = mean + (a[b][r] - a[0][r]);
      mean = mean / Dual(batch_.rows);
      for (std::size_t b = 0; b < rows(); ++b) {
        normed[b][r] = a[b][r] - a[0][r] - mean;
        variance = variance + normed[b][r] * normed[b][r];
      }
      inv[r] = Dual(1) / Sqrt(variance / Dual(batch_.rows) + Dual(double{1e-5f}));
      for (std::size_t b = 0; b < rows(); ++b) {
        normed[b][r] = normed[b][r] * inv[r];
        if (normed[b][r].value > 0) h[b][r] = normed[b][r];
        if (normed[b][r].value != 0) {
          smallest_active_ = std::min(smallest_active_, std::abs(normed[b][r].value));
        }
      }
    }
    normed_.push_back(normed);
    inv_.push_back(inv);
    return h;
  }

  Matrix LossGradient() const {
    const Matrix &f = linear_.back();
    Matrix g = Zeros(f[0].size());
    for (std::size_t b = 0; b < rows(); ++b) {
      if (batch_.regression) {
        g[b][0] = Dual(2.0 / batch_.rows) * (f[b][0] - Dual(batch_.targets[b]));
        continue;
      }
      Dual sum;
      for (const Dual &output : f[b]) sum = sum + Exp(output);
      for (std::size_t o = 0; o < f[b].size(); ++o) {
        const double hit = o == static_cast<std::size_t>(batch_.labels[b]) ? 1 : 0;
        g[b][o] = (Exp(f[b][o]) / sum - Dual(hit)) / Dual(batch_.rows);
      }
    }
    return g;
  }

  Matrix OwnOutputGradient() const {
    Matrix g = Zeros(linear_.back()[0].size());
    for (std::size_t b = 0; b < rows(); ++b) {
      g[b][batch_.regression ? 0 : static_cast<std::size_t>(batch_.labels[b])] = 1.0;
    }
    return g;
  }

  // Fills d_[l], the derivatives by the linear outputs of each layer, and gamma's and beta's.
  void Backward(const Matrix &outputs) {
    d_.assign(layers(), {});
    gamma_.assign(layers(), {});
    beta_.assign(layers(), {});
    d_.back() = outputs;
    for (std::size_t l = layers() - 1; l > 0; --l) {
      d_[l - 1] = Zeros(width(l));
      for (std::size_t r = 0; r < width(l); ++r) BackwardUnit(l, r);
    }
  }

  void BackwardUnit(std::size_t l, std::size_t r) {
    std::vector<Dual> gy(rows());
    Dual beta, gamma;
    for (std::size_t b = 0; b < rows(); ++b) {
      const Dual normed = normed_[l - 1][b][r];
      if (!(normed.value > 0)) continue;
      for (std::size_t o = 0; o < width(l + 1); ++o) gy[b] = gy[b] + Weight(l, o, r) * d_[l][b][o];
      beta = beta + gy[b];
      gamma = gamma + gy[b] * normed;
    }
    gamma_[l - 1].push_back(gamma);
    beta_[l - 1].push_back(beta);
    for (std::size_t b = 0; b < rows(); ++b) {
      const Dual mean = (beta + normed_[l - 1][b][r] * gamma) / Dual(batch_.rows);
      d_[l - 1][b][r] = inv_[l - 1][r] * (gy[b] - mean);
    }
  }

  void AddFirstOrder(ReferenceScores *scores) const {
    double squares = 0;
    for (std::size_t l = 0; l < layers(); ++l) {
      double layer = 0;
      for (std::size_t r = 0; r < width(l + 1); ++r) {
        Dual bias;
        for (std::size_t b = 0; b < rows(); ++b) {
          bias = bias + d_[l][b][r];
          const double product = linear_[l][b][r].value * d_[l][b][r].value;
          scores->fisher += 0.5 * weights_.dims[l] * product * product / batch_.rows;
        }
        squares += bias.value * bias.value;
        for (std::size_t k = 0; k < width(l); ++k) {
          Dual g;
          for (std::size_t b = 0; b < rows(); ++b) g = g + d_[l][b][r] * input_[l][b][k];
          layer += g.value * g.value;
          scores->grad_plain += Weight(l, r, k).value * g.value;
          scores->snip += std::abs(Weight(l, r, k).value * g.value);
          scores->grasp -= g.value * g.slope;
          scores->grasp_terms += std::abs(g.value * g.slope);
        }
      }
      scores->grad_norm += std::sqrt(layer);
      squares += layer;
      for (const Dual &gamma : gamma_[l]) squares += gamma.value * gamma.value;
      for (const Dual &beta : beta_[l]) squares += beta.value * beta.value;
    }
    const auto hidden = static_cast<double>(layers() - 1);
    scores->ntk_trace_approx = squares / (4 * hidden + 2);
  }

  void AddKernel(ReferenceScores *scores) const {
    Eigen::MatrixXd kernel = Eigen::MatrixXd::Zero(batch_.rows, batch_.rows);
    const auto dot = [](const std::vector<Dual> &x, const std::vector<Dual> &y) {
      double sum = 0;
      for (std::size_t i = 0; i < x.size(); ++i) sum += x[i].value * y[i].value;
      return sum;
    };
    for (std::size_t l = 0; l < layers(); ++l) {
      for (std::size_t i = 0; i < rows(); ++i) {
        for (std::size_t j = 0; j < rows(); ++j) {
          kernel(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) +=
              dot(d_[l][i], d_[l][j]) * (dot(input_[l][i], input_[l][j]) + 1);
        }
      }
    }
    scores->ntk_trace = std::sqrt(kernel.trace() / batch_.rows);
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(kernel);
    scores->ntk_cond_num = solver.eigenvalues().maxCoeff() / solver.eigenvalues().minCoeff();
  }

  const InitialWeights &weights_;
  const ScoringBatch &batch_;
  std::vector<Matrix> input_, linear_, normed_, d_;  // by layer
  std::vector<std::vector<Dual>> inv_, gamma_, beta_;
  double smallest_active_ = 1;
};

}  // namespace trails::test
