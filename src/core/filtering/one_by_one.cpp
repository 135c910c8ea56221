#include "core/filtering/one_by_one.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <deque>
#include <iterator>
#include <memory_resource>
#include <mutex>
#include <optional>
#include <utility>

#include "core/data/parallel_for.h"
#include "core/filtering/ranking.h"
#include "core/interrupt.h"

namespace trails {

namespace {

bool Contains(const std::vector<Tfmem> &tfmems, Tfmem tfmem) {
  return std::find(tfmems.begin(), tfmems.end(), tfmem) != tfmems.end();
}

// What has to be measured for these, each once, jacflow as its parts.
std::vector<Tfmem> Measured(const std::vector<Tfmem> &tfmems) {
  std::vector<Tfmem> measured;
  for (const Tfmem tfmem : tfmems) {
    const std::vector<Tfmem> parts = tfmem == Tfmem::kJacflow
                                         ? std::vector{Tfmem::kSynflow, Tfmem::kNasWot}
                                         : std::vector{tfmem};
    std::copy_if(parts.begin(), parts.end(), std::back_inserter(measured),
                 [&](Tfmem part) { return !Contains(measured, part); });
  }
  return measured;
}

// One proposal and its scores, [bank][measured]; kNotScored for closed forms in later banks and for
// what there was no time for. Without a destructor: millions of them are dropped at once.
struct Proposal {
  std::int64_t index;  // CandidateAt's
  double *scores;
  double drawing_seconds;
  bool is_first;
};

// What the threads share: the sampler and the proposals are under one lock, scoring is not.
class Scoring {
 public:
  Scoring(const FilterRequest &request, const std::vector<Tfmem> &measured, std::int64_t n,
          Sampler *sampler, const CandidateWeights &weights, const CandidateScorer &scorer,
          Clock::time_point until, const RunControl &control)
      : request_(request),
        measured_(measured),
        scores_of_one_(static_cast<std::size_t>(request.banks) * measured.size()),
        n_(n),
        sampler_(*sampler),
        weights_(weights),
        scorer_(scorer),
        control_(control),
        interrupt_(control, until) {}

  // Scores proposals until there is none left, time is up or another thread failed.
  void Work() {
    try {
      HiddenWidths widths;
      while (Proposal *const proposal = Take(&widths)) {
        Score(widths, proposal);
        const std::lock_guard lock(mutex_);
        sampler_.Tell(widths, Told(*proposal));
        control_.progress->candidates_scored.fetch_add(1, std::memory_order_relaxed);
      }
    } catch (...) {
      failed_ = true;
      throw;
    }
  }

  // Call it when no thread works any more.
  OneByOneScores Finish();

 private:
  // The next proposal and, in it, where its scores go; null when there is none.
  Proposal *Take(HiddenWidths *widths) {
    ThrowIfCancelled();
    const std::lock_guard lock(mutex_);
    if (failed_ || std::ssize(proposals_) >= n_) return nullptr;
    if (!proposals_.empty() && interrupt_.TimeIsUp()) return nullptr;
    std::optional<HiddenWidths> proposed = sampler_.Propose();
    if (!proposed) return nullptr;
    *widths = std::move(*proposed);
    auto *const scores =
        static_cast<double *>(memory_.allocate(scores_of_one_ * sizeof(double), alignof(double)));
    std::fill_n(scores, scores_of_one_, kNotScored);
    return &proposals_.emplace_back(
        Proposal{IndexOf(request_.space, *widths), scores, 0, proposals_.empty()});
  }

  void ThrowIfCancelled() const {
    if (control_.stop.stop_requested()) {
      throw Error(ErrorKind::kCancelled, "scoring of candidates was cancelled");
    }
  }

  void Score(const HiddenWidths &widths, Proposal *proposal) const;
  double Told(const Proposal &proposal) const;

