#include "core/filtering/filter.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <memory>
#include <utility>

#include "core/filtering/fair_draw.h"
#include "core/filtering/one_by_one.h"
#include "core/filtering/ranking.h"
#include "core/filtering/sampler.h"
#include "core/filtering/weight_bank.h"
#include "core/interrupt.h"
#include "core/random.h"

namespace trails {

namespace {

constexpr std::uint64_t kWeightsPurpose = 0x77656967;    // "weig"; the banks follow
constexpr std::uint64_t kTiesPurpose = 0x74696573;       // "ties"
constexpr std::uint64_t kShortlistPurpose = 0x73686F72;  // "shor"

// A candidate costs the full-space scorer so many times less than one by one (docs/benchmarks.md).
// A share of the space below 1 / so many is scored one by one.
constexpr std::int64_t kForwardGain = 1'000;
constexpr std::int64_t kBackwardGain = 10;

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

// The TFMEMs that a request needs scored, each once, jacflow as its parts. The first is the one
// that a sampler is told: of jacflow, synflow.
std::vector<Tfmem> Measured(const FilterRequest &request) {
  std::vector<Tfmem> measured;
  const auto add = [&](Tfmem tfmem) {
    if (std::find(measured.begin(), measured.end(), tfmem) == measured.end()) {
      measured.push_back(tfmem);
    }
  };
  const auto add_parts = [&](Tfmem tfmem) {
    if (tfmem == Tfmem::kJacflow) {
      add(Tfmem::kSynflow);
      add(Tfmem::kNasWot);
    } else {
      add(tfmem);
    }
  };
  add_parts(request.tfmem);
  for (const Tfmem part : request.parts) add_parts(part);
  return measured;
}

bool Wants(const FilterRequest &request, Tfmem tfmem) {
  return request.tfmem == tfmem ||
         std::find(request.parts.begin(), request.parts.end(), tfmem) != request.parts.end();
}

// Means over banks, added up bank by bank so that one bank at a time is in memory.
class MeanScores {
 public:
  MeanScores(Tfmem tfmem, std::size_t candidates)
      : tfmem_(tfmem), sums_(candidates), valid_(candidates) {}

  // Nothing for a bank that has no scores of it: those of closed forms stand in the first.
  void Add(const SpaceScores &bank) {
    const auto found = std::find(bank.tfmems.begin(), bank.tfmems.end(), tfmem_);
    if (found == bank.tfmems.end()) return;
    const std::vector<double> &scores =
        bank.scores[static_cast<std::size_t>(found - bank.tfmems.begin())];
    for (std::size_t i = 0; i < scores.size(); ++i) {
      if (!std::isfinite(scores[i])) continue;
      sums_[i] += scores[i];
      ++valid_[i];
    }
  }

  std::vector<double> At(const std::vector<std::int64_t> &positions) const {
    std::vector<double> means;
    means.reserve(positions.size());
    for (const std::int64_t position : positions) {
      const auto i = static_cast<std::size_t>(position);
      means.push_back(valid_[i] == 0 ? kInvalidScore : sums_[i] / valid_[i]);
    }
    return means;
  }

 private:
  Tfmem tfmem_;
  std::vector<double> sums_;
  std::vector<std::int32_t> valid_;
};

// Ranks and means of what was scored. Positions are those of the scores: of the space, or of the
// proposals.
class Ranking {
 public:
  Ranking(const FilterRequest &request, std::size_t candidates)
      : request_(request), rank_sums_(candidates), scores_(request.tfmem, candidates) {
    for (const Tfmem part : request.parts) parts_.emplace_back(part, candidates);
  }

  // Adds what one bank says; jacflow, where wanted, is put beside its parts.
  void Add(SpaceScores *bank) {
    if (Wants(request_, Tfmem::kJacflow) && std::find(bank->tfmems.begin(), bank->tfmems.end(),
                                                      Tfmem::kJacflow) == bank->tfmems.end()) {
      std::vector<double> jacflow = Jacflow(bank->of(Tfmem::kNasWot), bank->of(Tfmem::kSynflow));
      bank->tfmems.push_back(Tfmem::kJacflow);
      bank->scores.push_back(std::move(jacflow));
    }
    scores_.Add(*bank);
    for (MeanScores &part : parts_) part.Add(*bank);
    if (std::find(bank->tfmems.begin(), bank->tfmems.end(), request_.tfmem) == bank->tfmems.end()) {
      return;
    }
    const std::vector<double> ranks =
        Ranks(bank->of(request_.tfmem), Traits(request_.tfmem).higher_is_better);
    for (std::size_t i = 0; i < ranks.size(); ++i) rank_sums_[i] += ranks[i];
  }

