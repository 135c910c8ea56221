// The filtering phase: scores candidates by a TFMEM, ranks them, and says which are worth training.
//
// May touch: src/core/space, src/core/filtering, include/trails. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "core/filtering/full_space.h"
#include "core/filtering/scoring_batch.h"
#include "core/filtering/tfmem.h"
#include "core/space/candidate.h"
#include "trails/options.h"
#include "trails/progress.h"

namespace trails {

struct ScoredCandidate {
  HiddenWidths widths;
  double score = 0;  // kInvalidScore where the TFMEM has no value
  std::int64_t params = 0;
};

struct FilterRequest {
  const SearchSpace &space;  // must outlive the call
  Tfmem tfmem = Tfmem::kRandom;
  std::vector<Tfmem> parts = {};  // scores wanted besides; they do not change the order
  SamplerKind sampler = SamplerKind::kWhole;
  std::optional<std::int64_t> n =
      {};                  // candidates to score; else the whole space or a sample of it
  std::int32_t banks = 1;  // draws of the weights whose ranks are averaged, >= 1
  std::int32_t inputs = 0;
  std::int32_t outputs = 0;
  std::uint64_t seed = 0;
  std::int32_t threads = 1;
};

struct FilteredCandidates {
  // CandidateAt indices of all that were scored, best first; those without a valid score come last.
  std::vector<std::int64_t> order;
  // [candidate in that order]: the mean over the banks where the score is valid, kInvalidScore when
  // it is in none. The order is that of the mean ranks, not of these means.
  std::vector<double> scores;
  std::vector<std::vector<double>> parts;  // [part][candidate in that order], the same way
  double drawing_seconds = 0;              // to draw initial weights, added up over the threads
  bool whole = false;                      // the full-space scorer was used
  SpaceScores first_bank;                  // then: for the feature table; else empty
};

// Scores one candidate with the weights of one bank: DirectScore, handed in by the engine so that
// this room stays without Torch. Called by several threads at once.
using CandidateScorer = std::function<double(Tfmem, const InitialWeights &, std::int32_t bank)>;

// Draws n candidates of the space without repetition: depths in turn, so that each depth has its
// share while it lasts, and uniform within a depth. n above the space's size gives all of it.
// Same seed, same sequence; the first m of n are the draw of m. O(1) a candidate.
std::vector<HiddenWidths> SampleCandidates(const SearchSpace &space, std::int64_t n,
                                           std::uint64_t seed);

// Scores candidates and ranks them in the TFMEM's own direction; ties are broken at random by the
// seed. `random` gives a random order.
//
// Sampler whole, where FitsFullSpace: ScoreFullSpace with each bank; n below the space's size keeps
// the candidates of SampleCandidates(space, n, seed), and so few that the space would take longer
// (1 in 1,000 of it, 1 in 10 with a TFMEM that goes backward) are scored one by one with the same
// weights, WeightBank::Slice. A bank that a deadline cut off is dropped, unless it is the first.
// Otherwise candidates come from the sampler (whole: SampleCandidates), n or kSampledCandidates of
// them, and each is scored by itself on `threads` threads, with its own weights for each bank
// (DrawWeights; closed forms without). An adaptive sampler is told the mean over the banks, higher
// is better; for jacflow, a rank sum over all that is scored, it is told synflow on the way.
//
// Ends at `until` or when control.finish asks for it, and ranks what is scored by then: one
// candidate at least. Parts that were not scored by then are kInvalidScore. Same request, same
// answer, whatever the number of threads, as long as FitsFullSpace says the same of them; adaptive
// samplers (all but whole, sequential, random) with one thread only.
// Memory: some 40 bytes a candidate and TFMEM; one by one, 16 more for each bank.
// Throws Error(kCancelled), what the scorer throws.
FilteredCandidates FilterCandidates(const FilterRequest &request, const ScoringBatch &batch,
                                    const CandidateScorer &scorer, Clock::time_point until,
                                    const RunControl &control);

// The order in which to train: diverse, so that no taste of a TFMEM for one depth or size decides
// alone. Candidates fall into strata: the depths, each in four quarters by the number of
// parameters. Strata take turns, in an order that `seed` shuffles anew each turn, and give their
// best ranked candidate that is left. The first `count` of it. For the TFMEM random this is a
// stratified random draw. Cost: some 40 ms for 160,000.
std::vector<ScoredCandidate> Shortlist(const SearchSpace &space, std::int32_t inputs,
                                       std::int32_t outputs, const FilteredCandidates &filtered,
                                       std::uint64_t seed, std::int64_t count);

}  // namespace trails
