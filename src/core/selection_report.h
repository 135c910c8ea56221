// What a selection reports of its candidates: those that were trained, and the best of the others.
//
// May touch: src/core.
#pragma once

#include <cstdint>

#include "core/data/dataset.h"
#include "core/filtering/filter.h"
#include "core/refinement/refinement_result.h"
#include "trails/result.h"

namespace trails {

// Moves the trained candidates of `refined` and all its epochs into `result`, with their ranks and
// scores of `filtered`, and adds the best `keep` of those that were not trained. A candidate that
// the filtering phase did not score has rank 0 and no score.
void ReportCandidates(const Dataset &data, const SearchSpace &space,
                      const FilteredCandidates &filtered, std::int64_t keep,
                      RefinementResult *refined, SelectionResult *result);

// Moves candidates that were trained, and all epochs with their references, to the end of
// `candidates` and `epochs`.
void MoveTrained(RefinementResult *refined, std::vector<CandidateResult> *candidates,
                 std::vector<EpochResult> *epochs);

}  // namespace trails
