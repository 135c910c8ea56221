// The refinement phase with a cohort: what a strategy gives out at one moment is trained in the
// same steps, then looked at, one thread driving.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/refinement/refinement_phase.h"

namespace trails {

namespace {

constexpr std::size_t kCalibratingMembers = 24;  // as many as a first rung has, places allowing
constexpr std::int64_t kWarmUpSteps = 4;         // plans are made, products choose their kernels
constexpr std::int64_t kMeasuredSteps = 16;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

// Members of a cohort take their steps side by side, so that each of them takes as long as all:
// which of them it was that took the time is left to the proportions of the built-in costs.
void RefinementPhase::LearnCohortCost(std::span<const HiddenWidths *const> widths,
                                      std::int64_t steps, double seconds) {
  double sum = 0;
  for (const HiddenWidths *each : widths) sum += built_in_cost_.TrainingStepSeconds(*each);
  const double mean = sum / static_cast<double>(widths.size());
  for (const HiddenWidths *each : widths) {
    cost_.Learn(*each, steps, seconds * built_in_cost_.TrainingStepSeconds(*each) / mean);
  }
}

// A cohort of candidates from all parts of the list, which is thrown away. Steps that warm up are
// taken whatever the clock: without a measurement nothing can be planned.
void RefinementPhase::CalibrateCohort(Clock::time_point until) {
  const std::size_t wanted =
      std::min({kCalibratingMembers, list_.size(), static_cast<std::size_t>(together_.places)});
  std::vector<const HiddenWidths *> widths;
  std::vector<std::int32_t> members;
  std::int64_t bytes = 0;
  Cohort &cohort = *together_.cohort;
  for (std::size_t i = 0; i < wanted; ++i) {
    const HiddenWidths &candidate = list_[i * list_.size() / wanted].widths;
    bytes += cohort.Bytes(candidate);
    if (bytes > together_.bytes) break;
    const Pace pace = PaceOf(data_.target.task);
    members.push_back(cohort.Enter({.widths = candidate,
                                    .encoding = options_.encoding,
                                    .learning_rate = pace.learning_rate,
                                    .weight_decay = pace.weight_decay,
                                    .seed = options_.seed}));
    widths.push_back(&candidate);
  }
  if (members.empty()) return;  // the built-in costs will be bent by what trains
  (void)cohort.Train(members, kWarmUpSteps, Interrupt(control_));
  const Clock::time_point start = Clock::now();
  try {
    (void)cohort.Train(members, kMeasuredSteps, Interrupt(control_, until));
  } catch (const TimeUp &) {
    // What was trained until then counts.
  }
  const double seconds = SecondsSince(start);
  const std::int64_t steps = cohort.Steps(members.front()) - kWarmUpSteps;
  for (const std::int32_t member : members) cohort.Drop(member);
  const std::lock_guard lock(mutex_);
  if (steps > 0) LearnCohortCost(widths, steps, seconds);
}

void RefinementPhase::TrainTogether(const std::vector<Assignment> &assignments) {
  std::vector<Trainee> trainees = EnterCohort(assignments);
  double look_seconds = 0, keeping_seconds = 0;
  std::optional<Interrupt> interrupt;
  {
    const std::lock_guard lock(mutex_);
    for (const Assignment &assignment : assignments) {
      look_seconds += LookSecondsOf(assignment.contender);
      keeping_seconds = std::max(keeping_seconds, KeepingSeconds(assignment.contender));
    }
    // Looks of many are one pass of the card, and no more than are kept will be stored.
    look_seconds /= static_cast<double>(assignments.size());
    keeping_seconds *= static_cast<double>(std::min(assignments.size(), kMostMembers));
    const std::chrono::duration<double> keeping(keeping_seconds);
    interrupt.emplace(control_, TrainingUntil(look_seconds) -
                                    std::chrono::duration_cast<Clock::duration>(keeping));
  }
  TrainTrainees(*interrupt, &trainees);
  std::erase_if(trainees, [&](const Trainee &trainee) {
    if (!trainee.diverged) return false;
    const std::lock_guard lock(mutex_);
    Diverged(&At(trainee.assignment.contender));
    return true;
  });
  const bool trained = std::any_of(trainees.begin(), trainees.end(),
                                   [](const Trainee &trainee) { return trainee.trained > 0; });
  if (!trained && !trainees.empty()) throw TimeUp();
  JudgeTrainees(trainees);
}

std::vector<RefinementPhase::Trainee> RefinementPhase::EnterCohort(
    const std::vector<Assignment> &assignments) {
  std::vector<Trainee> trainees;
  for (const Assignment &assignment : assignments) {
    ContenderRun *run = nullptr;
    {
      const std::lock_guard lock(mutex_);
      run = &RunOf(assignment.contender);
    }
    if (run->member < 0) {
      run->member = together_.cohort->Enter(run->options);
      const std::lock_guard lock(mutex_);
      ++result_.trained;
      control_.progress->candidates_trained.store(result_.trained, std::memory_order_relaxed);
    }
    trainees.push_back({.assignment = assignment, .member = run->member});
  }
  return trainees;
}

// Trains all of them until the one with the fewest steps to go has got there, then the rest, ...
void RefinementPhase::TrainTrainees(const Interrupt &interrupt, std::vector<Trainee> *trainees) {
  Cohort &cohort = *together_.cohort;
  while (true) {
    std::vector<Trainee *> on;
    std::vector<std::int32_t> members;
    std::vector<const HiddenWidths *> widths;
    std::int64_t steps = std::numeric_limits<std::int64_t>::max();
    for (Trainee &trainee : *trainees) {
      const std::int64_t left = trainee.assignment.until - cohort.Steps(trainee.member);
      if (trainee.diverged || left <= 0) continue;
      on.push_back(&trainee);
      members.push_back(trainee.member);
      widths.push_back(&RunOf(trainee.assignment.contender).options.widths);
      steps = std::min(steps, left);
    }
    if (on.empty()) return;
    const std::int64_t before = cohort.Steps(members.front());
    const Clock::time_point start = Clock::now();
    bool time_is_up = false;
    try {
      const std::vector<CohortLoss> losses = cohort.Train(members, steps, interrupt);
      for (std::size_t i = 0; i < on.size(); ++i) {
        on[i]->loss += losses[i].loss * static_cast<double>(steps);
        on[i]->trained += steps;
        on[i]->diverged = losses[i].diverged;
      }
    } catch (const TimeUp &) {
      time_is_up = true;
      for (Trainee *trainee : on) {
        trainee->loss = std::nan("");  // that of the steps that were taken is not known
        ++trainee->trained;
      }
    }
    const double seconds = SecondsSince(start);
    const std::int64_t done = cohort.Steps(members.front()) - before;
    const std::lock_guard lock(mutex_);
    for (const Trainee *trainee : on) {
      RunOf(trainee->assignment.contender).seconds += seconds / static_cast<double>(on.size());
    }
    if (done > 0) LearnCohortCost(widths, done, seconds);
    if (time_is_up && done == 0) {
      for (Trainee *trainee : on) --trainee->trained;
    }
    if (time_is_up) return;
  }
}

// Metrics come from the card for all; networks and predictions for those alone that are kept.
void RefinementPhase::JudgeTrainees(const std::vector<Trainee> &trainees) {
  if (trainees.empty()) return;
  Cohort &cohort = *together_.cohort;
  std::vector<std::int32_t> members;
  for (const Trainee &trainee : trainees) members.push_back(trainee.member);
  std::optional<Interrupt> interrupt;
  {
    const std::lock_guard lock(mutex_);
    interrupt.emplace(LookInterrupt(LookSecondsOf(trainees.front().assignment.contender)));
  }
  const Clock::time_point start = Clock::now();
  const std::vector<double> valid = cohort.Judge(members, *interrupt);
  const double seconds = SecondsSince(start) / static_cast<double>(trainees.size());
  for (std::size_t i = 0; i < trainees.size(); ++i) {
    const Assignment &assignment = trainees[i].assignment;
    Finalist now{
        .candidate = assignment.contender, .valid = valid[i], .network = {}, .predictions = {}};
    bool wanted = false;
    {
      const std::lock_guard lock(mutex_);
      const CandidateResult &row =
          result_.candidates[static_cast<std::size_t>(assignment.contender)];
      wanted = options_.snapshot_every > 0 ||
               (IsBetter(data_.metric, now.valid, row.metric) && WouldBeKept(now));
    }
    if (wanted) {
      now.network = cohort.Fold(trainees[i].member);
      now.predictions = cohort.Predictions(trainees[i].member, data_.split.valid, *interrupt);
    }
    // The test rows are predicted by the threads.
    const HiddenWidths &widths = RunOf(assignment.contender).options.widths;
    now.seconds_per_row = built_in_cost_.PredictionSeconds(widths, 1);
    const double steps = static_cast<double>(std::max<std::int64_t>(trainees[i].trained, 1));
    AddLook(assignment, trainees[i].loss / steps, seconds, std::move(now));
  }
}

}  // namespace trails
