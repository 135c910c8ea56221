#include "core/selection.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "core/data/embedding.h"
#include "core/filtering/shortlist.h"
#include "core/filtering_phase.h"
#include "core/model/artefact.h"
#include "core/refinement/successive_halving.h"
#include "core/refinement/verdict.h"

namespace trails {

namespace {

constexpr double kFilteringShare = 0.05;  // of the budget, at most

// Candidates that the refinement phase chooses from; a plan that trains more gets more.
constexpr std::int64_t kShortlisted = 5000;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// What the filtering phase found, and what of it the refinement phase looks at.
struct Filtered {
  FilteredCandidates all;
  std::vector<ScoredCandidate> shortlist;
  double seconds = 0;
};

Filtered Filter(const Dataset &data, const kernels::FieldPlan &plan,
                const SelectionOptions &options, const RunControl &control) {
  const Clock::time_point start = Clock::now();
  control.progress->Enter(Phase::kFiltering);
  const std::chrono::duration<double> share(kFilteringShare * control.budget_seconds());
  const Clock::time_point until = options.plan_is_fixed()
                                      ? control.deadline
                                      : start + std::chrono::duration_cast<Clock::duration>(share);
  Filtered filtered;
  filtered.all = FilterDataset(data, options, until, control);
  filtered.shortlist =
      Shortlist(options.space, plan.fields * kEmbeddingWidth, data.target.outputs(), filtered.all,
                options.seed, std::max(kShortlisted, options.k.value_or(0)));
  filtered.seconds = SecondsSince(start);
  return filtered;
}

// The candidates to report: what was trained, and the best of the others. `refined` has them by
// their place in the shortlist, which its epochs refer to.
class CandidateReport {
 public:
  CandidateReport(const SearchSpace &space, const Filtered &filtered)
      : space_(space), filtered_(filtered) {
    for (std::size_t i = 0; i < filtered.shortlist.size(); ++i) {
      place_.emplace(IndexOf(space, filtered.shortlist[i].widths), i);
    }
    ranks_.resize(filtered.shortlist.size());
    for (std::size_t i = 0; i < filtered.all.order.size(); ++i) {
      const auto found = place_.find(filtered.all.order[i]);
      if (found != place_.end()) ranks_[found->second] = static_cast<std::int32_t>(i) + 1;
    }
  }

  void Fill(const Dataset &data, std::int64_t keep, RefinementResult *refined,
            SelectionResult *result) {
    std::vector<std::int32_t> moved(refined->candidates.size(), -1);
    trained_.assign(ranks_.size(), false);
    for (std::size_t i = 0; i < refined->candidates.size(); ++i) {
      CandidateResult &candidate = refined->candidates[i];
      const bool is_seed = i >= ranks_.size();
      if (!is_seed && candidate.rung < 0) continue;
      if (!is_seed) trained_[i] = true;
      candidate.rank = ranks_[static_cast<std::size_t>(candidate.rank - 1)];
      candidate.score = ReportedScore(candidate.score);
      moved[i] = static_cast<std::int32_t>(result->candidates.size());
      result->candidates.push_back(std::move(candidate));
    }
    result->epochs = std::move(refined->epochs);
    for (EpochResult &epoch : result->epochs) {
      epoch.candidate = moved[static_cast<std::size_t>(epoch.candidate)];
    }
    AddOthers(data, keep, &result->candidates);
  }

 private:
  void AddOthers(const Dataset &data, std::int64_t keep,
                 std::vector<CandidateResult> *candidates) const {
    const std::int32_t inputs = data.fields.Plan().fields * kEmbeddingWidth;
    for (std::size_t i = 0; i < filtered_.all.order.size() && keep > 0; ++i) {
      const auto found = place_.find(filtered_.all.order[i]);
      if (found != place_.end() && trained_[found->second]) continue;
      const HiddenWidths widths = CandidateAt(space_, filtered_.all.order[i]);
      CandidateResult candidate;
      candidate.architecture = ArchitectureName(widths);
      candidate.rank = static_cast<std::int32_t>(i) + 1;
      candidate.score = ReportedScore(filtered_.all.scores[i]);
      candidate.params = CountParameters(widths, inputs, data.target.outputs());
      candidates->push_back(std::move(candidate));
      --keep;
    }
  }

