// nas_wot and nas_wot_plain of every candidate of a space: ln det K, K_ij the number of hidden
// units that are active for both of the samples i and j, or for neither.
//
// K = N 1 1' - D: the disagreements D are sums over units, so that they add up over the layers and
// along the widths of each, and each activation pattern is looked at once for all candidates that
// share it.
//
// Source: Mellor et al. 2021, as used by TRAILS (with batch normalisation; the published jacflow
// takes it without).
//
// May touch: src/core/filtering, src/core/space, src/kernels, Boost's aligned allocator.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>
#include <boost/align/aligned_allocator.hpp>

#include "core/filtering/scoring_batch.h"
#include "core/filtering/trie_pass.h"
#include "core/filtering/weight_bank.h"

namespace trails {

// The rows of the mini-batch as kernels want them, [padded inputs / 16][rows][16]; padding is zero.
AlignedFloats BlockedInputs(const ScoringBatch &batch, std::int32_t padded_inputs);

class PatternPass final : public TriePass {
 public:
  // Scores into scores, [candidates] in CandidateAt's order: nas_wot with batch_norm, else
  // nas_wot_plain; a singular K is invalid. The bank must be of this space, the batch of the bank's
  // inputs and of 1 .. kMaxBatch rows; all of them outlive the pass. Throws std::bad_alloc.
  PatternPass(const SearchSpace &space, const WeightBank &bank, const ScoringBatch &batch,
              bool batch_norm, std::span<double> scores);
  ~PatternPass() override;

  // Cost, mlp20 and 32 rows: some 5 ms.
  void Prepare(const Interrupt &interrupt) override;
  std::unique_ptr<Scratch> NewScratch() const override;
  // Cost, mlp20 and 32 rows: some 0.3 ms for its 400 candidates.
  void Score(std::int32_t first, std::int32_t second, Scratch *scratch,
             const Interrupt &interrupt) const override;

  // Bytes that a pass over this space takes with so many threads.
  static std::int64_t Bytes(const SearchSpace &space, std::int32_t inputs, std::int32_t rows,
                            std::int32_t threads) noexcept;

 private:
  using Words = std::vector<std::uint16_t, boost::alignment::aligned_allocator<std::uint16_t, 64>>;

  // A layer's units for several widths of the layer before it.
  struct LayerOutput {
    AlignedFloats activations;  // [widths before][slots / 16][batch][16]; empty for the last layer
    Words patterns;             // [widths before][slots / 16][PatternWords]
  };
  struct Level;
  class Walk;

  LayerOutput NewOutput(std::int32_t layer, std::int32_t widths_before) const;
  // Layer `layer` of those prefixes that differ in the last width alone: its positions from
  // `first` on, one for each stop. below: activations of the layer before. products:
  // [stops][batch][16].
  void ComputeLayer(std::int32_t layer, const float *below, std::int32_t first, std::int32_t stops,
                    float *products, LayerOutput *output) const;
  // Row blocks of ComputeLayer; the scales are those of the stops.
  void ComputeRowBlocks(std::int32_t layer, const float *below, const std::int32_t *stop_blocks,
                        std::span<const float> weight_scales, std::span<const float> bias_scales,
                        float *products, LayerOutput *output) const;
  // Disagreements of a layer at each width, on top of `before`'s: [widths][counts].
  void CountDisagreements(const std::uint16_t *patterns, const std::uint16_t *before,
                          std::uint16_t *counts) const;

  std::int32_t widths() const noexcept { return bank_.grid().count(); }
  std::ptrdiff_t layer_floats() const noexcept {
    return std::ptrdiff_t{bank_.grid().slots()} * batch_.rows;
  }
  std::ptrdiff_t layer_words() const noexcept;

  const SearchSpace &space_;
  const WeightBank &bank_;
  const ScoringBatch &batch_;
  const bool batch_norm_;
  const std::span<double> scores_;
  const TrieIndex index_;
  const std::ptrdiff_t counts_;      // of one set of units
  std::vector<float> weight_scale_;  // by the width before, [widths]
  std::vector<float> bias_scale_;
  LayerOutput second_;   // by the first width
  Words first_counts_;   // [first widths][counts]
  Words second_counts_;  // [first widths][second widths][counts]
};

}  // namespace trails
