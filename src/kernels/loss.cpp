#include "kernels/loss.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace trails::kernels {

namespace {

// Softmax of one row in place; returns ln of the sum of exponentials, shifted back.
double SoftmaxRow(float *row, std::int64_t classes) {
  const std::int64_t best = std::max_element(row, row + classes) - row;
  const float largest = row[best];
  double sum = 0;
  for (std::int64_t c = 0; c < classes; ++c) {
    // The second exponential of two is saved; not a number stays none.
    row[c] = c == best && std::isfinite(largest) ? 1.0f : std::exp(row[c] - largest);
    sum += row[c];
  }
  const auto share = static_cast<float>(1.0 / sum);
  for (std::int64_t c = 0; c < classes; ++c) row[c] *= share;
  return std::log(sum) + largest;
}

}  // namespace

double CrossEntropyCpu(float *logits, std::int64_t rows, std::int64_t classes, const double *labels,
                       const std::int32_t *index, std::int64_t batch_rows) {
  const float share = 1.0f / static_cast<float>(batch_rows);
  double loss = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    float *const row = logits + i * classes;
    const auto label = static_cast<std::int64_t>(labels[index[i]]);
    const double logit = row[label];
    loss += SoftmaxRow(row, classes) - logit;
    row[label] -= 1.0f;
    for (std::int64_t c = 0; c < classes; ++c) row[c] *= share;
  }
  return loss / static_cast<double>(batch_rows);
}

double SquaredErrorCpu(float *y, std::int64_t rows, const double *labels, const std::int32_t *index,
                       double mean, double scale, std::int64_t batch_rows) {
  return HuberErrorCpu(y, rows, labels, index, mean, scale, std::numeric_limits<float>::infinity(),
                       batch_rows);
}

double HuberErrorCpu(float *y, std::int64_t rows, const double *labels, const std::int32_t *index,
                     double mean, double scale, float bend, std::int64_t batch_rows) {
  const float share = 2.0f / static_cast<float>(batch_rows);
  double loss = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    const auto target = static_cast<float>((labels[index[i]] - mean) / scale);
    const float error = y[i] - target;
    const float bent = std::clamp(error, -bend, bend);
    // bent (2 error - bent) is error^2 within the bend and the line beyond it.
    loss += static_cast<double>(bent) * (2.0 * error - bent);
    y[i] = bent * share;
  }
  return loss / static_cast<double>(batch_rows);
}

void SoftmaxCpu(float *logits, std::int64_t rows, std::int64_t classes) {
  for (std::int64_t i = 0; i < rows; ++i) SoftmaxRow(logits + i * classes, classes);
}

}  // namespace trails::kernels
