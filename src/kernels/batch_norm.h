// Batch normalisation, ReLU and dropout, forward and backward, by pieces of a mini-batch.
//
//   mean_j, var_j   over the batch (var biased), inv_j = 1 / sqrt(var_j + kBatchNormEps)
//   xhat = (z - mean) * inv,  y = gamma * xhat + beta,  h = max(y, 0) * keep / (1 - dropout)
//
// A piece is a run of rows. Sums over the batch are sums of the pieces' sums in their order, so
// that they depend on how a batch is cut, but not on which thread had which piece.
// keep is drawn from a hash of (seed, element), so that a step is repeatable whatever the vector
// width. Sources: Ioffe, Szegedy 2015; Srivastava et al. 2014 (inverted dropout); Chan, Golub,
// LeVeque 1983 (moments of pieces).
//
// May touch: the C++ standard library. Knows nothing of Torch or PostgreSQL.
#pragma once

#include <cstdint>

namespace trails::kernels {

inline constexpr float kBatchNormEps = 1e-5f;  // as in Torch

// The batch norm of one layer; every pointer [width].
struct BatchNormState {
  const float *gamma;
  const float *beta;
  float *mean;  // of the mini-batch, as inv
  float *inv;
};

// How a mini-batch is cut: all pieces have piece_rows rows, but for the last one, which has what
// is left.
struct BatchPieces {
  std::int64_t rows = 0;
  std::int64_t piece_rows = 0;

  std::int64_t count() const noexcept { return (rows + piece_rows - 1) / piece_rows; }
  std::int64_t first(std::int64_t piece) const noexcept { return piece * piece_rows; }
  std::int64_t rows_of(std::int64_t piece) const noexcept {
    return piece + 1 < count() ? piece_rows : rows - first(piece);
  }
};

// Means and sums of squared deviations from them of a piece z [rows, width]: moments
// [2, width] is overwritten.
void BatchNormMomentsCpu(const float *z, std::int64_t rows, std::int64_t width, float *moments);

// mean and inv of the whole batch from the moments of its pieces, [pieces, 2, width].
void BatchNormCombineCpu(const float *moments, const BatchPieces &pieces, std::int64_t width,
                         const BatchNormState &norm);

// z [rows, width] of a piece becomes xhat in place; h [rows, width] is overwritten. first_row: the
// piece's place in the batch. dropout in [0, 1).
void BatchNormReluForwardCpu(float *z, float *h, std::int64_t first_row, std::int64_t rows,
                             std::int64_t width, const BatchNormState &norm, float dropout,
                             std::uint32_t seed);

// dh [rows, width] of a piece becomes dL/dy in place; xhat and h are the forward pass's. sums
// [2, width] is overwritten by the piece's parts of the gradients of gamma and beta.
void BatchNormReluBackwardSumsCpu(float *dh, const float *xhat, const float *h, std::int64_t rows,
                                  std::int64_t width, float dropout, float *sums);

// dL/dy of a piece, as BatchNormReluBackwardSumsCpu left it, becomes dL/dz in place.
// batch_rows: of the whole batch; gamma_gradient, beta_gradient [width]: the pieces' sums added up.
void BatchNormBackwardCpu(float *dy, const float *xhat, std::int64_t rows, std::int64_t width,
                          std::int64_t batch_rows, const BatchNormState &norm,
                          const float *gamma_gradient, const float *beta_gradient);

// to [width] = the sum over the pieces of from [pieces, width], `stride` floats from piece to
// piece, in their order.
void AddPiecesCpu(const float *from, std::int64_t pieces, std::int64_t stride, std::int64_t width,
                  float *to);

// sums [width] = the sum over the rows of y [rows, width].
void AddRowsCpu(const float *y, std::int64_t rows, std::int64_t width, float *sums);

// y = max(y + bias, 0) for rows x width, or without the maximum: a layer of a folded network.
void AddBiasCpu(float *y, std::int64_t rows, std::int64_t width, const float *bias, bool relu);

}  // namespace trails::kernels
