#include "core/filtering/filter.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <stop_token>
#include <utility>

#include "core/data/parallel_for.h"
#include "core/filtering/candidate_weights.h"
#include "core/filtering/fair_draw.h"
#include "core/filtering/mean_scores.h"
#include "core/filtering/one_by_one.h"
#include "core/filtering/part_scores.h"
#include "core/filtering/ranking.h"
#include "core/filtering/sampler.h"
#include "core/interrupt.h"
#include "core/random.h"

namespace trails {

namespace {

constexpr std::uint64_t kTiesPurpose = 0x74696573;  // "ties"

// A candidate costs the full-space scorer so many times less than one by one (docs/benchmarks.md).
// A share of the space below 1 / so many is scored one by one.
constexpr std::int64_t kForwardGain = 1'000;
constexpr std::int64_t kBackwardGain = 50;

// sampler whole as a sampler: the fair draw.
class FairSampler final : public Sampler {
 public:
  FairSampler(const SearchSpace &space, std::uint64_t seed)
      : draw_(space, seed), left_(SpaceSize(space)) {}

  std::optional<HiddenWidths> Propose() override {
    if (left_ == 0) return std::nullopt;
    --left_;
    return draw_.Next();
  }
  void Tell(const HiddenWidths & /*widths*/, double /*score*/) override {}

 private:
  FairDraw draw_;
  std::int64_t left_;
};

// Ranks and means of what was scored. Positions are those of the scores: of the space, or of the
// proposals.
class Ranking {
 public:
  Ranking(const FilterRequest &request, std::size_t candidates)
      : request_(request), rank_sums_(candidates) {
    const auto add = [&](Tfmem tfmem) { means_.emplace_back(tfmem, MeanScores(candidates)); };
    add(request.tfmem);
    if (request.tfmem != Tfmem::kJacflow) return;
    for (const Tfmem tfmem : {Tfmem::kSynflow, Tfmem::kNasWot}) {
      if (std::find(request.parts.begin(), request.parts.end(), tfmem) != request.parts.end()) {
        add(tfmem);
      }
    }
  }

  // Adds what one bank says. Nothing for a bank without scores: those of closed forms stand in the
  // first.
  void Add(const SpaceScores &bank, const std::stop_token &stop) {
    if (bank.tfmems.empty()) return;
    for (auto &[tfmem, means] : means_) {
      means.Add(bank.of(tfmem));
      ThrowIfStopped(stop);
    }
    const std::vector<double> ranks =
        Ranks(bank.of(request_.tfmem), Traits(request_.tfmem).higher_is_better, stop);
    ThrowIfStopped(stop);
    for (std::size_t i = 0; i < ranks.size(); ++i) rank_sums_[i] += ranks[i];
  }

  // Positions, best first.
  std::vector<std::int64_t> Order(const std::stop_token &stop) const {
    return OrderByMeanRank({rank_sums_},
                           RandomStream::ForPurpose(request_.seed, kTiesPurpose).Next(), stop);
  }

  // Means at these positions: of the TFMEM that ranks, then of what it brought along.
  std::vector<PartScores> At(const std::vector<std::int64_t> &positions, std::int32_t banks) const {
    std::vector<PartScores> found;
    for (const auto &[tfmem, means] : means_) {
      PartScores scores{tfmem, {}, banks};
      for (const std::int64_t position : positions) {
        scores.scores.push_back(means[static_cast<std::size_t>(position)]);
      }
      found.push_back(std::move(scores));
    }
    return found;
  }

