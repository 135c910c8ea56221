// Logarithms of the determinants of the kernels of nas_wot, 16 at a time.
//
// The kernel of a network of N hidden units is K = N 1 1' - D, D the disagreements of the samples:
// the number of units in which two samples agree. Source: Mellor et al. 2021, equation 2.
//
// May touch: src/kernels, Google Highway.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/disagreements.h"

namespace trails::kernels {

inline constexpr std::int32_t kMatrices = 16;
// A smaller pivot, as a share of N, has lost too many bits in float.
inline constexpr float kSmallestPivot = 3e-3f;

// Samples, padded to whole tiles with ones on the diagonal.
constexpr std::int32_t PaddedOrder(std::int32_t batch) noexcept {
  return (batch + 3) / 4 * 4;
}
// Floats that LogDeterminants works in.
constexpr std::ptrdiff_t LogDeterminantScratch(std::int32_t batch) noexcept {
  const std::ptrdiff_t order = PaddedOrder(batch);
  return kMatrices * (order * (order + 1) / 2 + order / 4 + 1 + DisagreementCounts(batch) / 2);
}

// ln det K of 16 networks by Cholesky's factorisation in float, side by side in the lanes. A pivot
// below kSmallestPivot N sends its matrix to LogDeterminant.
//
// disagreements [16][DisagreementCounts(batch)], units [16]: N, 1 .. 32,768; log_determinant [16].
// scratch [LogDeterminantScratch(batch)] and disagreements begin at a multiple of 64 bytes.
// Cost, batch 32: some 0.2 us a matrix with AVX-512.
void LogDeterminants(const std::uint16_t *disagreements, const float *units, std::int32_t batch,
                     float *scratch, double *log_determinant);

// ln det K of one network in double, with pivots; -infinity when K is singular, which is decided
// exactly: K is a matrix of integers, so that its determinant is 0 or at least 1.
// Cost: batch^3 / 6 multiply-adds.
double LogDeterminant(const std::uint16_t *disagreements, double units, std::int32_t batch);

}  // namespace trails::kernels
