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

TRAILS_SIMD void BatchNormMomentsCpu(const float *z, std::int64_t rows, std::int64_t width,
                                     float *moments) {
  float *const mean = moments;
  float *const squares = moments + width;
  const auto count = static_cast<float>(rows);
  for (std::int64_t j = 0; j < 2 * width; ++j) moments[j] = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    const float *const row = z + i * width;
    for (std::int64_t j = 0; j < width; ++j) mean[j] += row[j];
  }
  // Divided, so that a constant's mean is the constant.
  for (std::int64_t j = 0; j < width; ++j) mean[j] /= count;
  for (std::int64_t i = 0; i < rows; ++i) {
    const float *const row = z + i * width;
    for (std::int64_t j = 0; j < width; ++j) {
      const float centred = row[j] - mean[j];
      squares[j] += centred * centred;
    }
  }
}

TRAILS_SIMD void BatchNormCombineCpu(const float *moments, const BatchPieces &pieces,
                                     std::int64_t width, const BatchNormState &norm) {
  float *const mean = norm.mean;
  float *const inv = norm.inv;
  for (std::int64_t j = 0; j < width; ++j) mean[j] = inv[j] = 0;
  for (std::int64_t p = 0; p < pieces.count(); ++p) {
    const float *const piece_mean = moments + p * 2 * width;
    const auto rows = static_cast<float>(pieces.rows_of(p));
    for (std::int64_t j = 0; j < width; ++j) mean[j] += rows * piece_mean[j];
  }
  const auto all_rows = static_cast<float>(pieces.rows);
  for (std::int64_t j = 0; j < width; ++j) mean[j] /= all_rows;
  for (std::int64_t p = 0; p < pieces.count(); ++p) {
    const float *const piece_mean = moments + p * 2 * width;
    const float *const squares = piece_mean + width;
    const auto rows = static_cast<float>(pieces.rows_of(p));
    for (std::int64_t j = 0; j < width; ++j) {
      const float apart = piece_mean[j] - mean[j];
      inv[j] += squares[j] + rows * apart * apart;
    }
  }
  for (std::int64_t j = 0; j < width; ++j) {
    inv[j] = 1.0f / std::sqrt(inv[j] / all_rows + kBatchNormEps);
  }
}

TRAILS_SIMD void BatchNormReluForwardCpu(float *z, float *h, std::int64_t first_row,
                                         std::int64_t rows, std::int64_t width,
                                         const BatchNormState &norm, float dropout,
                                         std::uint32_t seed) {
  const float *const mean = norm.mean;
  const float *const inv = norm.inv;
  const float *const gamma = norm.gamma;
  const float *const beta = norm.beta;
  const float scale = 1.0f / (1.0f - dropout);
  const auto threshold = static_cast<std::uint32_t>(dropout * 4294967296.0);
  for (std::int64_t i = 0; i < rows; ++i) {
    float *const row = z + i * width;
    float *const out = h + i * width;
    if (dropout > 0) {
      const auto base = static_cast<std::uint32_t>((first_row + i) * width) + seed;
      for (std::int64_t j = 0; j < width; ++j) {
        row[j] = (row[j] - mean[j]) * inv[j];
        const float y = gamma[j] * row[j] + beta[j];
        const bool keep = Mix(base + static_cast<std::uint32_t>(j)) >= threshold;
        out[j] = keep && y > 0 ? y * scale : 0.0f;
      }
    } else {
      for (std::int64_t j = 0; j < width; ++j) {
        row[j] = (row[j] - mean[j]) * inv[j];
        const float y = gamma[j] * row[j] + beta[j];
        out[j] = y > 0 ? y : 0.0f;
      }
    }
  }
}

TRAILS_SIMD void BatchNormReluBackwardSumsCpu(float *dh, const float *xhat, const float *h,
                                              std::int64_t rows, std::int64_t width, float dropout,
                                              float *sums) {
  const float scale = 1.0f / (1.0f - dropout);
  float *const gamma_sum = sums;
  float *const beta_sum = sums + width;
  for (std::int64_t j = 0; j < 2 * width; ++j) sums[j] = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    float *const gradient = dh + i * width;
    const float *const x = xhat + i * width;
    const float *const out = h + i * width;
    for (std::int64_t j = 0; j < width; ++j) {
      gradient[j] = out[j] > 0 ? gradient[j] * scale : 0.0f;  // dropped units have h = 0
      gamma_sum[j] += gradient[j] * x[j];
      beta_sum[j] += gradient[j];
    }
  }
}

TRAILS_SIMD void BatchNormBackwardCpu(float *dy, const float *xhat, std::int64_t rows,
                                      std::int64_t width, std::int64_t batch_rows,
                                      const BatchNormState &norm, const float *gamma_gradient,
                                      const float *beta_gradient) {
  const float share = 1.0f / static_cast<float>(batch_rows);
  for (std::int64_t i = 0; i < rows; ++i) {
    float *const gradient = dy + i * width;
    const float *const x = xhat + i * width;
    for (std::int64_t j = 0; j < width; ++j) {
      const float centred = gradient[j] - share * (beta_gradient[j] + x[j] * gamma_gradient[j]);
      gradient[j] = norm.gamma[j] * norm.inv[j] * centred;
    }
  }
}

TRAILS_SIMD void AddPiecesCpu(const float *from, std::int64_t pieces, std::int64_t stride,
                              std::int64_t width, float *to) {
  for (std::int64_t j = 0; j < width; ++j) to[j] = 0;
  for (std::int64_t p = 0; p < pieces; ++p) {
    const float *const piece = from + p * stride;
    for (std::int64_t j = 0; j < width; ++j) to[j] += piece[j];
  }
}

void AddRowsCpu(const float *y, std::int64_t rows, std::int64_t width, float *sums) {
  AddPiecesCpu(y, rows, width, width, sums);
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
