// nas_wot and nas_wot_plain of every candidate of a space on a card: core/filtering/pattern_pass.h,
// for many prefixes at a time.
//
// May touch: src/core/card, src/core/filtering, src/kernels.
#pragma once

#include <cstdint>
#include <vector>

#include "core/card/trie_pass_card.h"
#include "core/filtering/scoring_batch.h"

namespace trails {

class PatternPassCard final : public TriePassCard {
 public:
  // Scores into scores, [candidates]: nas_wot with batch_norm, else nas_wot_plain. The batch is of
  // the bank's inputs and of 1 .. kMaxBatch rows; all of them outlive the pass.
  PatternPassCard(const BankCard &card, const ScoringBatch &batch, bool batch_norm,
                  std::vector<double> *scores);

  std::int64_t Bytes(std::int64_t prefixes) const noexcept override {
    return Bytes(card_.space(), batch_.inputs, batch_.rows, prefixes);
  }
  std::int64_t WorkOfPrefix() const noexcept override;
  void Prepare(std::int64_t prefixes) override;
  void Score(const TileCard &tile) override;
  void Finish() override;

  static std::int64_t Bytes(const SearchSpace &space, std::int32_t inputs, std::int32_t rows,
                            std::int64_t prefixes) noexcept;

 private:
  struct Layer {
    CardArray<float> activations;     // [outputs][slots / 16][batch][16]; none for the last layer
    CardArray<std::uint16_t> counts;  // [outputs][widths][DisagreementCounts]
    CardArray<float> scales;          // of the widths before: of weights, then of biases
  };

  Layer &layer(std::int32_t l) noexcept { return layers_[static_cast<std::size_t>(l - 1)]; }
  // Layer l of `inputs`, or of `prefixes`, from the layer before.
  void Compute(std::int32_t l, const std::int32_t *prefixes, std::int64_t inputs);
  void ScoreLeaves(std::int32_t l, const std::int32_t *prefixes, std::int64_t count);

  const BankCard &card_;
  const ScoringBatch &batch_;
  const bool batch_norm_;
  std::vector<double> *const scores_;
  std::vector<Layer> layers_;
  CardArray<float> inputs_;
  CardArray<std::uint16_t> patterns_;  // of the layer at hand
  CardArray<double> scores_on_card_;
};

}  // namespace trails
