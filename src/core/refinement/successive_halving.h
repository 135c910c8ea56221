// The refinement phase: trains the filtered candidates in rungs, keeps the best of each rung, and
// lets the survivors go on from where they were (resume, never restart).
//
// Timed plan: the first rung takes a third of the time, at most four epochs for each of some 24
// candidates; then the best third (at least four) train twice as long, then the best half of
// these, as long as they get better. A thread that finds nothing to do in the rung, and all of
// them once nobody gets better, train new seeds of the best four.
// Fixed plan (n, k and u given): k candidates u epochs, then the best third three times as long,
// until one is left; nothing depends on the clock but the deadline.
//
// A candidate is trained by one thread at a time; all share the read-only data set.
//
// May touch: Torch, src/core.
#pragma once

#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "core/data/dataset.h"
#include "core/filtering/shortlist.h"
#include "core/refinement/candidate_run.h"
#include "core/refinement/cost_model.h"
#include "core/refinement/ensemble.h"
#include "trails/result.h"

namespace trails {

struct RefinementResult {
  std::vector<CandidateResult> candidates;  // scored ones by rank, then new seeds as they came
  std::vector<EpochResult> epochs;
  std::vector<Finalist> finalists;  // best first, at most kMostMembers
  Finalist floor;                   // the linear model
  std::int64_t trained = 0;         // candidates that were trained at all
  std::int64_t first_rung = 0;      // K: candidates of the first rung
  double first_epochs = 0;          // U: epochs of the first rung
  std::int32_t rungs = 0;
  std::int64_t diverged = 0;
  bool stopped_early = false;  // stop_at was reached, or the caller asked to finish
};

class SuccessiveHalving {
 public:
  // data, plan, scored (best first, not empty), options and control must outlive the object.
  SuccessiveHalving(const Dataset &data, const kernels::FieldPlan &plan,
                    const std::vector<ScoredCandidate> &scored, const SelectionOptions &options,
                    const RunControl &control);

  // Runs the phase on options.threads threads and returns when all of them have ended: at
  // control.deadline less what judging and storing will take, on control.finish, at stop_at, or
  // when nothing is left to train. Call it once.
  // Throws Error(kCancelled) on stop, Error(kLimit) when not one candidate fits the memory limit.
  RefinementResult Run();

 private:
  enum class Stage { kStart, kCalibrating, kRungs, kSeeds, kEnded };
  enum class Work { kFloor, kCalibrate, kTrain };
  struct Task {
    Work work;
    CandidateRun *run;
  };

  void WorkUntilEnded() noexcept;
  std::optional<Task> NextTask();
  void Execute(const Task &task);
  void TrainFloor();
  void Calibrate(CandidateRun *run);
  void Advance(CandidateRun *run);
  void TrainTimed(CandidateRun *run, std::int64_t steps, double *loss);
  void Evaluate(CandidateRun *run, double loss);
  void KeepFinalist(Finalist finalist);

  // The rest is called with mutex_ held.
  CandidateRun *AddRun(std::size_t scored_index, std::uint64_t draw);
  void PlanFirstRung();
  void PlanFixedRung();
  void PlanTimedRung();
  void StartRung(std::vector<CandidateRun *> survivors, double factor);
  std::vector<std::size_t> AffordableCandidates(std::size_t wanted) const;
  std::size_t FirstThatFits() const;
  void LimitByMemory(std::vector<std::size_t> *chosen) const;
  CandidateRun *NextOfRung() const;
  bool RungIsDone() const;
  bool SeedsAllowed() const { return !options_.plan_is_fixed() && !options_.k; }
  CandidateRun *NextSeed();
  bool FitsBesideTheRest(const HiddenWidths &widths) const;
  bool SortsBefore(const CandidateRun *a, const CandidateRun *b) const;
  std::int64_t ChunkSteps(const CandidateRun &run) const;
  double Passes(std::int64_t steps) const {
    return static_cast<double>(steps) / static_cast<double>(pass_steps_);
  }
  double PassSeconds(double row_cost) const;
  double SecondsLeft() const;
  double LookSeconds(const CandidateRun &run) const;
  Clock::time_point Until() const;

  const Dataset &data_;
  const kernels::FieldPlan &plan_;
  const std::vector<ScoredCandidate> &scored_;
  const SelectionOptions &options_;
  const RunControl &control_;
  const std::vector<double> valid_labels_;
  const std::int64_t batch_;
  const std::int64_t pass_steps_;  // mini-batches that count as one epoch in the plan

  std::mutex mutex_;
  std::condition_variable changed_;
  std::exception_ptr failure_;
  Stage stage_ = Stage::kStart;
  bool floor_started_ = false;
  std::size_t first_ = 0;  // the scored candidate that calibrates
  std::vector<std::unique_ptr<CandidateRun>> runs_;
  std::vector<CandidateRun *> rung_;   // the runs of the present rung
  std::vector<CandidateRun *> seeds_;  // new seeds of the best
  UnitCost unit_;
  double seconds_per_row_ = 0;        // of the slowest network's predictions, on one thread
  std::int64_t largest_network_ = 0;  // bytes
  RefinementResult result_;
};

}  // namespace trails
