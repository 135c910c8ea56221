// Synflow and express_flow of every candidate of a space, and weight_norm.
//
// Both flows are linear in the activations of a network of |W| and |b| whose input is ones, so
// that no pass backward is needed. For a candidate of L layers, in exact arithmetic:
//
//   A_0 = 1, A_l = |W_l| A_{l-1} + |b_l|           the activations
//   M_0 = 0, M_l = |W_l| M_{l-1} + l |b_l|         what each bias misses of the layers before it
//   F_m      = A_m at layer m, then |W| only       the flow without the biases after layer m
//   D_0 = d, D_l = |W_l| D_{l-1}                   the perturbation, 4 columns
//   synflow  = 4 * 1'((L + 1) |W| A_L - |W| M_L)   |W|: the output layer's; its bias counts 0 times
//   V_m      = 4 * 1'F_m + 1'D 1  at the outputs,  length_m = ||D_m||_F / 1e-5
//   express_flow = sum_m w_m V_m / (length_m + 1e-6) / sum_m 1 / (length_m + 1e-6)
//
// The first is the closed form in tfmem.h with the depth taken out, so that candidates of all
// depths share their prefixes; the second is g_m . z'_m of the definition, since a flow of |W| is
// the same sum at every layer. With U instead of W = sqrt(6 / fan_in) U every layer is a product
// that can be stopped at each width; the scales of a prefix multiply and are applied to the sums.
//
// Source: Tanaka et al. 2020; Xing et al. 2024 (ExpressFlow, weighted by trajectory and width).
//
// May touch: src/core/filtering, src/core/space, src/kernels, Boost's aligned allocator.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/filtering/flow_layer.h"
#include "core/filtering/trie_pass.h"
#include "core/filtering/weight_bank.h"
#include "kernels/flow_nodes.h"

namespace trails {

class FlowPass final : public TriePass {
 public:
  // Scores into synflow and express_flow, each [candidates] in CandidateAt's order, or empty when
  // not asked for: only what is asked for is computed. perturbation: [4, inputs], what
  // DrawPerturbation gives; empty without express_flow. The bank must be of this space; it and the
  // scores outlive the pass. Throws std::bad_alloc.
  FlowPass(const WeightBank &bank, const SearchSpace &space, std::span<const float> perturbation,
           std::span<double> synflow, std::span<double> express_flow);
  FlowPass(const FlowPass &) = delete;
  FlowPass &operator=(const FlowPass &) = delete;

  // Cost: a product each for layers 1 and 2, some 0.1 ms for mlp20.
  void Prepare(const Interrupt &interrupt) override;
  std::unique_ptr<Scratch> NewScratch() const override;
  // Cost, mlp20: some 0.1 ms for 400 candidates with AVX-512.
  void Score(std::int32_t first, std::int32_t second, Scratch *scratch,
             const Interrupt &interrupt) const override;

 private:
  struct LayerScratch;
  struct Prefix;
  // Where in the products of a layer a prefix stands.
  struct Stop {
    const FlowLayer::Outcome &outcome;
    std::int32_t stop;
  };

  const FlowLayer &layer(std::int32_t l) const noexcept {
    return layers_[static_cast<std::size_t>(l - 1)];
  }
  kernels::Stops AllWidths() const noexcept;
  Prefix Root() const noexcept;
  kernels::FlowLayerFacts FactsOf(std::int32_t l) const noexcept;
  kernels::FlowWidth WidthOf(std::int32_t l, std::int32_t position) const noexcept;
  // The prefix with one more layer, which is the width's with these sums of that layer.
  Prefix Longer(const Prefix &prefix, std::int32_t position, const double *sums) const noexcept;
  // Scores the candidate whose last layer is the width with these sums.
  void Write(const Prefix &prefix, std::int32_t position, const double *sums) const;
  // Scores all longer candidates that begin with `prefix` and the width at `position`: `before`
  // has the sums of that width's layer, `here` the flows of the layer behind it.
  void Walk(const Prefix &prefix, std::int32_t position, Stop before, Stop here,
            LayerScratch *scratch, const Interrupt &interrupt) const;

  const WeightBank &bank_;
  std::int32_t min_layers_;
  std::int32_t max_layers_;
  std::vector<std::int64_t> firsts_;  // TrieIndex::first, [layers - 1]
  std::span<double> synflow_;
  std::span<double> express_flow_;
  FlowsAsked asked_;
  AlignedDoubles inputs_;              // the columns of layer 1, [columns][padded inputs]
  AlignedDoubles outflow_;             // what a unit sends to all outputs, [slots], unscaled
  std::vector<double> weight_scales_;  // of each width as fan-in
  std::vector<FlowLayer> layers_;
  FlowLayer::Outcome first_;   // of layer 1, all inputs its one stop
  FlowLayer::Outcome second_;  // of layer 2, a stop for each first width
};

}  // namespace trails
