// TFMEMs, training-free model evaluation metrics: scores of a candidate before any training. Here
// are the initial weights that they look at and those TFMEMs that need no more than arithmetic;
// core/tfmem/direct.h defines all of them.
//
// Every score is of one draw of the weights: W_l uniform in +-sqrt(6 / fan_in), b_l uniform in
// +-1 / sqrt(fan_in), as in the golden files.
//
// May touch: src/core/space, include/trails. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <vector>

#include "core/space/candidate.h"
#include "trails/options.h"

namespace trails {

// The weights of one candidate at initialisation: dims = inputs, hidden widths, outputs.
struct InitialWeights {
  std::vector<std::int32_t> dims;
  std::vector<std::vector<double>> weight;  // [layer][out * in], row-major
  std::vector<std::vector<double>> bias;    // [layer][out]
};

// Rows of ones that the flows (synflow, express_flow) are defined on: a factor of the score.
inline constexpr std::int32_t kOnesRows = 4;

// The perturbation that express_flow sends through the network, before it is scaled by 1e-5:
// [4, inputs] nearly normal numbers, each (float)(the sum of 12 uniform ones - 6), from the stream
// of seed * 1000 + 53.
std::vector<float> DrawPerturbation(std::int32_t inputs, std::uint64_t seed);

// Draws W_l from the stream of seed * 1000 + 10 + l and b_l from seed * 1000 + 30 + l, l from 1.
InitialWeights DrawWeights(const HiddenWidths &hidden, std::int32_t inputs, std::int32_t outputs,
                           std::uint64_t seed);

// Weights of a candidate's own, which have nothing to do with those of another candidate or bank:
// DrawWeights by a seed that is a function of (seed, bank, widths). For candidates that no bank has
// weights for.
InitialWeights OwnWeights(const HiddenWidths &hidden, std::int32_t inputs, std::int32_t outputs,
                          std::uint64_t seed, std::int32_t bank);

// SynFlow on |W|, |b| with input ones [4, inputs] and no batch normalisation:
//   a_0 = 1, a_l = |W_l| a_{l-1} + |b_l|,  g_L = 1, g_{l-1} = |W_l|' g_l,
//   score = 4 * sum_l g_l . (a_l - |b_l|)
// The flow is conserved up to the biases, g_l . a_l = g_L . a_L - sum_{m > l} g_m . |b_m|, so one
// vector pass forward is enough, without g, autograd or a difference of large numbers:
//   p_0 = L, p_l = |W_l| p_{l-1} + (L - l) |b_l|,  score = 4 * 1 . p_L
// Cost: 2 flops a weight, in double. Source: Tanaka et al. 2020 as used by TRAILS; the closed
// form is ours and equals autograd to 1e-15.
double Synflow(const InitialWeights &weights);

// Sum over the layers of the Frobenius norm of W_l, in double. Cost: 2 flops a weight.
double WeightNorm(const InitialWeights &weights);

// The TFMEMs of cost closed_form, which look at no weight. With w_0 = inputs, w_1 .. w_L the hidden
// widths:
//
//   params                 CountParameters
//   flops                  2 sum_{l=0..L} w_l w_{l+1}, w_{L+1} = outputs: the multiplications and
//                          additions of the matrix products of one row forward; biases, batch
//                          normalisation and ReLU are not counted
//   expected_synflow       4 (L + 1) outputs prod_{l=0..L} sqrt(1.5 w_l): |W| multiplies the mean
//                          flow by w_{l-1} E|W| = sqrt(1.5 w_{l-1}) in each layer; biases left out
//   expected_weight_norm   sum_{l=1..L} sqrt(2 w_l) + sqrt(2 outputs), as E W^2 = 2 / w_{l-1}
//   expected_express_flow  F sum_l (w_l / len_l) / sum_l (1 / len_l), l = 1 .. L, with the flow
//                          F = 4 outputs prod_{l=0..L} sqrt(1.5 w_l) and the root mean square
//                          length len_l = sqrt(4 w_l (C_l + N_l)) of a standard normal perturbation
//                          after layer l; C_l is the covariance of two units of it, C_l + N_l the
//                          variance of one:
//                            C_0 = 0, N_0 = 1,
//                            C_l = 1.5 (w_{l-1} C_{l-1} + N_{l-1}), N_l = 0.5 (C_{l-1} + N_{l-1})
//   random                 uniform in [0, 1), a function of seed and widths alone
//
// `seed` matters for random only. Cost: some ns. Source: ours, from the moments of the initial
// weights; test/unit/tfmem_test.cpp holds them against simulations.
// Throws Error(kInternal) for any other TFMEM.
double ClosedFormScore(Tfmem tfmem, const HiddenWidths &hidden, std::int32_t inputs,
                       std::int32_t outputs, std::uint64_t seed);

}  // namespace trails
