// The filtering phase: draws candidates, scores them, keeps the best.
//
// May touch: src/core/space, src/core/filtering, include/trails. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <vector>

#include "core/space/candidate.h"
#include "trails/options.h"
#include "trails/progress.h"

namespace trails {

struct ScoredCandidate {
  HiddenWidths widths;
  double score = 0;
  std::int64_t params = 0;
};

// Draws n candidates of the space without repetition: depths in turn, so that each depth has its
// share while it lasts, and uniform within a depth. n above the space's size gives all of it.
// Same seed, same sequence; the first m of n are the draw of m. O(1) a candidate.
std::vector<HiddenWidths> SampleCandidates(const SearchSpace &space, std::int64_t n,
                                           std::uint64_t seed);

// Scores the sample on control's clock, best first (ties: the earlier draw). With tfmem = random
// the order is the draw's own, so that depths stay mixed. Stops scoring at `until` and ranks what
// is scored by then, at least one candidate. Memory: some 100 bytes a scored candidate.
// Throws Error(kCancelled).
std::vector<ScoredCandidate> FilterCandidates(const SearchSpace &space, std::int64_t n, Tfmem tfmem,
                                              std::int32_t inputs, std::int32_t outputs,
                                              std::uint64_t seed, std::int32_t threads,
                                              Clock::time_point until, const RunControl &control);

}  // namespace trails
