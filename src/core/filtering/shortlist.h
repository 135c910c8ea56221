// What the filtering phase hands on: ranked candidates in the order in which to train them.
//
// May touch: src/core/space, src/core/filtering, include/trails. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <vector>

#include "core/filtering/filter.h"
#include "core/space/candidate.h"

namespace trails {

struct ScoredCandidate {
  HiddenWidths widths;
  double score = 0;  // kInvalidScore where the TFMEM has no value
  std::int64_t params = 0;
};

// The order in which to train: diverse, so that no taste of a TFMEM for one depth or size decides
// alone. Candidates fall into strata: the depths, each in four quarters by the number of
// parameters. Strata take turns, in an order that `seed` shuffles anew each turn, and give their
// best ranked candidate that is left. The first `count` of it. For the TFMEM random this is a
// stratified random draw. Cost: some 40 ms for 160,000.
std::vector<ScoredCandidate> Shortlist(const SearchSpace &space, std::int32_t inputs,
                                       std::int32_t outputs, const FilteredCandidates &filtered,
                                       std::uint64_t seed, std::int64_t count);

}  // namespace trails
