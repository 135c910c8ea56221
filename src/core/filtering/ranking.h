// Ranks of scores: each TFMEM in its own direction, invalid scores last. All of it throws
// Error(kCancelled) within some ms of a stop, however many scores there are.
//
// May touch: src/core/filtering, src/core/random.h, include/trails.
#pragma once

#include <cstdint>
#include <span>
#include <stop_token>
#include <vector>

#include "core/filtering/trie_pass.h"

namespace trails {

// Ranks from 1, the best first, in the direction of the TFMEM; equal scores share their mean rank;
// kInvalidScore comes after every number (all of them share a rank), kNotScored has no rank (NaN).
// An infinity of either sign is invalid. Cost: some 8 ms for 160,000.
std::vector<double> Ranks(std::span<const double> scores, bool higher_is_better,
                          const std::stop_token &stop = {});

// jacflow as published: (rank of nas_wot + rank of synflow) / candidates, ranks ascending with the
// score, so that higher is better, in (0, 2]. Invalid where one of the two is, kNotScored where one
// of the two is; `candidates` are those that both scored.
// Source: Xing et al. 2024, section 3.2 (the published rank sum, not the raw sum of the code).
std::vector<double> Jacflow(const std::vector<double> &nas_wot, const std::vector<double> &synflow,
                            std::int32_t threads = 1, const std::stop_token &stop = {});

// The order of candidates by the mean of their ranks over banks, best first; ties in a random order
// by `seed`, so that no width is favoured. Candidates that some bank did not score (NaN) are left
// out. ranks [bank][candidate] -> indices of candidates. Cost: some 15 ms for 160,000.
std::vector<std::int64_t> OrderByMeanRank(const std::vector<std::vector<double>> &ranks,
                                          std::uint64_t seed, const std::stop_token &stop = {});

}  // namespace trails
