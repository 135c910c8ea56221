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
// What was proposed before is drawn again, from a flatter policy each time, so that a policy that
// has settled goes on around what it likes. Candidates that did not come from it, because all draws
// were known, teach it nothing. An invalid score counts as the lowest told so far.
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
    std::vector<double> Softmax(double temperature = 1) const;
    void Step(const std::vector<double> &gradient, std::int64_t step);

    std::vector<double> logits, first, second;
  };

  std::size_t Draw(const Choice &choice, double temperature);
  HiddenWidths DrawCandidate(double temperature);
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