 private:
  const FilterRequest &request_;
  std::vector<double> rank_sums_;  // NaN for what some bank did not score
  std::vector<std::pair<Tfmem, MeanScores>> means_;
};

// What ranking gives, and all that it has measured.
struct Ranked {
  FilteredCandidates candidates;
  std::vector<PartScores> measured;
};

// Keeps the candidates of SampleCandidates; where a deadline came before all of those, as many of
// the best as were wanted.
void KeepTheDraw(const FilterRequest &request, const std::stop_token &stop,
                 std::vector<std::int64_t> *order) {
  constexpr std::int64_t kBetweenChecks = 16'384;
  std::vector<char> drawn(static_cast<std::size_t>(SpaceSize(request.space)));
  FairDraw draw(request.space, request.seed);
  for (std::int64_t i = 0; i < *request.n; ++i) {
    if (i % kBetweenChecks == 0) ThrowIfStopped(stop);
    drawn[static_cast<std::size_t>(IndexOf(request.space, draw.Next()))] = 1;
  }
  ThrowIfStopped(stop);
  std::vector<std::int64_t> kept;
  std::copy_if(order->begin(), order->end(), std::back_inserter(kept),
               [&](std::int64_t index) { return drawn[static_cast<std::size_t>(index)] != 0; });
  if (kept.empty()) {
    const auto wanted = static_cast<std::size_t>(std::max<std::int64_t>(*request.n, 1));
    kept.assign(order->begin(),
                order->begin() + static_cast<std::ptrdiff_t>(std::min(wanted, order->size())));
  }
  *order = std::move(kept);
}

Ranked RankWhole(const FilterRequest &request, const ScoringBatch &batch, Clock::time_point until,
                 const RunControl &control) {
  const std::int64_t size = SpaceSize(request.space);
  const Interrupt interrupt(control, until);
  Ranking ranking(request, static_cast<std::size_t>(size));
  Ranked ranked;
  FilteredCandidates &candidates = ranked.candidates;
  // A candidate counts once, however many banks score it.
  Progress uncounted;
  RunControl of_later_banks = control;
  of_later_banks.progress = &uncounted;
  for (; candidates.banks < request.banks; ++candidates.banks) {
    const std::int32_t bank = candidates.banks;
    if (bank > 0 && Traits(request.tfmem).cost == TfmemCost::kClosedForm) continue;
    if (bank > 0 && (!candidates.first_bank.complete || interrupt.TimeIsUp())) break;
    SpaceScores scores = ScoreWhole(request, {request.tfmem}, batch, bank, until,
                                    bank == 0 ? control : of_later_banks);
    if (bank > 0 && !scores.complete) break;
    candidates.drawing_seconds += scores.drawing_seconds;
    ranking.Add(scores, control.stop);
    if (bank == 0) candidates.first_bank = std::move(scores);
  }
  candidates.whole = true;
  candidates.order = ranking.Order(control.stop);
  if (request.n && *request.n < size) KeepTheDraw(request, control.stop, &candidates.order);
  ThrowIfStopped(control.stop);
  ranked.measured = ranking.At(candidates.order, candidates.banks);
  ThrowIfStopped(control.stop);
  return ranked;
}

Ranked RankOneByOne(const FilterRequest &request, const CandidateWeights &weights,
                    const CandidateScorer &scorer, Clock::time_point until,
                    const RunControl &control) {
  const std::unique_ptr<Sampler> sampler =
      request.sampler == SamplerKind::kWhole
          ? std::make_unique<FairSampler>(request.space, request.seed)
          : MakeSampler(request.sampler, request.space, request.seed);
  const std::int64_t n = std::max<std::int64_t>(1, request.n.value_or(kSampledCandidates));
  const OneByOneScores scored =
      ScoreOneByOne(request, {request.tfmem}, n, sampler.get(), weights, scorer, until, control);
  Ranking ranking(request, scored.candidates.size());
  for (const SpaceScores &bank : scored.banks) ranking.Add(bank, control.stop);
  Ranked ranked;
  FilteredCandidates &candidates = ranked.candidates;
  candidates.banks = request.banks;
  candidates.drawing_seconds = scored.drawing_seconds;
  candidates.order = ranking.Order(control.stop);
  ranked.measured = ranking.At(candidates.order, candidates.banks);
  for (std::int64_t &position : candidates.order) {
    position = scored.candidates[static_cast<std::size_t>(position)];
  }
  return ranked;
}

}  // namespace

std::vector<HiddenWidths> SampleCandidates(const SearchSpace &space, std::int64_t n,
                                           std::uint64_t seed) {
  n = std::clamp<std::int64_t>(n, 0, SpaceSize(space));
  std::vector<HiddenWidths> sample;
  sample.reserve(static_cast<std::size_t>(n));
  FairDraw draw(space, seed);
  for (std::int64_t i = 0; i < n; ++i) sample.push_back(draw.Next());
  return sample;
}

bool AreFew(const SearchSpace &space, std::int64_t candidates, TfmemCost cost) noexcept {
  return candidates <
         SpaceSize(space) / (cost <= TfmemCost::kForward ? kForwardGain : kBackwardGain);
}

SpaceScores ScoreWhole(const FilterRequest &request, const std::vector<Tfmem> &tfmems,
                       const ScoringBatch &batch, std::int32_t bank, Clock::time_point until,
                       const RunControl &control) {
  if (request.on_card && std::all_of(tfmems.begin(), tfmems.end(), ScoresOnCard)) {
    return request.on_card(tfmems, bank, until, control);
  }
  return ScoreFullSpace(request.space, tfmems, batch, request.inputs, request.outputs, request.seed,
                        bank, request.threads, until, control);
}

bool RanksWhole(const FilterRequest &request) noexcept {
  return request.sampler == SamplerKind::kWhole &&
         FitsFullSpace(request.space, request.inputs, request.outputs, {request.tfmem}) &&
         !(request.n && AreFew(request.space, *request.n, Traits(request.tfmem).cost));
}

FilteredCandidates FilterCandidates(const FilterRequest &request, const ScoringBatch &batch,
                                    const CandidateScorer &scorer, Clock::time_point until,
                                    const RunControl &control) {
  const CandidateWeights weights(request.space, request.inputs, request.outputs, request.seed,
                                 request.banks);
  Ranked ranked = RanksWhole(request) ? RankWhole(request, batch, until, control)
                                      : RankOneByOne(request, weights, scorer, until, control);
  ranked.candidates.scores = ranked.measured.front().scores;
  if (request.keep) {
    const auto kept = static_cast<std::size_t>(std::max<std::int64_t>(*request.keep, 0));
    for (PartScores &part : ranked.measured) {
      part.scores.resize(std::min(kept, part.scores.size()));
    }
  }
  ScoreParts(request, ranked.measured, batch, weights, scorer, until, control, &ranked.candidates);
  return std::move(ranked.candidates);
}

}  // namespace trails
