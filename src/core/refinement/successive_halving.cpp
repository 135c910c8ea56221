#include "core/refinement/successive_halving.h"

#include <algorithm>
#include <cmath>
#include <thread>

#include "core/refinement/forward.h"
#include "core/refinement/linear_trainer.h"
#include "core/refinement/multiply.h"

namespace trails {

namespace {

constexpr std::int64_t kFewestPassSteps = 50;  // a tiny table's epoch is too short a unit
constexpr double kFloorShare = 0.08;           // of the budget, for the linear model
constexpr auto kLeastFloorTime = std::chrono::milliseconds(20);  // even when the time is up
constexpr double kShortLookSeconds = 0.05;
constexpr int kFloorPatience = 3;
constexpr std::int64_t kFloorChunk = 200;  // mini-batches between two looks at the floor
constexpr int kFloorChunks = 60;
constexpr double kCalibrationShare = 0.02;
constexpr std::int64_t kWarmUpSteps = 2;  // the first ones pay for pages and caches
constexpr std::int64_t kCalibrationSteps = 12;
constexpr auto kLongestWait = std::chrono::milliseconds(20);

}  // namespace

SuccessiveHalving::SuccessiveHalving(const Dataset &data, const kernels::FieldPlan &plan,
                                     const std::vector<ScoredCandidate> &scored,
                                     const SelectionOptions &options, const RunControl &control)
    : data_(data),
      plan_(plan),
      scored_(scored),
      options_(options),
      control_(control),
      valid_labels_(LabelsOf(data, data.split.valid)),
      batch_(BatchRows(static_cast<std::int64_t>(data.split.train.size()))),
      pass_steps_(
          std::max(static_cast<std::int64_t>(data.split.train.size()) / batch_, kFewestPassSteps)) {
  result_.candidates.reserve(scored.size());
  for (std::size_t i = 0; i < scored.size(); ++i) {
    CandidateResult candidate;
    candidate.architecture = ArchitectureName(scored[i].widths);
    candidate.rank = static_cast<std::int32_t>(i) + 1;
    candidate.score = scored[i].score;
    candidate.params = scored[i].params;
    result_.candidates.push_back(std::move(candidate));
  }
}

RefinementResult SuccessiveHalving::Run() {
  first_ = FirstThatFits();
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
  if (control_.finish != nullptr && control_.finish->load()) result_.stopped_early = true;
  return std::move(result_);
}

void SuccessiveHalving::WorkUntilEnded() noexcept {
  try {
    const EngineThreadScope scope;
    while (const std::optional<Task> task = NextTask()) Execute(*task);
  } catch (...) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::current_exception();
  }
  changed_.notify_all();
}

std::optional<SuccessiveHalving::Task> SuccessiveHalving::NextTask() {
  std::unique_lock lock(mutex_);
  while (!failure_ && stage_ != Stage::kEnded) {
    if (!floor_started_) {
      floor_started_ = true;
      return Task{Work::kFloor, nullptr};
    }
    if (Interrupt(control_, Until()).TimeIsUp()) break;
    if (stage_ == Stage::kStart) {
      stage_ = Stage::kCalibrating;
      CandidateRun *const run = AddRun(first_, 0);
      run->busy = true;
      return Task{Work::kCalibrate, run};
    }
    if (stage_ == Stage::kRungs && RungIsDone()) {
      if (options_.plan_is_fixed()) {
        PlanFixedRung();
      } else {
        PlanTimedRung();
      }
      changed_.notify_all();
      continue;
    }
    CandidateRun *run = stage_ == Stage::kRungs ? NextOfRung() : nullptr;
    if (run == nullptr && stage_ != Stage::kCalibrating && SeedsAllowed()) run = NextSeed();
    if (run != nullptr) {
      run->busy = true;
      return Task{Work::kTrain, run};
    }
    changed_.wait_for(lock, kLongestWait);
    if (control_.stop.stop_requested()) {
      throw Error(ErrorKind::kCancelled, "model selection was cancelled");
    }
  }
  stage_ = Stage::kEnded;
  return std::nullopt;
}

void SuccessiveHalving::Execute(const Task &task) {
  try {
    switch (task.work) {
      case Work::kFloor: TrainFloor(); break;
      case Work::kCalibrate: Calibrate(task.run); break;
      case Work::kTrain: Advance(task.run); break;
    }
  } catch (const TimeUp &) {
    // NextTask sees the same clock and ends.
  }
  const std::lock_guard lock(mutex_);
  if (task.run != nullptr) task.run->busy = false;
  if (stage_ == Stage::kCalibrating && task.work == Work::kCalibrate) PlanFirstRung();
  changed_.notify_all();
}

