// TFMEMs, training-free model evaluation metrics: scores of a candidate before any training.
//
// Every score is of one draw of the weights: W_l uniform in +-sqrt(6 / fan_in), b_l uniform in
// +-1 / sqrt(fan_in), as in the golden files. Higher is better for all four.
//
// May touch: src/core/space, include/trails. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <stop_token>
#include <vector>

#include "core/space/candidate.h"
#include "trails/options.h"

namespace trails {

// The weights of one candidate at initialisation: dims = inputs, hidden widths, outputs.
struct InitialWeights {
  std::vector<std::int32_t> dims;
  std::vector<std::vector<float>> weight;  // [layer][out * in], row-major
  std::vector<std::vector<float>> bias;    // [layer][out]
};

// The perturbation that express_flow sends through the network, before it is scaled by 1e-5:
// [4, inputs] nearly normal numbers, each (float)(the sum of 12 uniform ones - 6), from the stream
// of seed * 1000 + 53.
std::vector<float> DrawPerturbation(std::int32_t inputs, std::uint64_t seed);

// Draws W_l from the stream of seed * 1000 + 10 + l and b_l from seed * 1000 + 30 + l, l from 1.
InitialWeights DrawWeights(const HiddenWidths &hidden, std::int32_t inputs, std::int32_t outputs,
                           std::uint64_t seed);

// SynFlow on |W|, |b| with input ones [4, inputs] and no batch normalisation:
//   a_0 = 1, a_l = |W_l| a_{l-1} + |b_l|,  g_L = 1, g_{l-1} = |W_l|' g_l,
//   score = 4 * sum_l g_l . (a_l - |b_l|)
// The flow is conserved up to the biases, g_l . a_l = g_L . a_L - sum_{m > l} g_m . |b_m|, so one
// vector pass forward is enough, without g, autograd or a difference of large numbers:
//   p_0 = L, p_l = |W_l| p_{l-1} + (L - l) |b_l|,  score = 4 * 1 . p_L
// Cost: 2 flops a weight, in double. Source: Tanaka et al. 2020 as used by TRAILS; the closed
// form is ours and equals autograd to 1e-15.
double Synflow(const InitialWeights &weights);

// Sum over the layers of the Frobenius norm of W_l, in double.
double WeightNorm(const InitialWeights &weights);

// Scores one candidate by any TFMEM: params is CountParameters; random is uniform in [0, 1), a
// function of seed and widths. Equal to the functions above over DrawWeights, bit for bit, but
// draws a row of weights at a time and keeps none: memory is O(widest layer).
// Cost: synflow and weight_norm about 1 ns a weight with AVX-512, 2 without. Throws
// Error(kCancelled) within a row of weights once `stop` is requested.
double ScoreCandidate(Tfmem tfmem, const HiddenWidths &hidden, std::int32_t inputs,
                      std::int32_t outputs, std::uint64_t seed, const std::stop_token &stop = {});

}  // namespace trails
