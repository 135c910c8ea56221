// Scores candidates one by one: for what the full-space scorer does not take, and for a few
// candidates, which it would be too large a gun for.
//
// May touch: src/core/filtering, src/core/space, src/core/data/parallel_for.h, include/trails.
#pragma once

#include <cstdint>
#include <vector>

#include "core/filtering/candidate_weights.h"
#include "core/filtering/filter.h"
#include "core/filtering/sampler.h"

namespace trails {

struct OneByOneScores {
  std::vector<std::int64_t> candidates;  // CandidateAt indices, as they were proposed
  std::vector<SpaceScores> banks;        // scores [tfmem][candidate in that order]
  double drawing_seconds = 0;            // in CandidateWeights, added up over the threads
};

// Scores up to `n` proposals of the sampler on request.threads threads, until `until`; one at
// least. jacflow brings synflow and nas_wot along, and ranks those that were scored. Closed forms
// are in the first bank only. What was begun when the time was up is left kNotScored where it is
// not done, but for the first proposal. The sampler is told the mean over the banks of
// tfmems.front(), higher is better; for jacflow, of synflow. Throws Error(kCancelled) within one
// score of a stop; what `scorer` throws.
OneByOneScores ScoreOneByOne(const FilterRequest &request, const std::vector<Tfmem> &tfmems,
                             std::int64_t n, Sampler *sampler, const CandidateWeights &weights,
                             const CandidateScorer &scorer, Clock::time_point until,
                             const RunControl &control);

}  // namespace trails