void SuccessiveHalving::TrainFloor() {
  LinearTrainer trainer(data_, plan_, options_.seed);
  const auto share = std::chrono::duration<double>(control_.budget_seconds() * kFloorShare);
  const auto own_end = Clock::now() + std::chrono::duration_cast<Clock::duration>(share);
  Clock::time_point until;
  {
    const std::lock_guard lock(mutex_);
    until = options_.plan_is_fixed() ? Until() : std::min(Until(), own_end);
    until = std::max(until, Clock::now() + kLeastFloorTime);
  }
  const Interrupt interrupt(control_, until);
  const Interrupt only_cancel(control_);
  Finalist best;
  const auto judge = [&] {
    Finalist now{.candidate = -1, .valid = 0, .network = trainer.Fold(), .predictions = {}};
    now.predictions = PredictRows(data_, plan_, now.network, data_.split.valid, only_cancel);
    now.valid = Judge(data_.metric, now.predictions, data_.target.outputs(), valid_labels_);
    const bool better = best.predictions.empty() || IsBetter(data_.metric, now.valid, best.valid);
    if (better) best = std::move(now);
    return better;
  };
  try {
    const std::int64_t chunk = std::min(pass_steps_, kFloorChunk);
    int without_gain = 0;
    for (int c = 0; c < kFloorChunks && without_gain < kFloorPatience; ++c) {
      trainer.Train(chunk, interrupt);
      without_gain = judge() ? 0 : without_gain + 1;
    }
  } catch (const TimeUp &) {
    // A floor that had too little time is still the honest one for this budget.
    judge();
  }
  const std::lock_guard lock(mutex_);
  result_.floor = std::move(best);
}

void SuccessiveHalving::TrainTimed(CandidateRun *run, std::int64_t steps, double *loss) {
  if (!run->trainer) {
    run->trainer = std::make_unique<Trainer>(data_, plan_, run->options);
    const std::lock_guard lock(mutex_);
    ++result_.trained;
    control_.progress->candidates_trained.store(result_.trained, std::memory_order_relaxed);
  }
  const std::int64_t before = run->steps();
  const Clock::time_point start = Clock::now();
  Clock::time_point until;
  {
    // Time for a last look at what the steps have bought.
    const std::lock_guard lock(mutex_);
    const std::chrono::duration<double> look(1.2 * LookSeconds(*run));
    until = Until() - std::chrono::duration_cast<Clock::duration>(look);
  }
  bool time_is_up = false;
  try {
    *loss = run->trainer->Train(steps, Interrupt(control_, until));
  } catch (const TimeUp &) {
    time_is_up = true;
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  const std::int64_t done = run->steps() - before;
  const std::lock_guard lock(mutex_);
  run->seconds += seconds;
  if (before >= kWarmUpSteps) {
    unit_.Learn(run->row_cost * static_cast<double>(batch_ * done), seconds);
  }
  if (time_is_up && done == 0) throw TimeUp();
}

void SuccessiveHalving::Calibrate(CandidateRun *run) {
  if (options_.plan_is_fixed()) return;
  double loss = 0;
  TrainTimed(run, kWarmUpSteps, &loss);
  const double limit = kCalibrationShare * control_.budget_seconds();
  do {  // one step at least, however slow: without it nothing can be planned
    TrainTimed(run, 1, &loss);
  } while (run->steps() < kCalibrationSteps && run->seconds < limit && !run->trainer->diverged());
}

void SuccessiveHalving::Advance(CandidateRun *run) {
  std::int64_t steps = 0;
  {
    const std::lock_guard lock(mutex_);
    steps = std::min(ChunkSteps(*run), run->rung_end - run->steps());
  }
  double loss = std::nan("");
  TrainTimed(run, steps, &loss);
  if (run->trainer->diverged()) {
    const std::lock_guard lock(mutex_);
    run->diverged = true;
    ++result_.diverged;
    return;
  }
  if (run->trainer->lost()) throw TimeUp();
  Evaluate(run, loss);
}

void SuccessiveHalving::Evaluate(CandidateRun *run, double loss) {
  std::optional<Interrupt> interrupt;
  {
    // The first network of all is what the budget bought: a short look at it comes before the
    // clock.
    const std::lock_guard lock(mutex_);
    if (result_.finalists.empty() && LookSeconds(*run) < kShortLookSeconds) {
      interrupt.emplace(control_);
    } else {
      interrupt.emplace(control_, Until());
    }
  }
  const Clock::time_point start = Clock::now();
  Finalist now{
      .candidate = run->candidate, .valid = 0, .network = run->trainer->Fold(), .predictions = {}};
  now.predictions = PredictRows(data_, plan_, now.network, data_.split.valid, *interrupt);
  now.valid = Judge(data_.metric, now.predictions, data_.target.outputs(), valid_labels_);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  const bool finite = std::all_of(now.predictions.begin(), now.predictions.end(),
                                  [](float p) { return std::isfinite(p); });

  const std::lock_guard lock(mutex_);
  if (!finite) {
    run->diverged = true;
    ++result_.diverged;
    return;
  }
  run->look_seconds = seconds;
  now.seconds_per_row = seconds / static_cast<double>(valid_labels_.size());
  CandidateResult &row = result_.candidates[static_cast<std::size_t>(run->candidate)];
  row.rung = std::max(row.rung, result_.rungs);
  row.epochs = run->trainer->epochs();
  row.seconds = run->seconds;
  result_.epochs.push_back({.candidate = run->candidate,
                            .rung = row.rung,
                            .epoch = row.epochs,
                            .train_loss = loss,
                            .metric = now.valid,
                            .seconds = control_.elapsed_seconds()});
  control_.progress->epochs.fetch_add(1, std::memory_order_relaxed);
  if (!IsBetter(data_.metric, now.valid, run->best)) return;
  run->best = row.metric = now.valid;
  run->best_steps = run->steps();
  KeepFinalist(std::move(now));
  control_.progress->best.store(result_.finalists.front().valid, std::memory_order_relaxed);
  if (options_.stop_at && !IsBetter(data_.metric, *options_.stop_at, run->best)) {
    result_.stopped_early = true;
    stage_ = Stage::kEnded;
  }
}

void SuccessiveHalving::KeepFinalist(Finalist finalist) {
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
