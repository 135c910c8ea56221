// The gradient TFMEMs of every candidate of a space: grad_norm, grad_plain, snip, fisher,
// ntk_trace, ntk_cond_num, ntk_trace_approx, grasp, of networks with batch normalisation in
// training mode.
//
// The forward pass is shared by prefix; the backward pass is each candidate's own. With H_l the
// activations [units, batch] of layer l, H_0 the inputs, and g_l = dL/d(pre-activation):
//
//   |dW_l|_F^2 = <g_l'g_l, H_{l-1}'H_{l-1}>         Gram matrices of the samples; those of H are
//                                                   the prefix's, so that dW is never computed
//   <W_l, dW_l> = batch * eps * sum over units of mean(gy zhat) inv^2
//                                                   all that batch normalisation leaves of it
//   sum of |W_l dW_l|                               tiles of dW in registers (snip)
//   Theta = sum_l (g_l'g_l) o (H_{l-1}'H_{l-1} + 1) with dL/df = 1 at each row's label
//   <W, Hg> = d/dt |dW|_F^2 / 2 along W -> (1 + t) W; its forward half is the prefix's as well
//
// Where all rows of the batch are equal, batch normalisation leaves nothing, and every score is
// invalid. Padding units have g = 0 and H = 0 and so add nothing. Definitions: core/tfmem/direct.h.
// In float but for the loss, the eigenvalues and sums over layers; grad_plain and grasp are
// differences.
//
// May touch: src/core/filtering, src/core/space, src/kernels, Eigen.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/filtering/gradient_pass_layer.h"
#include "core/filtering/scoring_batch.h"
#include "core/filtering/trie_pass.h"
#include "core/filtering/weight_bank.h"
#include "kernels/backward_product.h"

namespace trails {

// Where the scores go, each [candidates] in CandidateAt's order; empty when not asked for.
struct GradientScores {
  std::span<double> grad_norm, grad_plain, snip, fisher, grasp;
  std::span<double> ntk_trace, ntk_cond_num, ntk_trace_approx;

  // The member of this TFMEM; null for those that are not computed from gradients.
  std::span<double> *Find(Tfmem tfmem) noexcept;
};

class GradientPass final : public TriePass {
 public:
  // Only what is asked for is computed. The bank is of this space and of the batch's inputs and
  // outputs, and has backward panels; it, the batch (1..kMaxBatch rows) and the scores outlive the
  // pass. Throws std::bad_alloc.
  GradientPass(const WeightBank &bank, const SearchSpace &space, const ScoringBatch &batch,
               const GradientScores &scores);

  // Bytes that the pass and its threads' scratch take at most, whatever is asked for, without the
  // bank and the scores.
  static std::int64_t Bytes(const SearchSpace &space, std::int32_t inputs, std::int32_t outputs,
                            std::int32_t rows, std::int32_t threads) noexcept;

  void Prepare(const Interrupt &interrupt) override;
  // Memory, mlp20 and 32 rows: 4 MB for grad_norm, 9 MB for everything.
  std::unique_ptr<Scratch> NewScratch() const override;
  // Cost, mlp20 with AVX-512: some 0.05 ms a candidate for grad_norm, 0.25 ms for everything.
  void Score(std::int32_t first, std::int32_t second, Scratch *scratch,
             const Interrupt &interrupt) const override;

 private:
  struct Work;
  struct Sums;
  struct Input;

  // What is computed, by what is asked for.
  struct Plan {
    bool first_order = false;   // the backward pass of the loss
    bool tiles = false;         // dW tile by tile
    bool weight_norms = false;  // |dW_l|, by tiles or by Gram matrices
    bool fisher = false;
    bool tangent = false;
    bool kernel = false;  // the neural tangent kernel
    bool condition = false;
    GradientLayerParts layer_parts() const noexcept;
  };
  static Plan PlanFor(const GradientScores &scores) noexcept;

  kernels::Stops AllWidths() const noexcept;
  void TransposeInputWeights();

  // Scores what begins with the work's prefix of l - 1 widths; its layer l is there.
  void Walk(std::int32_t l, Work *work, const Interrupt &interrupt) const;
  // Computes U h (and U (h + dh)) of the output layer after layer l at some of its widths.
  void Outputs(std::int32_t l, kernels::Stops stops, Work *work) const;
  // Scores the work's candidate of l widths; its outputs are those of the stop'th of `stops`.
  void ScoreCandidate(std::int32_t l, std::int32_t stop, std::int32_t stops, Work *work) const;
  void Write(const Work &work, const Sums &sums) const;

  // Of the work's candidate, whose output layer is its last: a layer's true rows, blocks of them,
  // scale of weights, weights as a backward panel, what it is applied to.
  kernels::RowBlocks Rows(const Work &work, std::int32_t l) const noexcept;
  std::int32_t FanIn(const Work &work, std::int32_t l) const noexcept;
  std::int32_t BankLayer(const Work &work, std::int32_t l) const noexcept;
  Input InputOf(const Work &work, std::int32_t l) const noexcept;

  // Its backward passes, in gradient_pass_backward.cpp.
  void FirstOrder(Work *work, Sums *sums) const;
  void Grasp(Work *work, Sums *sums) const;
  void Kernel(Work *work, Sums *sums) const;
  // y = W' g of layer l without its scale.
  void Multiply(const Work &work, std::int32_t l, const float *g, float *y) const;
  void AddWeights(std::int32_t l, const float *g, Work *work, Sums *sums) const;
  void AddTangent(std::int32_t l, const float *g, const float *dg, Work *work, Sums *sums) const;
  void AddToKernel(std::int32_t l, const float *g, Work *work) const;

  const WeightBank &bank_;
  const ScoringBatch &batch_;
  GradientScores scores_;
  Plan plan_;
  bool rows_differ_;
  std::int32_t min_layers_;
  std::int32_t max_layers_;
  TrieIndex index_;
  LayerForward forward_;
  std::vector<std::int32_t> widths_;
  std::vector<std::int32_t> units_;         // of each block of a hidden layer
  std::vector<std::int32_t> output_units_;  // of each block of outputs
  AlignedFloats inputs_;                    // [blocks][rows][16]
  AlignedFloats input_gram_;
  AlignedFloats input_weights_;  // U_1 as a backward panel, which the bank has not; for tiles
  GradientLayer first_;          // layer 1, one prefix
  GradientLayer second_;         // layer 2, a prefix for each first width
};

}  // namespace trails