  const SearchSpace &space_;
  const Filtered &filtered_;
  std::unordered_map<std::int64_t, std::size_t> place_;  // CandidateAt's index -> in the shortlist
  std::vector<std::int32_t> ranks_;                      // [shortlist] from 1
  std::vector<bool> trained_;                            // [shortlist]
};

void FillVerdict(const Dataset &data, const Verdict &verdict, const RefinementResult &refined,
                 SelectionResult *result) {
  result->task = data.target.task;
  result->metric = data.metric;
  result->architecture = verdict.members.front()->network.architecture;
  result->members = static_cast<std::int32_t>(verdict.members.size());
  result->valid = verdict.valid;
  result->test = verdict.test;
  result->floor = verdict.floor_test;
  result->floor_valid = refined.floor.valid;
  result->train_rows = std::ssize(data.split.train);
  result->valid_rows = std::ssize(data.split.valid);
  result->test_rows = std::ssize(data.split.test);
  result->data_hash = data.data_hash;
  result->fields = data.fields.Describe();
  Model model{data.fields, data.target, data.metric, {}};
  for (const Finalist *member : verdict.members) model.networks.push_back(member->network);
  result->artefact = WriteArtefact(model);
}

// A rung that the deadline ended before anything was judged in it does not count.
std::int32_t TrainedRungs(const RefinementResult &refined) {
  std::int32_t last = -1;
  for (const CandidateResult &candidate : refined.candidates) {
    last = std::max(last, candidate.rung);
  }
  return last + 1;
}

void FillPlan(std::int64_t scored, const RefinementResult &refined, SelectionResult *result) {
  result->candidates_scored = scored;
  result->candidates_trained = refined.trained;
  result->n = scored;
  result->k = refined.first_rung;
  result->u = refined.first_epochs;
  result->rungs = TrainedRungs(refined);
  result->stopped_early = refined.stopped_early;
}

}  // namespace

SelectionResult Select(Table &&table, const SelectionOptions &options, const RunControl &control) {
  SelectionResult result;
  Clock::time_point phase_start = Clock::now();
  result.seconds.reading = std::chrono::duration<double>(phase_start - control.start).count();
  result.rows = table.rows();
  control.progress->Enter(Phase::kEncoding);
  const Dataset data = BuildDataset(std::move(table), options, &result.notices, control.stop);
  const kernels::FieldPlan plan = data.fields.Plan();
  result.seconds.encoding = SecondsSince(phase_start);
  Interrupt(control).Check();

  const Filtered filtered = Filter(data, plan, options, control);
  result.seconds.filtering = filtered.seconds;

  phase_start = Clock::now();
  control.progress->Enter(Phase::kRefinement);
  RefinementResult refined =
      SuccessiveHalving(data, plan, filtered.shortlist, options, control).Run();
  result.seconds.refinement = SecondsSince(phase_start);

  if (refined.finalists.empty() && control.finish != nullptr && control.finish->load()) {
    throw Error(ErrorKind::kCancelled,
                "model selection was cancelled before a network was trained");
  }

  phase_start = Clock::now();
  control.progress->Enter(Phase::kFinal);
  const Verdict verdict = JudgeFinalists(data, plan, refined, options.threads, control);
  AddVerdictNotices(refined, verdict, data, &result.notices);
  FillVerdict(data, verdict, refined, &result);
  FillPlan(std::ssize(filtered.all.order), refined, &result);
  CandidateReport(options.space, filtered).Fill(data, options.keep_candidates, &refined, &result);
  result.seconds.final = SecondsSince(phase_start);
  return result;
}

}  // namespace trails
