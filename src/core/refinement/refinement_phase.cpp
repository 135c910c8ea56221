#include "core/refinement/refinement_phase.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "core/refinement/floor.h"
#include "core/refinement/forward.h"
#include "core/refinement/multiply.h"

namespace trails {

namespace {

constexpr double kFloorShare = 0.08;  // of the budget, for the linear model
constexpr auto kLeastFloorTime = std::chrono::milliseconds(20);  // even when the time is up
constexpr double kShortLookSeconds = 0.05;
constexpr double kCalibrationShare = 0.02;       // of the budget
constexpr double kMostCalibrationSeconds = 0.3;  // more tells no more
constexpr auto kLongestWait = std::chrono::milliseconds(20);

Clock::duration Seconds(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

RefinementResult RefinementPhase::Run() {
  {
    std::vector<std::jthread> threads;
    try {
      for (std::int32_t t = 1; t < options_.threads; ++t) {
        threads.emplace_back([this] { WorkUntilEnded(); });
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      failure_ = std::current_exception();
    }
    WorkUntilEnded();
  }
  if (failure_) std::rethrow_exception(failure_);
  return Report();
}

void RefinementPhase::WorkUntilEnded() noexcept {
  try {
    const EngineThreadScope scope;
    while (const std::optional<Task> task = NextTask()) Execute(*task);
  } catch (...) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::current_exception();
  }
  changed_.notify_all();
}

std::optional<RefinementPhase::Task> RefinementPhase::NextTask() {
  std::unique_lock lock(mutex_);
  while (!failure_ && !ended_) {
    if (floor_wanted_) {
      floor_wanted_ = false;
      return Task{Work::kFloor, {}};
    }
    if (Interrupt(control_, Until()).TimeIsUp()) {
      result_.cut_short = true;
      break;
    }
    if (calibration_ == Calibration::kNone) {
      calibration_ = Calibration::kRunning;
      return Task{Work::kCalibrate, {}};
    }
    if (calibration_ == Calibration::kDone && !cohort_is_busy_) {
      if (std::optional<Task> task = NextTraining()) return task;
      const bool training = std::any_of(contenders_.begin(), contenders_.end(),
                                        [](const Contender &c) { return c.busy; });
      if (!training) break;
    }
    changed_.wait_for(lock, kLongestWait);
    if (control_.stop.stop_requested()) {
      throw Error(ErrorKind::kCancelled, "model selection was cancelled");
    }
  }
  ended_ = true;
  return std::nullopt;
}

std::optional<RefinementPhase::Task> RefinementPhase::NextTraining() {
  Task task{Work::kTrain, {}};
  const std::size_t most =
      together_.cohort != nullptr ? static_cast<std::size_t>(together_.places) : 1;
  while (task.assignments.size() < most) {
    const std::optional<Assignment> assignment = NextAssignment();
    if (!assignment) break;
    task.assignments.push_back(*assignment);
  }
  if (task.assignments.empty()) return std::nullopt;
  cohort_is_busy_ = together_.cohort != nullptr;
  return task;
}

std::optional<Assignment> RefinementPhase::NextAssignment() {
  const std::optional<Assignment> assignment = strategy_->Next(this);
  if (!assignment) return std::nullopt;
  Contender &contender = At(assignment->contender);
  if (contender.busy || contender.diverged || contender.dropped ||
      assignment->until <= contender.steps) {
    throw Error(ErrorKind::kInternal, fmt::format("contender {} cannot train to {} mini-batches",
                                                  assignment->contender, assignment->until));
  }
  contender.busy = true;
  if (assignment->stage != Stage::kSeeds) {
    control_.progress->rung.store(assignment->rung, std::memory_order_relaxed);
  }
  return assignment;
}

void RefinementPhase::Execute(const Task &task) {
  const Clock::time_point start = Clock::now();
  try {
    switch (task.work) {
      case Work::kFloor: TrainFloor(); break;
      case Work::kCalibrate: Calibrate(); break;
      case Work::kTrain:
        if (together_.cohort != nullptr) {
          TrainTogether(task.assignments);
        } else {
          Train(task.assignments.front());
        }
        break;
    }
  } catch (const TimeUp &) {
    // NextTask sees the same clock and ends.
  }
  const std::lock_guard lock(mutex_);
  switch (task.work) {
    case Work::kFloor: floor_seconds_ = SecondsSince(start); break;
    case Work::kCalibrate:
      calibration_seconds_ = SecondsSince(start);
      calibration_ = Calibration::kDone;
      break;
    case Work::kTrain: EndTraining(task.assignments, SecondsSince(start)); break;
  }
  changed_.notify_all();
}

// Only now: until its look is taken no strategy may think that a contender is done.
void RefinementPhase::EndTraining(const std::vector<Assignment> &assignments, double seconds) {
  // Those of a cohort share its places, however few they are.
  const double each = together_.cohort != nullptr
                          ? seconds * together_.places / static_cast<double>(assignments.size())
                          : seconds * assignments.front().threads;
  for (const Assignment &assignment : assignments) {
    Contender &contender = At(assignment.contender);
    contender.busy = false;
    contender.steps = StepsOf(RunOf(assignment.contender));
    Tally &tally = TallyOf(assignment);
    tally.thread_seconds += each;
    tally.steps[assignment.contender] = contender.steps;
  }
  cohort_is_busy_ = false;
}

void RefinementPhase::TrainFloor() {
  Clock::time_point until;
  {
    const std::lock_guard lock(mutex_);
    until = Until();
    if (!options_.plan_is_fixed()) {
      until = std::min(until, Clock::now() + Seconds(control_.budget_seconds() * kFloorShare));
    }
    until = std::max(until, Clock::now() + kLeastFloorTime);
  }
  Finalist floor = trails::TrainFloor(data_, plan_, valid_labels_, options_.seed, until, control_);
  const std::lock_guard lock(mutex_);
  result_.floor = std::move(floor);
}

void RefinementPhase::Calibrate() {
  const double share =
      std::min(kCalibrationShare * control_.budget_seconds(), kMostCalibrationSeconds);
  const Clock::time_point until = Clock::now() + Seconds(share);
  if (together_.cohort != nullptr) {
    CalibrateCohort(until);
  } else {
    const CostModel cost = trails::Calibrate(data_, plan_, list_, options_, until, control_);
    const std::lock_guard lock(mutex_);
    cost_ = cost;
  }
  double left = 0;
  {
    const std::lock_guard lock(mutex_);
    left = SecondsLeft();
  }
  // Nobody learns of costs before the calibration is done.
  Forecast forecast =
      Foretell(data_, list_, rehearsal_, options_, threads(), cost_, left, control_);
  const std::lock_guard lock(mutex_);
  forecast_ = std::move(forecast);
}

void RefinementPhase::Train(const Assignment &assignment) {
  ContenderRun *run = nullptr;
  {
    const std::lock_guard lock(mutex_);
    run = &RunOf(assignment.contender);
  }
  const double loss = TrainSteps(assignment, run);
  if (run->trainer->diverged()) {
    const std::lock_guard lock(mutex_);
    Diverged(&At(assignment.contender));
    return;
  }
  if (run->trainer->lost()) throw TimeUp();
  JudgeContender(assignment, loss);
}

double RefinementPhase::TrainSteps(const Assignment &assignment, ContenderRun *run) {
  if (!run->trainer) {
    run->trainer = std::make_unique<Trainer>(data_, plan_, run->options);
    const std::lock_guard lock(mutex_);
    ++result_.trained;
    control_.progress->candidates_trained.store(result_.trained, std::memory_order_relaxed);
  }
  run->trainer->UseThreads(assignment.threads);
  const std::int64_t before = run->trainer->steps();
  const Clock::time_point start = Clock::now();
  Clock::time_point until;
  {
    const std::lock_guard lock(mutex_);
    until = TrainingUntil(LookSecondsOf(assignment.contender)) -
            Seconds(KeepingSeconds(assignment.contender));
  }
  double loss = std::nan("");
  bool time_is_up = false;
  try {
    loss = run->trainer->Train(assignment.until - before, Interrupt(control_, until));
  } catch (const TimeUp &) {
    time_is_up = true;
  }
  const double seconds = SecondsSince(start);
  const std::int64_t done = run->trainer->steps() - before;
  const std::lock_guard lock(mutex_);
  run->seconds += seconds * assignment.threads;
  if (assignment.threads == 1) cost_.Learn(run->options.widths, done, seconds);
  if (time_is_up && done == 0) throw TimeUp();
  return loss;
}

Clock::time_point RefinementPhase::TrainingUntil(double look_seconds) const {
  // Time for a last look at what the steps have bought.
  return Until() - Seconds(1.2 * look_seconds);
}

Interrupt RefinementPhase::LookInterrupt(double look_seconds) const {
  // The first network of all is what the budget bought: a short look at it comes before the clock.
  if (result_.finalists.empty() && look_seconds < kShortLookSeconds) return Interrupt(control_);
  return {control_, Until()};
}

void RefinementPhase::JudgeContender(const Assignment &assignment, double loss) {
  std::optional<Interrupt> interrupt;
  ContenderRun *run = nullptr;
  {
    const std::lock_guard lock(mutex_);
    run = &RunOf(assignment.contender);
    interrupt.emplace(LookInterrupt(LookSecondsOf(assignment.contender)));
  }
  const Clock::time_point start = Clock::now();
  Finalist now{.candidate = assignment.contender,
               .valid = 0,
               .network = run->trainer->Fold(),
               .predictions = {}};
  now.predictions = PredictRows(data_, plan_, now.network, data_.split.valid, *interrupt);
  now.valid = Judge(data_.metric, now.predictions, data_.target.outputs(), valid_labels_);
  const double seconds = SecondsSince(start);
  now.seconds_per_row = seconds / static_cast<double>(valid_labels_.size());
  AddLook(assignment, loss, seconds, std::move(now));
}

void RefinementPhase::AddLook(const Assignment &assignment, double loss, double seconds,
                              Finalist now) {
  const bool finite = std::all_of(now.predictions.begin(), now.predictions.end(),
                                  [](float p) { return std::isfinite(p); });
  const std::lock_guard lock(mutex_);
  Contender &contender = At(assignment.contender);
  if (!finite) {
    Diverged(&contender);
    return;
  }
  ContenderRun &run = RunOf(assignment.contender);
  run.look_seconds = seconds;
  const std::int64_t steps = StepsOf(run);
  CandidateResult &row = result_.candidates[static_cast<std::size_t>(assignment.contender)];
  row.rung = std::max(row.rung, assignment.rung);
  row.epochs = Passes(steps);
  row.seconds = run.seconds;
  result_.epochs.push_back({.candidate = assignment.contender,
                            .rung = assignment.rung,
                            .epoch = row.epochs,
                            .train_loss = loss,
                            .metric = now.valid,
                            .seconds = control_.elapsed_seconds()});
  control_.progress->epochs.fetch_add(1, std::memory_order_relaxed);
  const double merit = HigherIsBetter(data_.metric) ? now.valid : -now.valid;
  contender.looks.push_back({steps, merit});
  if (options_.snapshot_every > 0) {
    if (result_.snapshots.seen() == 0) {
      result_.snapshots =
          SnapshotList(MostSnapshots(control_.budget_seconds(), NetworkBytes(now.network)));
    }
    result_.snapshots.Add({row.epochs, loss, now.valid, now.network});
  }
  if (!IsBetter(data_.metric, now.valid, row.metric)) return;
  row.metric = now.valid;
  contender.merit = merit;
  contender.best_steps = steps;
  const bool good_enough =
      options_.stop_at && !IsBetter(data_.metric, *options_.stop_at, now.valid);
  KeepFinalist(std::move(now));
  control_.progress->best.store(result_.finalists.front().valid, std::memory_order_relaxed);
  if (good_enough) result_.stopped_early = ended_ = true;
}

RefinementPhase::Tally &RefinementPhase::TallyOf(const Assignment &assignment) {
  return tallies_[{assignment.stage, assignment.stage == Stage::kRung ? assignment.rung : 0}];
}

void RefinementPhase::Diverged(Contender *contender) {
  contender->diverged = true;
  ++result_.diverged;
}

bool RefinementPhase::WouldBeKept(const Finalist &finalist) const {
  const std::vector<Finalist> &list = result_.finalists;
  const bool is_kept = std::any_of(list.begin(), list.end(), [&](const Finalist &f) {
    return f.candidate == finalist.candidate;
  });
  return is_kept || list.size() < kMostMembers ||
         IsBetter(data_.metric, finalist.valid, list.back().valid) ||
         (finalist.valid == list.back().valid && finalist.candidate < list.back().candidate);
}

void RefinementPhase::KeepFinalist(Finalist finalist) {
  if (!WouldBeKept(finalist)) return;
  std::vector<Finalist> &list = result_.finalists;
  std::erase_if(list, [&](const Finalist &f) { return f.candidate == finalist.candidate; });
  const auto place = std::find_if(list.begin(), list.end(), [&](const Finalist &f) {
    return IsBetter(data_.metric, finalist.valid, f.valid) ||
           (finalist.valid == f.valid && finalist.candidate < f.candidate);
  });
  list.insert(place, std::move(finalist));
  if (list.size() > kMostMembers) list.pop_back();
}

}  // namespace trails