  const FilterRequest &request_;
  const std::vector<Tfmem> &measured_;
  const std::size_t scores_of_one_;
  const std::int64_t n_;
  Sampler &sampler_;
  const CandidateWeights &weights_;
  const CandidateScorer &scorer_;
  const RunControl &control_;
  const Interrupt interrupt_;
  std::mutex mutex_;
  std::atomic<bool> failed_{false};
  std::deque<Proposal> proposals_;              // elements stay where they are
  std::pmr::monotonic_buffer_resource memory_;  // of their scores
};

void Scoring::Score(const HiddenWidths &widths, Proposal *proposal) const {
  double *score = proposal->scores;
  for (std::int32_t bank = 0; bank < request_.banks; ++bank) {
    std::optional<InitialWeights> weights;
    for (const Tfmem tfmem : measured_) {
      ThrowIfCancelled();
      if (Traits(tfmem).cost == TfmemCost::kClosedForm) {
        if (bank == 0) {
          *score = ClosedFormScore(tfmem, widths, request_.inputs, request_.outputs, request_.seed);
        }
        ++score;
        continue;
      }
      if (!proposal->is_first && interrupt_.TimeIsUp()) return;
      if (!weights) {
        const Clock::time_point drawing = Clock::now();
        weights = weights_.Of(widths, bank);
        proposal->drawing_seconds += std::chrono::duration<double>(Clock::now() - drawing).count();
      }
      *score++ = scorer_(tfmem, *weights, bank);
    }
  }
}

double Scoring::Told(const Proposal &proposal) const {
  double sum = 0;
  double valid = 0;
  for (std::size_t at = 0; at < scores_of_one_; at += measured_.size()) {
    if (!std::isfinite(proposal.scores[at])) continue;
    sum += proposal.scores[at];
    ++valid;
  }
  // 0 / 0 is NaN: invalid in all banks.
  return (Traits(measured_.front()).higher_is_better ? sum : -sum) / valid;
}

OneByOneScores Scoring::Finish() {
  OneByOneScores result;
  result.banks.resize(static_cast<std::size_t>(request_.banks));
  for (std::size_t bank = 0; bank < result.banks.size(); ++bank) {
    for (std::size_t t = 0; t < measured_.size(); ++t) {
      if (bank > 0 && Traits(measured_[t]).cost == TfmemCost::kClosedForm) continue;
      std::vector<double> scores;
      scores.reserve(proposals_.size());
      for (const Proposal &proposal : proposals_) {
        scores.push_back(proposal.scores[bank * measured_.size() + t]);
      }
      result.banks[bank].tfmems.push_back(measured_[t]);
      result.banks[bank].scores.push_back(std::move(scores));
    }
  }
  result.candidates.reserve(proposals_.size());
  for (const Proposal &proposal : proposals_) {
    result.drawing_seconds += proposal.drawing_seconds;
    result.candidates.push_back(proposal.index);
  }
  return result;
}

}  // namespace

OneByOneScores ScoreOneByOne(const FilterRequest &request, const std::vector<Tfmem> &tfmems,
                             std::int64_t n, Sampler *sampler, const CandidateWeights &weights,
                             const CandidateScorer &scorer, Clock::time_point until,
                             const RunControl &control) {
  const std::vector<Tfmem> measured = Measured(tfmems);
  Scoring scoring(request, measured, n, sampler, weights, scorer, until, control);
  // Each thread takes candidates until it finds none; the stop is looked at within.
  const auto threads = static_cast<std::int32_t>(
      std::min<std::int64_t>(request.threads, std::max<std::int64_t>(n, 1)));
  ParallelFor(threads, threads, /*stop=*/{}, [&](std::int64_t) { scoring.Work(); });
  OneByOneScores result = scoring.Finish();
  if (Contains(tfmems, Tfmem::kJacflow)) {
    for (SpaceScores &bank : result.banks) {
      std::vector<double> jacflow =
          Jacflow(bank.of(Tfmem::kNasWot), bank.of(Tfmem::kSynflow), request.threads, control.stop);
      bank.tfmems.push_back(Tfmem::kJacflow);
      bank.scores.push_back(std::move(jacflow));
    }
  }
  return result;
}

}  // namespace trails
