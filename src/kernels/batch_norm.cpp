#include "kernels/batch_norm.h"

#include <cmath>

#include "kernels/simd.h"

namespace trails::kernels {

namespace {

// 32 well-mixed bits of a counter (lowbias32 by C. Wellons, public domain constants).
inline std::uint32_t Mix(std::uint32_t x) {
  x ^= x >> 16;
  x *= 0x7feb352dU;
  x ^= x >> 15;
  x *= 0x846ca68bU;
  x ^= x >> 16;
  return x;
}

}  // namespace

TRAILS_SIMD void BatchNormReluForwardCpu(float *z, float *h, std::int64_t rows, std::int64_t width,
                                         const BatchNormState &norm, float dropout,
                                         std::uint32_t seed) {
  float *const mean = norm.mean;
  float *const inv = norm.inv;
  const float share = 1.0f / static_cast<float>(rows);
  for (std::int64_t j = 0; j < width; ++j) mean[j] = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    const float *const row = z + i * width;
    for (std::int64_t j = 0; j < width; ++j) mean[j] += row[j];
  }
  for (std::int64_t j = 0; j < width; ++j) mean[j] *= share;
  for (std::int64_t j = 0; j < width; ++j) inv[j] = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    float *const row = z + i * width;
    for (std::int64_t j = 0; j < width; ++j) {
      row[j] -= mean[j];
      inv[j] += row[j] * row[j];
    }
  }
  for (std::int64_t j = 0; j < width; ++j) {
    inv[j] = 1.0f / std::sqrt(inv[j] * share + kBatchNormEps);
  }

  const float *const gamma = norm.gamma;
  const float *const beta = norm.beta;
  const float scale = 1.0f / (1.0f - dropout);
  const auto threshold = static_cast<std::uint32_t>(dropout * 4294967296.0);
  for (std::int64_t i = 0; i < rows; ++i) {
    float *const row = z + i * width;
    float *const out = h + i * width;
    if (dropout > 0) {
      const auto base = static_cast<std::uint32_t>(i * width) + seed;
      for (std::int64_t j = 0; j < width; ++j) {
        row[j] *= inv[j];
        const float y = gamma[j] * row[j] + beta[j];
        const bool keep = Mix(base + static_cast<std::uint32_t>(j)) >= threshold;
        out[j] = keep && y > 0 ? y * scale : 0.0f;
      }
    } else {
      for (std::int64_t j = 0; j < width; ++j) {
        row[j] *= inv[j];
        const float y = gamma[j] * row[j] + beta[j];
        out[j] = y > 0 ? y : 0.0f;
      }
    }
  }
}

TRAILS_SIMD void BatchNormReluBackwardCpu(float *dh, const float *xhat, const float *h,
                                          std::int64_t rows, std::int64_t width,
                                          const BatchNormState &norm, float dropout,
                                          float *gamma_gradient, float *beta_gradient) {
  const float scale = 1.0f / (1.0f - dropout);
  for (std::int64_t j = 0; j < width; ++j) gamma_gradient[j] = beta_gradient[j] = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    float *const gradient = dh + i * width;
    const float *const x = xhat + i * width;
    const float *const out = h + i * width;
    for (std::int64_t j = 0; j < width; ++j) {
      gradient[j] = out[j] > 0 ? gradient[j] * scale : 0.0f;  // dropped units have h = 0
      gamma_gradient[j] += gradient[j] * x[j];
      beta_gradient[j] += gradient[j];
    }
  }
  const float share = 1.0f / static_cast<float>(rows);
  for (std::int64_t i = 0; i < rows; ++i) {
    float *const gradient = dh + i * width;
    const float *const x = xhat + i * width;
    for (std::int64_t j = 0; j < width; ++j) {
      const float centred = gradient[j] - share * (beta_gradient[j] + x[j] * gamma_gradient[j]);
      gradient[j] = norm.gamma[j] * norm.inv[j] * centred;
    }
  }
}

TRAILS_SIMD void AddBiasCpu(float *y, std::int64_t rows, std::int64_t width, const float *bias,
                            bool relu) {
  for (std::int64_t i = 0; i < rows; ++i) {
    float *const row = y + i * width;
    if (relu) {
      for (std::int64_t j = 0; j < width; ++j) {
        const float sum = row[j] + bias[j];
        row[j] = sum > 0 ? sum : 0.0f;
      }
    } else {
      for (std::int64_t j = 0; j < width; ++j) row[j] += bias[j];
    }
  }
}

}  // namespace trails::kernels
