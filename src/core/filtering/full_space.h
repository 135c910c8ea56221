// The full-space scorer: TFMEMs of every candidate of a space, exactly, from shared weight banks.
//
// May touch: src/core/filtering, src/core/space, src/kernels.
#pragma once

#include <cstdint>
#include <vector>

#include "core/filtering/scoring_batch.h"
#include "core/filtering/space_scores.h"
#include "core/filtering/trie_pass.h"
#include "core/filtering/weight_bank.h"
#include "trails/options.h"
#include "trails/progress.h"

namespace trails {

// Bytes of one bank and of the pass that takes the most of them, without the scores.
std::int64_t FullSpaceBytes(const SearchSpace &space, std::int32_t inputs, std::int32_t outputs,
                            const std::vector<Tfmem> &tfmems, std::int32_t threads) noexcept;

// Whether the full-space scorer takes this: at most kLargestWholeSpace candidates, FullSpaceBytes
// for one thread within 256 MB, at most 1,000 outputs, and Traits(tfmem).whole_space for each.
bool FitsFullSpace(const SearchSpace &space, std::int32_t inputs, std::int32_t outputs,
                   const std::vector<Tfmem> &tfmems) noexcept;

// Scores every candidate with the weights of one bank; jacflow brings nas_wot and synflow along.
// `batch` may be empty (rows = 0) when no TFMEM looks at rows; batch.rows <= kMaxBatch.
// Prefixes are walked in FairPrefixes' order by `threads` threads, or as many of them as fit into
// 256 MB; when `until` passes in the middle, what is finished is spread evenly over the first and
// over the second widths, as far as there were enough prefixes for that. Passes follow the order of
// cost; each finishes one prefix at least, whatever the clock.
// control.progress counts a candidate once the last pass is done with it. express_flow's
// perturbation is DrawPerturbation(inputs, seed + bank), the weights are WeightBank's of the same
// seed and bank.
// Cost, mlp20 on two cores: docs/benchmarks.md. Throws Error(kCancelled) within some ms of a stop.
SpaceScores ScoreFullSpace(const SearchSpace &space, const std::vector<Tfmem> &tfmems,
                           const ScoringBatch &batch, std::int32_t inputs, std::int32_t outputs,
                           std::uint64_t seed, std::int32_t bank, std::int32_t threads,
                           Clock::time_point until, const RunControl &control);

}  // namespace trails
