// Where candidates come from: a list in its order, a learned filter, or evolution.
//
// May touch: src/core/space, src/core/filtering, src/core/coordinator. Never Torch or PostgreSQL.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/coordinator/field.h"
#include "core/filtering/shortlist.h"
#include "trails/options.h"

namespace trails {

class LearnedFilter;

// Whether a candidate may be trained now, and what its training takes: see Propose.
using Suits = std::function<bool(const HiddenWidths &)>;
using Price = std::function<double(const HiddenWidths &)>;

// Proposes candidates, never one twice. One thread at a time.
class Proposer {
 public:
  virtual ~Proposer() = default;

  // The next candidate whose widths `suits` accepts (it may be dear, or too large for the memory
  // left); nothing when there is none. A candidate that did not suit may be proposed later. price:
  // what its training takes, positive, in any unit; a learned filter weighs it.
  virtual std::optional<Proposal> Propose(const Suits &suits, const Price &price) = 0;
  // How a proposal did at the end of the first rung: its merit, higher is better, NaN when it
  // diverged. Each at most once, in any order.
  virtual void Tell(const Proposal &proposal, double merit) = 0;
  // Whether what it is told changes what it proposes.
  virtual bool learns() const = 0;
};

// The dropout rates that candidates may have: options.dropout, or 0, 0.2 and 0.4; 0 and 0.1 where
// options.task is a regression, which must be said: kAuto counts as none.
std::vector<float> DropoutRates(const SelectionOptions &options);

// The dropout rate of a candidate that is not learned: drawn from DropoutRates by the seed and the
// architecture.
float DrawDropout(const SelectionOptions &options, const HiddenWidths &widths);

// In the list's order. `list` and `options` must outlive it.
std::unique_ptr<Proposer> MakeListProposer(const std::vector<ScoredCandidate> &list,
                                           const SelectionOptions &options);

// The list's order first; as soon as the filter has 8 observations, of this run or of past ones,
// its proposals (widths and dropout together, but for a fixed options.dropout). `filter` must know
// the whole space; all must outlive it.
std::unique_ptr<Proposer> MakeLearnedProposer(const std::vector<ScoredCandidate> &list,
                                              LearnedFilter *filter,
                                              const SelectionOptions &options);

// Regularised evolution over options.space: async_evolution of src/core/filtering/sampler.h. Looks
// at no more than 1,000 new candidates for one that suits.
std::unique_ptr<Proposer> MakeEvolutionProposer(const SelectionOptions &options);

}  // namespace trails
