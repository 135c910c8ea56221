// The loss of one candidate, row by row and in double: it is a small part of the work.
//
// May touch: src/core/filtering, src/kernels.
#include "core/filtering/gradient_pass_loss.h"

#include <algorithm>
#include <cmath>

#include "kernels/blocked.h"

namespace trails {

namespace {

using kernels::kBlock;

std::size_t Place(std::size_t output, std::size_t row, std::size_t rows) {
  return ((output / kBlock) * rows + row) * kBlock + output % kBlock;
}

std::size_t PaddedValues(std::int32_t outputs, std::int32_t rows) {
  const std::int32_t blocks = (outputs + kBlock - 1) / kBlock;
  return static_cast<std::size_t>(blocks) * static_cast<std::size_t>(rows) * kBlock;
}

}  // namespace

OutputGradient::OutputGradient(std::int32_t outputs, std::int32_t rows, bool tangent)
    : gradient_(PaddedValues(outputs, rows)),
      tangent_(tangent ? PaddedValues(outputs, rows) : 0),
      pushed_(tangent ? PaddedValues(outputs, rows) : 0),
      f_(static_cast<std::size_t>(outputs)),
      df_(f_.size()),
      g_(f_.size()),
      dg_(f_.size()),
      bias_(f_.size()) {}

// From the outputs of one row: g = (p - onehot(label)) / rows and its derivative.
void OutputGradient::RowOfClasses(std::int32_t label, double share, bool tangent) {
  const double largest = *std::max_element(f_.begin(), f_.end());
  double sum = 0;
  double others = 0;
  for (std::size_t o = 0; o < f_.size(); ++o) {
    g_[o] = std::exp(f_[o] - largest);
    sum += g_[o];
    if (o != static_cast<std::size_t>(label)) others += g_[o];
  }
  for (double &g : g_) g *= share / sum;
  if (tangent) {
    double mean = 0;  // of df under p, times share
    for (std::size_t o = 0; o < f_.size(); ++o) mean += g_[o] * df_[o];
    for (std::size_t o = 0; o < f_.size(); ++o) dg_[o] = g_[o] * (df_[o] - mean / share);
  }
  // p - 1 by what the others have: no cancellation where the network is sure and right.
  g_[static_cast<std::size_t>(label)] = -others * share / sum;
}

void OutputGradient::RowOfRegression(double target, double share) {
  g_[0] = 2.0 * share * (f_[0] - target);
  dg_[0] = 2.0 * share * df_[0];
}

void OutputGradient::OfLoss(const ScoringBatch &batch, const OutputProducts &products) {
  const bool tangent = products.tangent != nullptr;
  const auto rows = static_cast<std::size_t>(batch.rows);
  const double share = 1.0 / batch.rows;
  plain_ = fisher_ = bias_squares_ = 0;
  std::fill(bias_.begin(), bias_.end(), 0.0);
  for (std::size_t row = 0; row < rows; ++row) {
    const auto at = [&](const float *values, std::size_t o) {
      return products.scale *
             static_cast<double>(
                 values[static_cast<std::int64_t>(o / kBlock) * products.block_stride +
                        static_cast<std::int64_t>(row * kBlock + o % kBlock)]);
    };
    for (std::size_t o = 0; o < f_.size(); ++o) {
      f_[o] = at(products.product, o) + products.bias_scale * static_cast<double>(products.bias[o]);
      if (tangent) df_[o] = at(products.tangent, o);
    }
    if (batch.regression) {
      RowOfRegression(batch.targets[row], share);
    } else {
      RowOfClasses(batch.labels[row], share, tangent);
    }
    for (std::size_t o = 0; o < f_.size(); ++o) {
      plain_ += g_[o] * at(products.product, o);
      fisher_ += f_[o] * g_[o] * f_[o] * g_[o];
      bias_[o] += g_[o];
      const std::size_t place = Place(o, row, rows);
      gradient_.data()[place] = static_cast<float>(g_[o]);
      if (!tangent) continue;
      tangent_.data()[place] = static_cast<float>(dg_[o]);
      pushed_.data()[place] = static_cast<float>(g_[o] + dg_[o]);
    }
  }
  for (const double bias : bias_) bias_squares_ += bias * bias;
}

void OutputGradient::OfOwnOutput(const ScoringBatch &batch) {
  std::fill(gradient_.data(), gradient_.data() + gradient_.size(), 0.0f);
  const auto rows = static_cast<std::size_t>(batch.rows);
  for (std::size_t row = 0; row < rows; ++row) {
    const std::size_t label = batch.regression ? 0 : static_cast<std::size_t>(batch.labels[row]);
    gradient_.data()[Place(label, row, rows)] = 1.0f;
  }
}

}  // namespace trails
