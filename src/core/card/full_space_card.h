// The full-space scorer on a card: core/filtering/full_space.h for the TFMEMs that need no backward
// pass, from the same bank.
//
// Work for mlp20 (160,000 candidates: 20 widths of 8 .. 512 in 544 slots, 4 layers) and 32 rows,
// and the least time for it on an H200 (60 TFLOP/s in float and 30 in double without tensor cores,
// 3.6e12 popcounts and 2.2e11 warp shuffles a second, 4.8 TB/s). None of it has been measured:
//
//   flows           537 whole products of 544 x 544 x 8 (400 of layer 4, 400 of layer 3 to one
//                   stop, a third of one on average): 2.5 GFLOP in double; 40 MB       0.08 ms
//   layers          the same of 544 x 544 x 32: 10.2 GFLOP in float; 45 MB             0.17 ms
//   disagreements   8,400 outputs x 34 row blocks x 512 pairs: 0.15e9 popcounts;
//                   170 MB of counts written                                           0.04 ms
//   determinants    160,000 x 528 shuffles and multiply-adds of a warp; 165 MB         0.38 ms
//
// The last three once each for nas_wot and nas_wot_plain: 1.3 ms in all. Even at a tenth of these
// rates the rest decides: 5 MB of bank and 5 MB of scores over the bus, some 60 launches and as
// many allocations, and on the host 2 ms to draw the bank, 1 ms for weight_norm, 25 ms for the
// ranks of jacflow. All six TFMEMs should take some 50 ms; they may take 300.
//
// May touch: src/core/card, src/core/filtering, src/core/space, src/kernels.
#pragma once

#include <cstdint>
#include <vector>

#include "core/card/trie_pass_card.h"
#include "core/filtering/scoring_batch.h"
#include "core/filtering/space_scores.h"
#include "trails/options.h"
#include "trails/progress.h"

namespace trails {

// Bytes on the card that ScoreFullSpaceCard takes: the bank, the pass that takes the most at the
// largest tiles within limits.bytes, and the scores.
std::int64_t FullSpaceCardBytes(const SearchSpace &space, std::int32_t inputs, std::int32_t rows,
                                const std::vector<Tfmem> &tfmems,
                                const TileLimits &limits = {}) noexcept;

// Whether it takes this: what ScoresOnCard and FitsFullSpace, within 1 GB on the card.
bool FitsFullSpaceCard(const SearchSpace &space, std::int32_t inputs, std::int32_t outputs,
                       const std::vector<Tfmem> &tfmems) noexcept;

// As ScoreFullSpace, of the same weights: scores of flows agree to 1e-12 (relative); the activation
// patterns are the same where the CPU has FMA instructions, else but for units within rounding of
// zero, and ln det K agrees to 1e-5 where they are; the same K are singular. weight_norm and the
// ranks of jacflow are the host's own.
//
// On the thread that holds the card's session. Prefixes are walked in FairPrefixes' order, in tiles
// within `limits`, whatever which the bits are the same, between which `until` and the stop are
// looked at; the first tile of each pass is finished whatever the clock. Two runs give the same
// bits. Throws Error(kCancelled) after a tile at most, some 10 ms; Error(kOutOfMemory),
// Error(kDevice); Error(kInternal) for a TFMEM that it does not take. All memory is given back.
SpaceScores ScoreFullSpaceCard(const SearchSpace &space, const std::vector<Tfmem> &tfmems,
                               const ScoringBatch &batch, std::int32_t inputs, std::int32_t outputs,
                               std::uint64_t seed, std::int32_t bank, Clock::time_point until,
                               const RunControl &control, const TileLimits &limits = {});

}  // namespace trails
