// Synflow and express_flow of every candidate of a space on a card: core/filtering/flow_pass.h, for
// many prefixes at a time.
//
// May touch: src/core/card, src/core/filtering, src/kernels.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/card/trie_pass_card.h"
#include "core/filtering/flow_layer.h"
#include "kernels/flow_nodes.h"
#include "kernels/trie_flows.h"

namespace trails {

class FlowPassCard final : public TriePassCard {
 public:
  // Scores into synflow and express_flow, each [candidates], or null when not asked for.
  // perturbation: as FlowPass. All of them and the bank outlive the pass.
  FlowPassCard(const BankCard &card, std::span<const float> perturbation,
               std::vector<double> *synflow, std::vector<double> *express_flow);

  std::int64_t Bytes(std::int64_t prefixes) const noexcept override {
    return Bytes(card_.space(), card_.bank().inputs(), asked_, prefixes);
  }
  std::int64_t WorkOfPrefix() const noexcept override;
  void Prepare(std::int64_t prefixes) override;
  void Score(const TileCard &tile) override;
  void Finish() override;

  static std::int64_t Bytes(const SearchSpace &space, std::int32_t inputs, FlowsAsked asked,
                            std::int64_t prefixes) noexcept;

 private:
  // A layer's products for the tiles, or for all of them: layers 1 and 2.
  struct Layer {
    FlowColumns columns;
    CardArray<double> bias;
    CardArray<double> bias_outflow;
    CardArray<double> next;              // the next layer's x; none for the last layer
    CardArray<double> sums;              // [outputs][widths][columns.sums]
    CardArray<kernels::FlowNode> nodes;  // of the outputs: their widths before this layer
  };

  Layer &layer(std::int32_t l) noexcept { return layers_[static_cast<std::size_t>(l - 1)]; }
  kernels::TrieFlowWidths Widths(std::int32_t l) noexcept;
  // Layer l of `inputs`, or of `prefixes`, from the layer before; its nodes are there.
  void Compute(std::int32_t l, const std::int32_t *prefixes, std::int64_t inputs);
  void ScoreLeaves(std::int32_t l, const std::int32_t *prefixes, std::int64_t count);

  const BankCard &card_;
  const FlowsAsked asked_;
  std::vector<double> *const synflow_;
  std::vector<double> *const express_flow_;
  std::vector<Layer> layers_;
  CardArray<double> inputs_;  // layer 1's x
  CardArray<double> outflow_;
  CardArray<double> units_;
  CardArray<double> weight_scale_;
  CardArray<double> row_sums_;  // of the layer at hand
  CardArray<double> synflow_on_card_;
  CardArray<double> express_flow_on_card_;
};

}  // namespace trails
