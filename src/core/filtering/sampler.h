// Samplers: which candidate to look at next, where a space is too large to score as a whole.
//
//   sequential         the whole space in a shuffled order, which takes no memory
//   random             independent uniform draws, those seen before drawn again
//   evolution          regularised: a population of 10; the best of a tournament of 3 has a child,
//                      which differs in one layer and takes the place of the oldest. Scores count
//                      in the order of the proposals, however they are told
//   async_evolution    the same, but a score counts when it is told, so that several threads never
//                      wait for the slowest
//   warm_up_evolution  3,000 random candidates first (fewer in spaces below 160,000), whose best 64
//                      are the first population; tournaments of 10
//   move_evolution     evolution whose tournaments propose 4 neighbours of the winner; the best of
//                      them joins the population with probability 0.75, else one of them at random
//   reinforce          REINFORCE: a softmax policy for the depth and for the width of each layer,
//                      Adam with rate 0.05, a moving average as the baseline
//
// A candidate's neighbours differ from it in the width of one layer, or, in a space of several
// depths, by one layer that is put in or taken out.
//
// Source: Real et al. 2019 (regularised evolution), Williams 1992 (REINFORCE), as in the
// experiments of Xing et al. 2024. Different on purpose: no candidate is proposed twice, ageing is
// exact, and gradients are those of one step (the published code adds them up over all steps).
//
// May touch: src/core/space, src/core/random.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "core/space/candidate.h"
#include "trails/options.h"

namespace trails {

// Proposes candidates, never one twice, and learns from their scores. One thread at a time.
class Sampler {
 public:
  virtual ~Sampler() = default;

  // The next candidate; nothing once each candidate of the space was proposed. O(log n) on average.
  virtual std::optional<HiddenWidths> Propose() = 0;
  // The score of a proposed candidate, higher is better, NaN for an invalid one. Several candidates
  // may be proposed before the first is told, in any order; each is told once at most. O(log n).
  // Throws Error(kInternal) for a candidate that was not proposed or was told before, but for
  // the kind sequential, which learns nothing.
  virtual void Tell(const HiddenWidths &widths, double score) = 0;
};

// kind is not kWhole; `space` must outlive the sampler. Same seed and same scores told in the same
// order: same proposals.
std::unique_ptr<Sampler> MakeSampler(SamplerKind kind, const SearchSpace &space,
                                     std::uint64_t seed);

}  // namespace trails
