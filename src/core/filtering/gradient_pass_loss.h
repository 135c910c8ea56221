// The loss's derivatives with respect to a candidate's outputs.
//
// May touch: src/core/filtering, src/kernels.
#pragma once

#include <cstdint>
#include <vector>

#include "core/filtering/scoring_batch.h"
#include "core/filtering/weight_bank.h"

namespace trails {

// One candidate's outputs f = scale * product + bias_scale * bias, in blocks of 16 outputs.
struct OutputProducts {
  const float *product;       // U h, block 0: [batch][16]
  const float *tangent;       // U (h + dh), likewise; null without tangent
  std::int64_t block_stride;  // from one block of outputs to the next
  double scale;
  const float *bias;  // [outputs]
  double bias_scale;
};

class OutputGradient {
 public:
  OutputGradient() = default;
  // Throws std::bad_alloc.
  OutputGradient(std::int32_t outputs, std::int32_t rows, bool tangent);

  // G = dL/df of the mean cross entropy or of the mean of (f - target)^2, and its derivative dG
  // along df = scale * tangent. Cost: an exponential an output and row.
  void OfLoss(const ScoringBatch &batch, const OutputProducts &products);
  // G = d(sum over rows of f[label])/df; of f for regression.
  void OfOwnOutput(const ScoringBatch &batch);

  const float *gradient() const noexcept { return gradient_.data(); }  // [blocks][rows][16]
  const float *tangent() const noexcept { return tangent_.data(); }    // dG, likewise
  const float *pushed() const noexcept { return pushed_.data(); }      // G + dG, likewise

  // After OfLoss, sums over rows and outputs.
  double plain() const noexcept { return plain_; }    // of G * (f less its bias): <W, dW>
  double fisher() const noexcept { return fisher_; }  // of (f * G)^2
  double bias_squares() const noexcept { return bias_squares_; }  // |dL/db|^2

 private:
  void RowOfClasses(std::int32_t label, double share, bool tangent);
  void RowOfRegression(double target, double share);

  AlignedFloats gradient_, tangent_, pushed_;
  std::vector<double> f_, df_, g_, dg_;  // of one row, [outputs]
  std::vector<double> bias_;             // sums of G over the rows, [outputs]
  double plain_ = 0;
  double fisher_ = 0;
  double bias_squares_ = 0;
};

}  // namespace trails
