// Ranks of scores: each TFMEM in its own direction, invalid scores last.
//
// May touch: src/core/filtering, include/trails.
#pragma once

#include <cstdint>
#include <vector>

#include "core/filtering/full_space.h"

namespace trails {

// Ranks from 1, the best first, in the direction of the TFMEM; equal scores share their mean rank;
// kInvalidScore comes after every number (all of them share a rank), kNotScored has no rank (NaN).
// Cost: a radix or std sort, some 10 ms for 160,000.
std::vector<double> Ranks(const std::vector<double> &scores, bool higher_is_better);

// jacflow as published: (rank of nas_wot + rank of synflow) / candidates, ranks ascending with the
// score, so that higher is better, in (0, 2]. Invalid where one of the two is.
// Source: Xing et al. 2024, section 3.2 (the published rank sum, not the raw sum of the code).
std::vector<double> Jacflow(const std::vector<double> &nas_wot, const std::vector<double> &synflow);

// The order of candidates by the mean of their ranks over banks, best first; ties by the order of
// `tie_order` (a random permutation's inverse, so that no width is favoured). Candidates that some
// bank did not score are left out. [bank][candidate] -> indices.
std::vector<std::int64_t> OrderByMeanRank(const std::vector<std::vector<double>> &ranks,
                                          std::uint64_t seed);

}  // namespace trails