  // Positions, best first.
  std::vector<std::int64_t> Order() const {
    return OrderByMeanRank({rank_sums_},
                           RandomStream::ForPurpose(request_.seed, kTiesPurpose).Next());
  }

  FilteredCandidates At(const std::vector<std::int64_t> &positions) const {
    FilteredCandidates filtered;
    filtered.scores = scores_.At(positions);
    for (const MeanScores &part : parts_) filtered.parts.push_back(part.At(positions));
    return filtered;
  }

 private:
  const FilterRequest &request_;
  std::vector<double> rank_sums_;  // NaN for what some bank did not score
  MeanScores scores_;
  std::vector<MeanScores> parts_;
};

// Keeps the candidates of SampleCandidates; where a deadline came before all of those, as many of
// the best as were wanted.
void KeepTheDraw(const FilterRequest &request, std::vector<std::int64_t> *order) {
  std::vector<char> drawn(static_cast<std::size_t>(SpaceSize(request.space)));
  for (const HiddenWidths &widths : SampleCandidates(request.space, *request.n, request.seed)) {
    drawn[static_cast<std::size_t>(IndexOf(request.space, widths))] = 1;
  }
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

FilteredCandidates FilterWhole(const FilterRequest &request, std::vector<Tfmem> measured,
                               const ScoringBatch &batch, Clock::time_point until,
                               const RunControl &control) {
  const std::int64_t size = SpaceSize(request.space);
  const Interrupt interrupt(control, until);
  Ranking ranking(request, static_cast<std::size_t>(size));
  SpaceScores first_bank;
  double drawing_seconds = 0;
  // A candidate counts once, however many banks score it.
  Progress uncounted;
  RunControl of_later_banks = control;
  of_later_banks.progress = &uncounted;
  for (std::int32_t bank = 0; bank < request.banks && !measured.empty(); ++bank) {
    if (bank > 0 && (!first_bank.complete || interrupt.TimeIsUp())) break;
    SpaceScores scores = ScoreFullSpace(request.space, measured, batch, request.inputs,
                                        request.outputs, request.seed, bank, request.threads, until,
                                        bank == 0 ? control : of_later_banks);
    if (bank > 0 && !scores.complete) break;
    drawing_seconds += scores.drawing_seconds;
    ranking.Add(&scores);
    Interrupt(control).Check();
    if (bank == 0) first_bank = std::move(scores);
    std::erase_if(measured,
                  [](Tfmem tfmem) { return Traits(tfmem).cost == TfmemCost::kClosedForm; });
  }
  std::vector<std::int64_t> order = ranking.Order();
  if (request.n && *request.n < size) KeepTheDraw(request, &order);
  FilteredCandidates filtered = ranking.At(order);
  filtered.order = std::move(order);
  filtered.drawing_seconds = drawing_seconds;
  filtered.whole = true;
  filtered.first_bank = std::move(first_bank);
  return filtered;
}

FilteredCandidates FilterOneByOne(const FilterRequest &request, const std::vector<Tfmem> &measured,
                                  const WeightsOf &weights, const CandidateScorer &scorer,
                                  Clock::time_point until, const RunControl &control) {
  const std::unique_ptr<Sampler> sampler =
      request.sampler == SamplerKind::kWhole
          ? std::make_unique<FairSampler>(request.space, request.seed)
          : MakeSampler(request.sampler, request.space, request.seed);
  const std::int64_t n = std::max<std::int64_t>(1, request.n.value_or(kSampledCandidates));
  OneByOneScores scored =
      ScoreOneByOne(request, measured, n, sampler.get(), weights, scorer, until, control);
  Ranking ranking(request, scored.candidates.size());
  for (SpaceScores &bank : scored.banks) ranking.Add(&bank);
  std::vector<std::int64_t> order = ranking.Order();
  FilteredCandidates filtered = ranking.At(order);
  filtered.drawing_seconds = scored.drawing_seconds;
  for (std::int64_t &position : order) {
    position = IndexOf(request.space, scored.candidates[static_cast<std::size_t>(position)]);
  }
  filtered.order = std::move(order);
  return filtered;
}

// Weights that have nothing to do with those of another candidate or bank.
WeightsOf OwnWeights(const FilterRequest &request) {
  return [&request](const HiddenWidths &widths, std::int32_t bank) {
    const auto of_bank =
        RandomStream::ForPurpose(request.seed, kWeightsPurpose + static_cast<std::uint64_t>(bank));
    const auto index = static_cast<std::uint64_t>(IndexOf(request.space, widths));
    return DrawWeights(widths, request.inputs, request.outputs, of_bank.After(index).Next());
  };
}

// The weights that the full-space scorer has for a candidate.
WeightsOf SlicesOfBanks(const FilterRequest &request) {
  std::vector<std::shared_ptr<const WeightBank>> banks;
  for (std::int32_t bank = 0; bank < request.banks; ++bank) {
    banks.push_back(std::make_shared<WeightBank>(request.space, request.inputs, request.outputs,
                                                 request.seed, bank, /*backward_panels=*/false));
  }
  return [banks](const HiddenWidths &widths, std::int32_t bank) {
    return banks[static_cast<std::size_t>(bank)]->Slice(widths);
  };
}

// Whether n candidates are so few that the whole space would take longer.
bool AreFew(const FilterRequest &request, const std::vector<Tfmem> &measured) {
  if (!request.n) return false;
  TfmemCost highest = TfmemCost::kClosedForm;
  for (const Tfmem tfmem : measured) highest = std::max(highest, Traits(tfmem).cost);
  const std::int64_t gain = highest <= TfmemCost::kForward ? kForwardGain : kBackwardGain;
  return *request.n < SpaceSize(request.space) / gain;
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

FilteredCandidates FilterCandidates(const FilterRequest &request, const ScoringBatch &batch,
                                    const CandidateScorer &scorer, Clock::time_point until,
                                    const RunControl &control) {
  const std::vector<Tfmem> measured = Measured(request);
  if (request.sampler != SamplerKind::kWhole ||
      !FitsFullSpace(request.space, request.inputs, request.outputs, measured)) {
    return FilterOneByOne(request, measured, OwnWeights(request), scorer, until, control);
  }
  if (AreFew(request, measured)) {
    return FilterOneByOne(request, measured, SlicesOfBanks(request), scorer, until, control);
  }
  return FilterWhole(request, measured, batch, until, control);
}

namespace {

constexpr std::size_t kQuarters = 4;

// The candidates of one depth, as positions in FilteredCandidates::order, in quarters by the
// number of parameters; equal numbers stand in one quarter. Best rank first within a quarter.
std::array<std::vector<std::size_t>, kQuarters> QuartersOf(
    const std::vector<std::size_t> &positions, const std::vector<std::int64_t> &params) {
  std::vector<std::int64_t> sorted;
  for (const std::size_t position : positions) sorted.push_back(params[position]);
  std::sort(sorted.begin(), sorted.end());
  std::array<std::vector<std::size_t>, kQuarters> quarters;
  for (const std::size_t position : positions) {
    const auto below = static_cast<std::size_t>(
        std::lower_bound(sorted.begin(), sorted.end(), params[position]) - sorted.begin());
    quarters[below * kQuarters / sorted.size()].push_back(position);
  }
  return quarters;
}

// Positions of the order, as Shortlist wants them; at most `count`.
std::vector<std::size_t> TakeTurns(std::vector<std::vector<std::size_t>> strata, std::uint64_t seed,
                                   std::size_t count) {
  RandomStream random = RandomStream::ForPurpose(seed, kShortlistPurpose);
  std::vector<std::size_t> taken;
  for (std::size_t turn = 0; taken.size() < count; ++turn) {
    std::erase_if(strata,
                  [&](const std::vector<std::size_t> &stratum) { return turn >= stratum.size(); });
    if (strata.empty()) break;
    random.Shuffle(strata.data(), std::ssize(strata));
    for (std::size_t s = 0; s < strata.size() && taken.size() < count; ++s) {
      taken.push_back(strata[s][turn]);
    }
  }
  return taken;
}

}  // namespace

std::vector<ScoredCandidate> Shortlist(const SearchSpace &space, std::int32_t inputs,
                                       std::int32_t outputs, const FilteredCandidates &filtered,
                                       std::uint64_t seed, std::int64_t count) {
  std::vector<std::int64_t> params;
  params.reserve(filtered.order.size());
  std::vector<std::vector<std::size_t>> depths(static_cast<std::size_t>(space.max_layers) + 1);
  for (std::size_t position = 0; position < filtered.order.size(); ++position) {
    const HiddenWidths widths = CandidateAt(space, filtered.order[position]);
    params.push_back(CountParameters(widths, inputs, outputs));
    depths[widths.size()].push_back(position);
  }
  std::vector<std::vector<std::size_t>> strata;
  for (const std::vector<std::size_t> &depth : depths) {
    if (depth.empty()) continue;
    for (std::vector<std::size_t> &quarter : QuartersOf(depth, params)) {
      strata.push_back(std::move(quarter));
    }
  }
  std::vector<ScoredCandidate> shortlist;
  const auto wanted = static_cast<std::size_t>(std::max<std::int64_t>(count, 0));
  for (const std::size_t position : TakeTurns(std::move(strata), seed, wanted)) {
    shortlist.push_back({CandidateAt(space, filtered.order[position]), filtered.scores[position],
                         params[position]});
  }
  return shortlist;
}

}  // namespace trails
