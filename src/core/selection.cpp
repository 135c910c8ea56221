#include "core/selection.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "core/contest.h"
#include "core/coordinator/single_training.h"
#include "core/data/embedding.h"
#include "core/filtering/shortlist.h"
#include "core/filtering_phase.h"
#include "core/model/artefact.h"
#include "core/placing.h"
#include "core/refinement/calibration.h"
#include "core/refinement/refinement_phase.h"
#include "core/refinement/verdict.h"
#include "core/selection_report.h"

namespace trails {

namespace {

constexpr double kFilteringShare = 0.05;      // of the budget, at most
constexpr double kPlannedFilterShare = 0.01;  // that a plan spends on it
constexpr double kPlannedCalibration = 0.02;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Clock::time_point InSeconds(double seconds) {
  return Clock::now() +
         std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

// Returns work(), and in `seconds` how long it took.
template <typename Work>
auto Timed(double *seconds, Work work) {
  const Clock::time_point start = Clock::now();
  auto result = work();
  *seconds = SecondsSince(start);
  return result;
}

PlanStep StepOf(std::string name, std::int64_t models, double seconds) {
  PlanStep step;
  step.name = std::move(name);
  step.models = models;
  step.seconds = seconds;
  return step;
}

Dataset Encode(Table &&table, const SelectionOptions &options, const RunControl &control,
               std::vector<Notice> *notices, PhaseSeconds *seconds) {
  const Clock::time_point start = Clock::now();
  seconds->reading = std::chrono::duration<double>(start - control.start).count();
  control.progress->Enter(Phase::kEncoding);
  Dataset data = BuildDataset(std::move(table), options, notices, control.stop);
  seconds->encoding = SecondsSince(start);
  Interrupt(control).Check();
  return data;
}

Card *FilteringCard(const Placement &placement, const Placer &placer) noexcept {
  return placement.filters_on_card() ? placer.card() : nullptr;
}

FilteredCandidates Filter(const Dataset &data, const SelectionOptions &options, Card *card,
                          double share, const RunControl &control, PhaseSeconds *seconds) {
  const Clock::time_point start = Clock::now();
  control.progress->Enter(Phase::kFiltering);
  const Clock::time_point until =
      options.plan_is_fixed() ? control.deadline : InSeconds(share * control.budget_seconds());
  FilteredCandidates filtered = FilterDataset(data, options, card, until, control);
  seconds->filtering = SecondsSince(start);
  return filtered;
}

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
  result->split_bounds = data.split.bounds;
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

// A fixed plan promises the same answer each time: not when the clock ended it.
void WarnIfCutShort(const SelectionOptions &options, const char *what, const char *hint,
                    RefinementResult *refined, std::vector<Notice> *notices) {
  if (!options.plan_is_fixed() || !refined->cut_short || refined->stopped_early) return;
  refined->stopped_early = true;
  notices->push_back({NoticeLevel::kWarning, fmt::format("the budget ended the {}", what),
                      "The answer is the best so far, and depends on the clock.", hint});
}

// `left` of the budget is for what was foretold.
void WarnIfTooLong(const SelectionOptions &options, const Forecast &forecast, double left,
                   double budget, std::vector<Notice> *notices) {
  double seconds = 0;
  for (const PlanStep &step : forecast.steps) seconds += step.planned_seconds;
  if (forecast.steps.empty() && left > 0) {
    notices->push_back(
        {NoticeLevel::kNotice, "the plan is too long to foretell its steps", {}, {}});
  }
  if (!options.plan_is_fixed() || seconds <= left) return;
  notices->push_back({NoticeLevel::kWarning, "the budget would end the fixed plan",
                      fmt::format("The plan needs some {:.1f} s; the budget is {:.1f} s.",
                                  budget - left + seconds, budget),
                      "Raise the budget, or lower \"k\" or \"u\"."});
}

void NoticeIfNotReached(const JudgeOptions &options, const Dataset &data, double valid,
                        std::vector<Notice> *notices) {
  if (!options.stop_at || !IsBetter(data.metric, *options.stop_at, valid)) return;
  notices->push_back({NoticeLevel::kNotice,
                      fmt::format("{} {:.6g} was not reached", Name(data.metric), *options.stop_at),
                      fmt::format("The best on the validation rows is {:.6g}.", valid),
                      {}});
}

// What came before the refinement phase, the phase's own steps, and the look at the test rows.
void FillSteps(const RefinementResult &refined, SelectionResult *result) {
  std::vector<PlanStep> &steps = result->steps;
  steps.push_back(StepOf("reading", 0, result->seconds.reading));
  steps.push_back(StepOf("encoding", 0, result->seconds.encoding));
  steps.push_back(StepOf("placement", 0, result->seconds.placement));
  if (result->candidates_scored > 0) {
    steps.push_back(StepOf("filtering", result->candidates_scored, result->seconds.filtering));
  }
  steps.insert(steps.end(), refined.steps.begin(), refined.steps.end());
  steps.push_back(StepOf("judging", result->members, result->seconds.final));
  steps.back().planned_seconds = refined.planned_judging;
}

void ThrowIfNothingIsKept(const RefinementResult &refined, const RunControl &control) {
  if (refined.finalists.empty() && control.finish != nullptr && control.finish->load()) {
    throw Error(ErrorKind::kCancelled, "the call was ended before a network was trained",
                "Nothing is there yet that could be kept.");
  }
}

void CheckSnapshots(const Dataset &data, const ScoredCandidate &candidate, double epochs,
                    const SelectionOptions &options, const RunControl &control) {
  if (options.snapshot_every == 0 || options.memory_limit_bytes == 0) return;
  const std::int64_t numbers =
      candidate.params + std::int64_t{data.fields.table_rows} * kEmbeddingWidth;
  const std::int64_t each = numbers * static_cast<std::int64_t>(sizeof(float));
  const auto wanted = static_cast<std::int64_t>(std::ceil(epochs / options.snapshot_every));
  // As numbers and, at the end, as bytes.
  const std::int64_t bytes =
      2 * each * std::min(wanted, MostSnapshots(control.budget_seconds(), each));
  const std::int64_t needed = data.rows.bytes() + bytes;
  if (needed <= options.memory_limit_bytes) return;
  throw Error(ErrorKind::kLimit,
              fmt::format("the logged epochs need {} MB of memory, {} MB are allowed", needed >> 20,
                          options.memory_limit_bytes >> 20),
              {}, "Log fewer epochs, or raise trails.memory_limit.");
}

std::vector<Snapshot> WriteSnapshots(const Dataset &data, SnapshotList *snapshots) {
  std::vector<Snapshot> written;
  for (NetworkSnapshot &snapshot : snapshots->Take()) {
    Model model{data.fields, data.target, data.metric, {}};
    model.networks.push_back(std::move(snapshot.network));
    written.push_back({snapshot.epoch, snapshot.train_loss, snapshot.valid, WriteArtefact(model)});
  }
  return written;
}

void WarnIfThinned(const SnapshotList &snapshots, std::vector<Notice> *notices) {
  if (snapshots.stride() == 1) return;
  notices->push_back({NoticeLevel::kWarning,
                      "the budget has no time to store all epochs that were asked for",
                      fmt::format("One of {} is logged, of {} that were trained, and the last one.",
                                  snapshots.stride(), snapshots.seen()),
                      "Raise the budget, or log fewer epochs."});
}

// Who asked for one network is not served by another.
void ThrowIfNotTrained(const Dataset &data, const RefinementResult &refined) {
  if (!refined.finalists.empty()) return;
  if (std::isnan(refined.floor.valid) && refined.trained > refined.diverged) {
    throw Error(ErrorKind::kBadData,
                fmt::format("{} is undefined on the validation rows", Name(data.metric)), {},
                "Choose another metric, or a split with more validation rows.");
  }
  if (refined.diverged > 0) {
    throw Error(ErrorKind::kBadData, "the network diverged", {},
                "Look for extreme values among the features.");
  }
  throw Error(ErrorKind::kLimit, "the budget was too short to train the network", {},
              "Raise the budget, or leave out rows by a view.");
}

void WarnOfTheUntrained(const std::vector<ScoredCandidate> &list,
                        const std::vector<CandidateResult> &trained, std::int64_t diverged,
                        std::vector<Notice> *notices) {
  std::set<std::string> names;
  for (const CandidateResult &candidate : trained) names.insert(candidate.architecture);
  const std::int64_t missing = std::ssize(list) - std::ssize(names);
  if (missing == 0) return;
  notices->push_back(
      {NoticeLevel::kWarning,
       fmt::format("{} of {} architectures have no result", missing, list.size()),
       diverged > 0 ? fmt::format("{} trainings diverged; for the others the time was up, or the "
                                  "call was asked to end.",
                                  diverged)
                    : "The time was up, or the call was asked to end, or memory did not hold them.",
       "Raise the budget, or name fewer architectures."});
}

// The candidates given, each once.
std::vector<ScoredCandidate> ListOf(const std::vector<std::string> &architectures,
                                    const Dataset &data, std::vector<Notice> *notices) {
  const std::int32_t inputs = data.fields.Plan().fields * kEmbeddingWidth;
  std::vector<ScoredCandidate> list;
  std::map<HiddenWidths, int> named;
  for (const std::string &name : architectures) {
    HiddenWidths widths = ParseArchitecture(name);
    const int times = ++named[widths];
    if (times == 2) {
      notices->push_back({NoticeLevel::kNotice,
                          fmt::format("architecture \"{}\" is named more than once", name),
                          "It is trained once.",
                          {}});
    }
    if (times > 1) continue;
    const std::int64_t params = CountParameters(widths, inputs, data.target.outputs());
    list.push_back({std::move(widths), kNoMetric, params});
  }
  return list;
}

SelectionResult Judged(const Dataset &data, const kernels::FieldPlan &plan,
                       const RefinementResult &refined, const JudgeOptions &options,
                       const RunControl &control, SelectionResult result) {
  control.progress->Enter(Phase::kFinal);
  const Verdict verdict = JudgeFinalists(data, plan, refined, options, control);
  AddVerdictNotices(refined, verdict, data, &result.notices);
  NoticeIfNotReached(options, data, verdict.valid, &result.notices);
  FillVerdict(data, verdict, refined, &result);
  return result;
}

}  // namespace

SelectionResult Select(Table &&table, const SelectionOptions &options, const RunControl &control) {
  SelectionResult result;
  result.rows = table.rows();
  Placer placer(options, control, &CardLibrary::Installed());
  const Dataset data = Encode(std::move(table), options, control, &result.notices, &result.seconds);
  const kernels::FieldPlan plan = data.fields.Plan();
  result.placement = Timed(&result.seconds.placement, [&] {
    return PlaceSelection(data, plan, options, control, &placer, &result.notices);
  });
  CardCohortInTheMaking in_the_making(data, plan, options, result.placement, placer);
  const FilteredCandidates filtered = Filter(data, options, FilteringCard(result.placement, placer),
                                             kFilteringShare, control, &result.seconds);

  Clock::time_point start = Clock::now();
  control.progress->Enter(Phase::kRefinement);
  Contest contest(data, filtered, options, &result.notices);
  const CardCohort together = in_the_making.Take();
  RefinementResult refined =
      RefinementPhase(data, plan, contest.list(), contest.strategy(), contest.rehearsal(),
                      /*with_floor=*/true, contest.options(), control, together.places)
          .Run();
  result.seconds.refinement = SecondsSince(start);
  ThrowIfNothingIsKept(refined, control);
  WarnIfCutShort(options, "fixed plan", "Raise the budget, or lower \"k\" or \"u\".", &refined,
                 &result.notices);

  start = Clock::now();
  const JudgeOptions judging{.threads = options.threads, .stop_at = options.stop_at};
  result = Judged(data, plan, refined, judging, control, std::move(result));
  FillPlan(std::ssize(filtered.order), refined, &result);
  ReportCandidates(data, options.space, filtered, options.keep_candidates, &refined, &result);
  result.seconds.final = SecondsSince(start);
  FillSteps(refined, &result);
  return result;
}

PlanResult Plan(Table &&table, const SelectionOptions &options, const RunControl &control) {
  PlanResult result;
  PhaseSeconds seconds;
  Placer placer(options, control, &CardLibrary::Installed());
  const Dataset data = Encode(std::move(table), options, control, &result.notices, &seconds);
  const kernels::FieldPlan plan = data.fields.Plan();
  const double budget = control.budget_seconds();
  result.placement = Timed(&seconds.placement, [&] {
    return PlaceSelection(data, plan, options, control, &placer, &result.notices);
  });
  const FilteredCandidates filtered = Filter(data, options, FilteringCard(result.placement, placer),
                                             kPlannedFilterShare, control, &seconds);
  const std::int64_t wanted = CandidatesToScore(options);
  result.n = wanted;

  const Contest contest(data, filtered, options, &result.notices);
  const Clock::time_point start = Clock::now();
  const bool on_card = result.placement.refines_on_card();
  // Predictions for the test rows are the threads' either way.
  const CostModel measured =
      Calibrate(data, plan, contest.list(), contest.options(),
                InSeconds(std::min(kPlannedCalibration * budget, 0.3)), control);
  const CostModel cost =
      on_card ? CardCost(data, plan, contest.list(), contest.options(), *placer.card()) : measured;
  const double calibrating = SecondsSince(start);
  result.calibration = cost.Describe();

  // A filter that did not end in its share takes as much of the budget as it may.
  const bool scored = std::ssize(filtered.order) >= wanted && filtered.banks >= options.banks;
  const double filtering = scored ? seconds.filtering : kFilteringShare * budget;
  const double judging = JudgingSeconds(data, contest.list(), contest.options(), measured);
  const double left = std::chrono::duration<double>(control.deadline - Clock::now()).count() -
                      judging - std::max(0.0, filtering - seconds.filtering);
  Forecast forecast = Foretell(data, contest.list(), contest.rehearsal(), contest.options(),
                               on_card ? CardPlaces(contest.options()) : options.threads, cost,
                               std::max(left, 0.0), control);
  result.k = forecast.k;
  result.u = forecast.u;
  WarnIfTooLong(contest.options(), forecast, left, budget, &result.notices);
  const auto add = [&](std::string name, std::int64_t models, double planned) {
    PlanStep step = StepOf(std::move(name), models, kNoMetric);
    step.planned_seconds = planned;
    result.steps.push_back(std::move(step));
  };
  add("reading", 0, seconds.reading);
  add("encoding", 0, seconds.encoding);
  add("placement", 0, seconds.placement);
  add("filtering", wanted, filtering);
  add("calibration", 0, calibrating / options.threads);
  result.steps.insert(result.steps.end(), forecast.steps.begin(), forecast.steps.end());
  add("judging", 0, judging);
  return result;
}

RefineResult Refine(Table &&table, const SelectionOptions &options,
                    const std::vector<std::string> &architectures, const RunControl &control) {
  if (options.refinement == Refinement::kEvolution) {
    throw Error(ErrorKind::kInvalidArgument, "evolution proposes candidates of its own", {},
                "Choose sh, sr, uniform or asha.");
  }
  RefineResult result;
  Placer placer(options, control, &CardLibrary::Installed());
  const Dataset data = Encode(std::move(table), options, control, &result.notices, &result.seconds);
  const kernels::FieldPlan plan = data.fields.Plan();
  const std::vector<ScoredCandidate> list = ListOf(architectures, data, &result.notices);
  SelectionOptions fixed = options;
  fixed.task = data.target.task;
  fixed.learned = false;
  fixed.k = std::ssize(list);
  if (options.u) fixed.n = fixed.k;
  result.placement =
      PlaceRefinement(data, plan, list, FirstRungSteps(data, fixed), fixed, control, &placer);

  const Clock::time_point start = Clock::now();
  control.progress->Enter(Phase::kRefinement);
  const std::unique_ptr<Proposer> proposer = MakeListProposer(list, fixed);
  const std::unique_ptr<Strategy> strategy = MakeStrategy(fixed, proposer.get());
  const std::unique_ptr<Proposer> rehearsed = MakeListProposer(list, fixed);
  const std::unique_ptr<Strategy> rehearsal = MakeStrategy(fixed, rehearsed.get());
  const CardCohort together =
      CardCohortInTheMaking(data, plan, fixed, result.placement, placer).Take();
  RefinementResult refined = RefinementPhase(data, plan, list, strategy.get(), rehearsal.get(),
                                             /*with_floor=*/false, fixed, control, together.places)
                                 .Run();
  result.metric = data.metric;
  MoveTrained(&refined, &result.candidates, &result.epochs);
  WarnOfTheUntrained(list, result.candidates, refined.diverged, &result.notices);
  result.seconds.refinement = SecondsSince(start);
  return result;
}

SelectionResult Train(Table &&table, const SelectionOptions &options,
                      const std::string &architecture, double epochs, const RunControl &control) {
  SelectionResult result;
  result.rows = table.rows();
  Placer placer(options, control, &CardLibrary::Installed());
  const Dataset data = Encode(std::move(table), options, control, &result.notices, &result.seconds);
  const kernels::FieldPlan plan = data.fields.Plan();
  const std::vector<ScoredCandidate> list = ListOf({architecture}, data, &result.notices);
  CheckSnapshots(data, list.front(), epochs, options, control);
  SelectionOptions fixed = options;
  fixed.task = data.target.task;
  fixed.n = fixed.k = fixed.u = 1;

  const auto steps =
      std::max<std::int64_t>(1, std::llround(epochs * static_cast<double>(StepsOfAPass(data))));
  result.placement = Timed(&result.seconds.placement, [&] {
    return PlaceRefinement(data, plan, list, steps, fixed, control, &placer);
  });
  Clock::time_point start = Clock::now();
  control.progress->Enter(Phase::kRefinement);
  const HiddenWidths &widths = list.front().widths;
  const Proposal proposal{.widths = widths, .dropout = DrawDropout(fixed, widths)};
  const std::int64_t look_steps = options.snapshot_every * StepsOfAPass(data);
  const std::unique_ptr<Strategy> strategy = MakeSingleTraining(proposal, steps, look_steps);
  const std::unique_ptr<Strategy> rehearsal = MakeSingleTraining(proposal, steps, look_steps);
  const CardCohort together =
      CardCohortInTheMaking(data, plan, fixed, result.placement, placer).Take();
  RefinementResult refined = RefinementPhase(data, plan, list, strategy.get(), rehearsal.get(),
                                             /*with_floor=*/true, fixed, control, together.places)
                                 .Run();
  result.seconds.refinement = SecondsSince(start);
  ThrowIfNothingIsKept(refined, control);
  ThrowIfNotTrained(data, refined);
  WarnIfCutShort(fixed, "training", "Raise the budget, or train for fewer epochs.", &refined,
                 &result.notices);

  start = Clock::now();
  const JudgeOptions judging{
      .threads = options.threads, .stop_at = options.stop_at, .floor_may_win = false};
  result = Judged(data, plan, refined, judging, control, std::move(result));
  FillPlan(0, refined, &result);
  WarnIfThinned(refined.snapshots, &result.notices);
  result.snapshots = WriteSnapshots(data, &refined.snapshots);
  MoveTrained(&refined, &result.candidates, &result.epochs);
  result.seconds.final = SecondsSince(start);
  FillSteps(refined, &result);
  return result;
}

}  // namespace trails
