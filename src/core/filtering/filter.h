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

// ScoreFullSpace of a request's space and data on a card, with the weights of one bank.
using CardScorer = std::function<SpaceScores(const std::vector<Tfmem> &tfmems, std::int32_t bank,
                                             Clock::time_point until, const RunControl &control)>;

struct FilterRequest {
  const SearchSpace &space;  // must outlive the call
  Tfmem tfmem = Tfmem::kRandom;
  std::vector<Tfmem> parts = {};  // scores wanted besides; they do not change the order
  SamplerKind sampler = SamplerKind::kWhole;
  std::optional<std::int64_t> n =
      {};  // candidates to score; else the whole space or a sample of it
  // The best that the caller will see, the only ones whose parts are scored; else all of them.
  std::optional<std::int64_t> keep = {};
  std::int32_t banks = 1;  // draws of the weights whose ranks are averaged, >= 1
  std::int32_t inputs = 0;
  std::int32_t outputs = 0;
  std::uint64_t seed = 0;
  std::int32_t threads = 1;
  CardScorer on_card = {};  // none: whole spaces are scored on the CPU
};

struct FilteredCandidates {
  // CandidateAt indices of all that were scored, best first; those without a valid score come last.
  std::vector<std::int64_t> order;
  // [candidate in that order]: the mean over the banks where the score is valid, kInvalidScore when
  // it is in none. The order is that of the mean ranks, not of these means.
  std::vector<double> scores;
  std::int32_t banks = 0;  // that ranks and scores are of; fewer than asked for past a deadline
  // [part][candidate in that order, up to FilterRequest::keep], the same way; kNotScored for what
  // there was no time for.
  std::vector<std::vector<double>> parts;
  std::vector<std::int32_t> part_banks;  // [part] that these are of; 0 where there was no time
  double drawing_seconds = 0;            // to draw initial weights, added up over the threads
  bool whole = false;                    // the full-space scorer ranked them
  // Then: what the first bank says of the whole space, by the TFMEM and those parts that the
  // full-space scorer scored too. For the feature table; else empty.
  SpaceScores first_bank;
};

// Scores one candidate with the weights of one bank: DirectScore, handed in by the engine so that
// this room stays without Torch. Called by several threads at once.
using CandidateScorer = std::function<double(Tfmem, const InitialWeights &, std::int32_t bank)>;

// Whether `candidates` of the space are so few that the full-space scorer would take longer for the
// whole of it than one by one takes for them, by a TFMEM of this cost: fewer than 1 in 1,000, or
// 1 in 50 with a TFMEM that goes backward.
bool AreFew(const SearchSpace &space, std::int64_t candidates, TfmemCost cost) noexcept;

// The whole space of the request by one bank: on the card where there is one and ScoresOnCard knows
// all of the TFMEMs, else by ScoreFullSpace, whose contract holds for both.
SpaceScores ScoreWhole(const FilterRequest &request, const std::vector<Tfmem> &tfmems,
                       const ScoringBatch &batch, std::int32_t bank, Clock::time_point until,
                       const RunControl &control);

// Whether the full-space scorer ranks the candidates of the request; else they are scored one by
// one.
bool RanksWhole(const FilterRequest &request) noexcept;

// Draws n candidates of the space without repetition: depths in turn, so that each depth has its
// share while it lasts, and uniform within a depth. n above the space's size gives all of it.
// Same seed, same sequence; the first m of n are the draw of m. O(1) a candidate.
std::vector<HiddenWidths> SampleCandidates(const SearchSpace &space, std::int64_t n,
                                           std::uint64_t seed);

// Scores candidates and ranks them in the TFMEM's own direction; ties are broken at random by the
// seed. `random` gives a random order. Then, in what time is left, the parts are scored.
//
// Sampler whole, where FitsFullSpace: ScoreFullSpace with each bank; n below the space's size keeps
// the candidates of SampleCandidates(space, n, seed), and so few that the space would take longer
// (AreFew) are scored one by one. A bank that a deadline cut off is dropped, unless it is the
// first. Otherwise candidates come from the sampler (whole: SampleCandidates), n or
// kSampledCandidates of them, and each is scored by itself on `threads` threads. Either way each
// bank has the same weights for a candidate, those of CandidateWeights. An adaptive sampler is told
// the mean over the banks, higher is better; for jacflow, a rank sum over all that is scored, it is
// told synflow on the way. Parts: ScoreParts.
//
// Ends at `until` or when control.finish asks for it, and ranks what is scored by then: one
// candidate at least. Same request, same answer, whatever the number of threads; adaptive samplers
// (all but whole, sequential, random) with one thread only.
// Memory: some 40 bytes a candidate and TFMEM; one by one, 16 more for each bank, and the banks.
// Throws Error(kCancelled), what the scorer throws.
FilteredCandidates FilterCandidates(const FilterRequest &request, const ScoringBatch &batch,
                                    const CandidateScorer &scorer, Clock::time_point until,
                                    const RunControl &control);

}  // namespace trails
