#include "core/filtering/part_scores.h"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "core/filtering/mean_scores.h"
#include "core/filtering/one_by_one.h"
#include "core/filtering/sampler.h"
#include "core/interrupt.h"

namespace trails {

namespace {

bool Contains(const std::vector<Tfmem> &tfmems, Tfmem tfmem) {
  return std::find(tfmems.begin(), tfmems.end(), tfmem) != tfmems.end();
}

// Proposes given candidates, in their order.
class RankedCandidates final : public Sampler {
 public:
  RankedCandidates(const SearchSpace &space, std::span<const std::int64_t> order)
      : space_(space), left_(order) {}

  std::optional<HiddenWidths> Propose() override {
    if (left_.empty()) return std::nullopt;
    const std::int64_t index = left_.front();
    left_ = left_.subspan(1);
    return CandidateAt(space_, index);
  }
  void Tell(const HiddenWidths & /*widths*/, double /*score*/) override {}

 private:
  const SearchSpace &space_;
  std::span<const std::int64_t> left_;
};

// One call of ScoreParts.
class PartRun {
 public:
  PartRun(const FilterRequest &request, const std::vector<PartScores> &known,
          const ScoringBatch &batch, const CandidateWeights &weights, const CandidateScorer &scorer,
          Clock::time_point until, const RunControl &control, FilteredCandidates *ranked)
      : request_(request),
        batch_(batch),
        weights_(weights),
        scorer_(scorer),
        until_(until),
        uncounted_(control),
        interrupt_(control, until),
        ranked_(*ranked),
        kept_(KeptOf(request, *ranked)),
        found_(known) {
    uncounted_.progress = &progress_;
  }

  void ScoreAll() {
    ScoreClosedForms();
    if (Contains(Missing(TfmemCost::kForward), Tfmem::kJacflow)) {
      Score({Tfmem::kJacflow, Tfmem::kSynflow, Tfmem::kNasWot}, TfmemCost::kForward,
            ranked_.order.size());
    }
    for (const TfmemCost cost : {TfmemCost::kForward, TfmemCost::kBackward}) {
      Score(Missing(cost), cost, kept_);
    }
    for (const Tfmem tfmem : Missing(TfmemCost::kManyPasses)) {
      Score({tfmem}, TfmemCost::kManyPasses, kept_);
    }
    for (const Tfmem part : request_.parts) {
      const PartScores &found = *Find(part);
      ranked_.parts.push_back(found.scores);
      ranked_.part_banks.push_back(found.banks);
    }
  }

 private:
  static std::size_t KeptOf(const FilterRequest &request, const FilteredCandidates &ranked) {
    const std::int64_t all = std::ssize(ranked.order);
    return static_cast<std::size_t>(std::clamp<std::int64_t>(request.keep.value_or(all), 0, all));
  }

  std::vector<PartScores>::const_iterator Find(Tfmem tfmem) const {
    return std::find_if(found_.begin(), found_.end(),
                        [&](const PartScores &found) { return found.tfmem == tfmem; });
  }

  // Parts of this cost that have no scores yet, each once.
  std::vector<Tfmem> Missing(TfmemCost cost) const {
    std::vector<Tfmem> missing;
    for (const Tfmem part : request_.parts) {
      if (Traits(part).cost != cost || Contains(missing, part)) continue;
      if (Find(part) == found_.end()) missing.push_back(part);
    }
    return missing;
  }

  void ScoreClosedForms() {
    for (const Tfmem tfmem : Missing(TfmemCost::kClosedForm)) {
      PartScores part{tfmem, {}, ranked_.banks};
      for (std::size_t i = 0; i < kept_; ++i) {
        part.scores.push_back(ClosedFormScore(tfmem, CandidateAt(request_.space, ranked_.order[i]),
                                              request_.inputs, request_.outputs, request_.seed));
      }
      found_.push_back(std::move(part));
    }
  }

