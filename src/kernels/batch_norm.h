// Batch normalisation, ReLU and dropout in one pass, forward and backward.
//
//   mean_j, var_j   over the batch (var biased), inv_j = 1 / sqrt(var_j + kBatchNormEps)
//   xhat = (z - mean) * inv,  y = gamma * xhat + beta,  h = max(y, 0) * keep / (1 - dropout)
//
// keep is drawn from a hash of (seed, element), so that a step is repeatable whatever the vector
// width. Source: Ioffe, Szegedy 2015; Srivastava et al. 2014 (inverted dropout).
//
// May touch: the C++ standard library. Knows nothing of Torch or PostgreSQL.
#pragma once

#include <cstdint>

namespace trails::kernels {

inline constexpr float kBatchNormEps = 1e-5f;  // as in Torch

// The batch norm of one layer; every pointer [width]. mean and inv are filled by the forward pass
// and read by the backward pass.
struct BatchNormState {
  const float *gamma;
  const float *beta;
  float *mean;
  float *inv;
};

// z [rows, width] becomes xhat in place; h [rows, width] is overwritten. rows >= 2.
// dropout in [0, 1). Cost: three passes over z, one over h.
void BatchNormReluForwardCpu(float *z, float *h, std::int64_t rows, std::int64_t width,
                             const BatchNormState &norm, float dropout, std::uint32_t seed);

// dh [rows, width] becomes dL/dz in place. xhat and h are the forward pass's; gamma_gradient and
// beta_gradient [width] are overwritten.
void BatchNormReluBackwardCpu(float *dh, const float *xhat, const float *h, std::int64_t rows,
                              std::int64_t width, const BatchNormState &norm, float dropout,
                              float *gamma_gradient, float *beta_gradient);

// y = max(y + bias, 0) for rows x width, or without the maximum: a layer of a folded network.
void AddBiasCpu(float *y, std::int64_t rows, std::int64_t width, const float *bias, bool relu);

}  // namespace trails::kernels
