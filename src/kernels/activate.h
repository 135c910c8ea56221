// What follows the products of a row block: scale, bias or batch normalisation, ReLU, and which
// units are active.
//
//   plain:       y = weight_scale * z + bias_scale * bias
//   normalised:  y = (z - mean) / sqrt(var + kBatchNormEps / weight_scale^2), mean and var (biased)
//                of z over the batch: batch normalisation with gamma = 1, beta = 0 of
//                weight_scale * z + any bias
//   h = max(y, 0);  a unit is active where y > 0; exactly 0 is inactive
//
// May touch: src/kernels, Google Highway.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/blocked.h"

namespace trails::kernels {

// The pattern of a row block: one word of 16 bits a sample, bit i for unit i. The samples' words
// come twice, so that any rotation of them can be read in one piece; unused words are zero.
// Words of one pattern, [PatternWords(batch)].
constexpr std::int32_t PatternWords(std::int32_t batch) noexcept {
  return 2 * ((batch + 31) / 32 * 32);
}

// Where the results of a row block go, one after another for the stops of its product.
struct Activations {
  const float *weight_scale;      // [stops]
  const float *bias_scale;        // [stops]; not read when normalised
  float *h;                       // [batch][16] of the first stop; null: patterns only
  std::ptrdiff_t h_stride;        // floats from stop to stop
  std::uint16_t *pattern;         // [PatternWords] of the first stop
  std::ptrdiff_t pattern_stride;  // words from stop to stop
};

// z [stops][batch][16], bias [16]. Units whose weights and bias are zero are never active.
// Cost: some 4 cycles a vector, 8 when normalised.
void ActivatePlain(const float *z, const float *bias, std::int32_t stops, std::int32_t batch,
                   const Activations &to);
void ActivateNormalised(const float *z, std::int32_t stops, std::int32_t batch,
                        const Activations &to);

}  // namespace trails::kernels