  // Scores the best `candidates` by TFMEMs of one cost.
  void Score(const std::vector<Tfmem> &tfmems, TfmemCost cost, std::size_t candidates) {
    if (tfmems.empty()) return;
    std::vector<MeanScores> means(tfmems.size(), MeanScores(kept_));
    std::int32_t banks = 0;
    if (candidates > 0 && !interrupt_.TimeIsUp()) {
      const bool whole = ranked_.whole &&
                         !AreFew(request_.space, static_cast<std::int64_t>(candidates), cost) &&
                         FitsFullSpace(request_.space, request_.inputs, request_.outputs, tfmems);
      banks = whole ? ScoreWhole(tfmems, &means) : ScoreEach(tfmems, candidates, &means);
    }
    for (std::size_t t = 0; t < tfmems.size(); ++t) {
      if (Find(tfmems[t]) != found_.end()) continue;
      PartScores part{tfmems[t], {}, banks};
      for (std::size_t i = 0; i < kept_; ++i) part.scores.push_back(means[t][i]);
      found_.push_back(std::move(part));
    }
  }

  // The banks that there was time for.
  std::int32_t ScoreWhole(const std::vector<Tfmem> &tfmems, std::vector<MeanScores> *means) {
    std::int32_t banks = 0;
    for (bool complete = true; complete && banks < ranked_.banks; ++banks) {
      if (interrupt_.TimeIsUp()) break;
      SpaceScores bank = trails::ScoreWhole(request_, tfmems, batch_, banks, until_, uncounted_);
      complete = bank.complete;
      if (banks > 0 && !complete) break;
      ranked_.drawing_seconds += bank.drawing_seconds;
      for (std::size_t t = 0; t < tfmems.size(); ++t) {
        const std::vector<double> &scores = bank.of(tfmems[t]);
        std::vector<double> kept;
        for (std::size_t i = 0; i < kept_; ++i) {
          kept.push_back(scores[static_cast<std::size_t>(ranked_.order[i])]);
        }
        (*means)[t].Add(kept);
      }
      if (banks == 0) AddToFirstBank(std::move(bank));
    }
    return banks;
  }

  void AddToFirstBank(SpaceScores bank) {
    SpaceScores &first = ranked_.first_bank;
    for (std::size_t t = 0; t < bank.tfmems.size(); ++t) {
      if (Contains(first.tfmems, bank.tfmems[t])) continue;
      first.tfmems.push_back(bank.tfmems[t]);
      first.scores.push_back(std::move(bank.scores[t]));
    }
    first.complete = first.complete && bank.complete;
  }

  std::int32_t ScoreEach(const std::vector<Tfmem> &tfmems, std::size_t candidates,
                         std::vector<MeanScores> *means) {
    FilterRequest of_parts = request_;
    of_parts.banks = ranked_.banks;
    RankedCandidates best(request_.space, std::span(ranked_.order).first(candidates));
    const OneByOneScores scored =
        ScoreOneByOne(of_parts, tfmems, static_cast<std::int64_t>(candidates), &best, weights_,
                      scorer_, until_, uncounted_);
    ranked_.drawing_seconds += scored.drawing_seconds;
    for (const SpaceScores &bank : scored.banks) {
      for (std::size_t t = 0; t < tfmems.size(); ++t) {
        const std::span<const double> scores = bank.of(tfmems[t]);
        (*means)[t].Add(scores.first(std::min(kept_, scores.size())));
      }
    }
    return ranked_.banks;
  }

  const FilterRequest &request_;
  const ScoringBatch &batch_;
  const CandidateWeights &weights_;
  const CandidateScorer &scorer_;
  const Clock::time_point until_;
  Progress progress_;  // a candidate counts once: when it was ranked
  RunControl uncounted_;
  const Interrupt interrupt_;
  FilteredCandidates &ranked_;
  const std::size_t kept_;
  std::vector<PartScores> found_;
};

}  // namespace

void ScoreParts(const FilterRequest &request, const std::vector<PartScores> &known,
                const ScoringBatch &batch, const CandidateWeights &weights,
                const CandidateScorer &scorer, Clock::time_point until, const RunControl &control,
                FilteredCandidates *ranked) {
  PartRun(request, known, batch, weights, scorer, until, control, ranked).ScoreAll();
}

}  // namespace trails
