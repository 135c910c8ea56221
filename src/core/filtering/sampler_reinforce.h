// REINFORCE over the choices that make a candidate; see sampler.h.
//
// May touch: src/core/filtering/sampler*, src/core/random.h.
#pragma once

#include <cstdint>
#include <limits>
#include <unordered_set>
#include <vector>

#include "core/filtering/sampler.h"
#include "core/filtering/sampler_proposals.h"

namespace trails {

// The policy: independent softmax choices of the depth and of the width of each layer that the
// depth has.
//   advantage = (score - mean) / deviation, both moving averages over some 10 scores, at most 3.2
//   gradient of a choice's logits = advantage * (softmax - one_hot(what was chosen)), 0 for layers
//   that the candidate does not have; one step of Adam a score
// An invalid score counts as the lowest told so far. Candidates that the policy did not draw,
// because it hardly ever draws something new, teach it nothing.
class ReinforceSampler final : public Sampler {
 public:
  ReinforceSampler(const SearchSpace &space, std::uint64_t seed);

  std::optional<HiddenWidths> Propose() override;
  void Tell(const HiddenWidths &widths, double score) override;

  // The policy's probability of a candidate of the space.
  double Probability(const HiddenWidths &widths) const;

 private:
  // The logits of one choice and Adam's moments of them.
  struct Choice {
    explicit Choice(std::size_t options) : logits(options), first(options), second(options) {}
    std::vector<double> Softmax() const;
    void Step(const std::vector<double> &gradient, std::int64_t step);

    std::vector<double> logits, first, second;
  };

  std::size_t Draw(const Choice &choice);
  HiddenWidths DrawCandidate();
  std::size_t OptionOf(std::int32_t width) const;
  double Advantage(double score);

  Proposals proposals_;
  RandomStream random_;
  Choice depth_;
  std::vector<Choice> layers_;            // [max_layers]
  std::unordered_set<std::int64_t> own_;  // drawn by the policy and not told, by index
  std::int64_t told_ = 0;
  double mean_ = 0;
  double variance_ = 0;
  double lowest_ = std::numeric_limits<double>::quiet_NaN();
};

}  // namespace trails
