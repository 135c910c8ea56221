// The TFMEMs of one candidate by their definitions, in LibTorch: the readable specification that
// the fast scorers are held against, and the way to score what they do not take.
//
// Layers l = 1 .. L + 1, the last one linear to the outputs; w_0 = inputs, w_1 .. w_L the hidden
// widths, w_{L+1} = outputs; B rows. h_0 = x [B, w_0]; a_l = h_{l-1} W_l' + b_l [B, w_l]; y_l = a_l
// normalised over the batch (batch mean, biased variance, epsilon 1e-5, gamma 1, beta 0), or a_l
// without batch normalisation; h_l = max(y_l, 0), whose derivative at 0 is 0; f = a_{L+1} [B,
// outputs]. Loss = mean cross entropy, or mean (f - target)^2 for regression. g_l = dLoss/dW_l
// [w_l, w_{l-1}], d_l = dLoss/da_l [B, w_l]. || || is the Frobenius norm, <A, B> the sum of the
// elementwise product, * that product. The embedding is part of x and has no gradient.
//
//   TFMEM             formula                                                       passes
//   grad_norm         sum_l ||g_l||                                                 1 back
//   grad_plain        sum_l <W_l, g_l>                                              1 back
//   snip              sum_l sum |W_l * g_l|                                         1 back
//   grasp             -sum_l <W_l, (H g)_l>, H the Hessian of the loss in all W     2 back
//   fisher            sum_l w_{l-1} sum_k 1/2 mean_n (a_l[n, k] d_l[n, k])^2        1 back
//   ntk_trace_approx  mean over all tensors W, b, gamma, beta of ||gradient||^2     1 back
//   ntk_trace         sqrt(tr T / B); T = sum_l (D_l D_l') * (h_{l-1} h_{l-1}' + 1) [B, B],
//                     D_l = d(sum_n f[n, label n]) / da_l; f[n, 0] for regression   1 back
//   ntk_cond_num      largest / smallest eigenvalue of T                            1 back, B^3
//   nas_wot           ln det K, K = sum_l X_l X_l' + (1 - X_l)(1 - X_l)' [B, B],
//                     X_l = [y_l > 0], l = 1 .. L                                   1, B^3
//   nas_wot_plain     the same without batch normalisation                          1, B^3
//   weight_norm       sum_l ||W_l||                                                 none
//   synflow           sum_l <|W_l|, dR/d|W_l|>, R the sum of the outputs of the network
//                     |W|, |b| without batch normalisation for 4 rows of ones       1 back
//   express_flow      sum_{l=1..L} o_l w_l V_l in synflow's network, o_l = (1 / (len_l + 1e-6))
//                     over their sum; V_l = <h_l + D_l, dR/dh_l>, len_l = ||D_l|| / 1e-5;
//                     D_0 = perturbation * 1e-5 [4, w_0], D_l = D_{l-1} |W_l|'      1 back
//   knas              50 mini-batches of 4 rows, whose gradients add up: S_k [P] after mini-batch
//                     k, of the first 50 entries of each of the first 11 tensors (W, b, gamma,
//                     beta layer by layer) that have 50; sum_{k < 25} <S_k - mean of the first 25,
//                     S_{k+25} - mean of the last 25> / 2500                        50 back
//   jacflow           a sum of ranks over a set: no value for one candidate
//   the rest          ClosedFormScore
//
// Directions and papers: Traits(). Each score is signed as above; the published code takes absolute
// values. It also computes ntk_* of rows that batch normalisation mixes: D_l is the gradient of all
// rows' outputs, not one row's; so do we.
//
// No value (kInvalidScore): whatever is not finite; a singular K, decided in integers; T with a
// smallest eigenvalue that rounding may have made, at most B epsilons of the largest; knas of fewer
// than 200 rows or where no tensor has 50 entries; and, where batch normalisation has nothing to
// normalise because all rows of a mini-batch are equal, each score of a gradient: what the formula
// then gives is noise. A dead layer is no such case: its gradients are 0, and so are the scores.
//
// May touch: Torch, src/core/space, src/core/filtering.
#pragma once

#include <cstdint>
#include <stop_token>
#include <vector>

#include "core/filtering/scoring_batch.h"
#include "core/filtering/tfmem.h"
#include "trails/options.h"

namespace trails {

struct DirectOptions {
  bool double_precision = true;
  // nas_wot follows its enumerator; this is for the golden files, which have gradient metrics of
  // networks without batch normalisation too.
  bool batch_norm = true;
  // The perturbation of express_flow, [4, inputs], before it is scaled by 1e-5; empty: drawn from
  // perturbation_seed.
  std::vector<float> perturbation;
  std::uint64_t perturbation_seed = 0;  // also the seed of the random TFMEM
  // The batch's inputs in double, [rows, inputs]; empty: ScoringBatch::x. For the golden files,
  // whose inputs are products that no float holds.
  std::vector<double> inputs;
  // knas looks at it before each of its 50 mini-batches, no other TFMEM does.
  std::stop_token stop;
};

// The score of the candidate with these weights. `batch` may be empty where Traits(tfmem).data is
// kNothing; any number of rows and outputs else. Thread-safe; runs on the calling thread and the
// threads that Torch was given. Cannot be interrupted, but for knas by options.stop.
// Cost: 430 inputs, 32 rows, double: 64-128-64-32 takes 0.3 (synflow) to 1.4 ms, grasp 3;
// 512-512-512-512 takes 3 to 12 ms, grasp 23; knas 50 times a small batch. Memory: some 10 times
// weights and activations.
// Throws Error(kInternal) when weights and batch do not fit each other, Error(kCancelled),
// std::bad_alloc.
double DirectScore(Tfmem tfmem, const InitialWeights &weights, const ScoringBatch &batch,
                   const DirectOptions &options);

// Bytes that DirectScore takes for one candidate at most, its weights included: grasp, with
// gradients and their derivatives.
std::int64_t DirectScoreBytes(const HiddenWidths &widths, std::int32_t inputs,
                              std::int32_t outputs) noexcept;

}  // namespace trails
