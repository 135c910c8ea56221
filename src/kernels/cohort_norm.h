// Batch normalisation, ReLU and dropout of one hidden layer of all members, forward and backward:
// kernels/batch_norm.h for many networks, with the moving averages of the moments.
//
// A block holds all rows of eight units of a member in registers, so that each number is read once
// and written once. Sums go over a fixed tree: the same bits in every run.
//
// May touch: src/kernels, the CUDA runtime (.cu only). Knows nothing of Torch or PostgreSQL.
#pragma once

#include <cstdint>

#include "kernels/cohort_shape.h"

struct CUstream_st;

namespace trails::kernels {

// All pointers [members, padded].
struct CohortNorm {
  const float *gamma = nullptr;
  const float *beta = nullptr;
  float *mean = nullptr;  // of the mini-batch, as inv
  float *inv = nullptr;
};

// The moving averages over the steps, [members, padded]: of the mean, and of the unbiased variance
// as Trainer::Update computes it from inv.
struct CohortMoments {
  float *average_mean = nullptr;
  float *average_var = nullptr;
};

// z [members, batch, padded] is what the layer's product gave, without a bias. h, of the same
// shape, is overwritten by max(gamma xhat + beta, 0) after dropout; mean and inv by the
// mini-batch's; moments follow them by step->follow. Different from BatchNormReluForwardCpu, xhat
// is not kept: to compute it again from z is cheaper than to write it. Padding: zeros become zeros.
// 2 <= shape.batch <= kMostBatchRows, else Error(kInternal).
// The kernel sums over a tree, the twin row after row: mean within 4e-6 relative, inv and h within
// 1e-4 for units whose mean is up to 50 deviations; the dropped units are the same.
// Cost: 8 bytes a number.
void CohortNormForwardCpu(const CohortShape &shape, const CohortLayer &layer,
                          const CohortNorm &norm, const CohortStep *step, const float *z, float *h,
                          const CohortMoments &moments);
void CohortNormForwardCuda(const CohortShape &shape, const CohortLayer &layer,
                           const CohortNorm &norm, const CohortStep *step, const float *z, float *h,
                           const CohortMoments &moments, CUstream_st *stream);

// dh [members, batch, padded], the gradient of h, becomes that of z in place; gamma_gradient and
// beta_gradient [members, padded] are overwritten. z and norm are the forward pass's; xhat and
// which units were active are computed again from them and from the dropout's hash, to the bit.
// Tolerance: that of h times the sizes of a sum's terms.
// Cost: 12 bytes a number.
void CohortNormBackwardCpu(const CohortShape &shape, const CohortLayer &layer,
                           const CohortNorm &norm, const float *z, float *dh, float *gamma_gradient,
                           float *beta_gradient);
void CohortNormBackwardCuda(const CohortShape &shape, const CohortLayer &layer,
                            const CohortNorm &norm, const float *z, float *dh,
                            float *gamma_gradient, float *beta_gradient, CUstream_st *stream);

}  // namespace trails::kernels
