// Scores candidates one by one, each with weights of its own: for what the full-space scorer does
// not take, and for a few candidates, which it would be too large a gun for.
//
// May touch: src/core/filtering, src/core/space, src/core/data/parallel_for.h, include/trails.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "core/filtering/filter.h"
#include "core/filtering/sampler.h"

namespace trails {

// The weights of a candidate in one bank.
using WeightsOf = std::function<InitialWeights(const HiddenWidths &, std::int32_t bank)>;

struct OneByOneScores {
  std::vector<HiddenWidths> candidates;  // in the order in which they were proposed
  std::vector<SpaceScores> banks;        // scores [tfmem][candidate in that order]
  double drawing_seconds = 0;            // in WeightsOf, added up over the threads
};

// Scores up to `n` proposals of the sampler by `measured`, which is without jacflow, on
// request.threads threads, until `until`; one at least. Closed forms are in the first bank only.
// What is begun is finished, so that those scored are the first proposals. The sampler is told the
// mean over the banks of measured.front(), higher is better.
// Throws Error(kCancelled) within one score of a stop; what `scorer` and `weights` throw.
OneByOneScores ScoreOneByOne(const FilterRequest &request, const std::vector<Tfmem> &measured,
                             std::int64_t n, Sampler *sampler, const WeightsOf &weights,
                             const CandidateScorer &scorer, Clock::time_point until,
                             const RunControl &control);

}  // namespace trails
