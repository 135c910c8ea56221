// Parts: scores of further TFMEMs, of those candidates that a caller will see.
//
// May touch: src/core/filtering, src/core/space, include/trails.
#pragma once

#include <cstdint>
#include <vector>

#include "core/filtering/candidate_weights.h"
#include "core/filtering/filter.h"

namespace trails {

// The scores of one TFMEM, [candidate in the order of the ranks].
struct PartScores {
  Tfmem tfmem;
  std::vector<double> scores;
  std::int32_t banks = 0;
};

// Fills parts and part_banks of candidates that are ranked; `known` is what ranking them has
// measured anyway, for the best request.keep.
//
// Cheap ones come first, so that a slow one spoils no other, each by the banks that the ranks are
// of. Where the full-space scorer ranked the candidates, it scores the parts too, as far as it
// takes them and those kept are not few; else they are scored one by one, best ranked first.
// jacflow is a rank sum over all that were scored, so all of them are. Once `until` has passed
// nothing more is begun, but for closed forms.
// Throws Error(kCancelled), what the scorer throws.
void ScoreParts(const FilterRequest &request, const std::vector<PartScores> &known,
                const ScoringBatch &batch, const CandidateWeights &weights,
                const CandidateScorer &scorer, Clock::time_point until, const RunControl &control,
                FilteredCandidates *ranked);

}  // namespace trails
