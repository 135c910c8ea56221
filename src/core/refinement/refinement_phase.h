// The refinement phase: trains contenders as a strategy wants it, on some threads, judges them on
// the validation rows, and keeps the best. What to train next, and how long, is the strategy's
// (src/core/coordinator/strategy.h); this is who does it: threads, clock, memory, networks.
//
// A contender is trained by one thread at a time (which may share a mini-batch with others,
// Assignment::threads), resumes where it was, and all read the same data set.
//
// May touch: Torch, src/core.
#pragma once

#include <condition_variable>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/coordinator/forecast.h"
#include "core/coordinator/strategy.h"
#include "core/data/dataset.h"
#include "core/filtering/shortlist.h"
#include "core/refinement/calibration.h"
#include "core/refinement/contender_run.h"
#include "core/refinement/refinement_result.h"

namespace trails {

class RefinementPhase final : private ContenderField {
 public:
  // data, plan, list, options and control must outlive the object. list (not empty): candidates
  // that calibrate and whose plan is foretold. strategy: asked from the threads of Run, under a
  // lock. with_floor: the linear model is trained beside the candidates. Throws Error(kLimit) when
  // memory holds not one candidate of the list.
  RefinementPhase(const Dataset &data, const kernels::FieldPlan &plan,
                  const std::vector<ScoredCandidate> &list, Strategy *strategy, Strategy *rehearsal,
                  bool with_floor, const SelectionOptions &options, const RunControl &control);

  // Runs the phase on options.threads threads and returns when all of them have ended: at
  // control.deadline less what judging and storing will take, on control.finish, at stop_at, or
  // when the strategy has ended. Call it once. Throws Error(kCancelled) on stop.
  RefinementResult Run();

 private:
  enum class Work { kFloor, kCalibrate, kTrain };
  struct Task {
    Work work;
    Assignment assignment;
  };
  // A step of the plan as it is carried out.
  struct Tally {
    double thread_seconds = 0;
    std::map<std::int32_t, std::int64_t> steps;  // of each contender at its end
  };

  void WorkUntilEnded() noexcept;
  std::optional<Task> NextTask();
  std::optional<Task> NextAssignment();
  void Execute(const Task &task);
  void TrainFloor();
  void Calibrate();
  void Train(const Assignment &assignment);
  double TrainSteps(const Assignment &assignment, ContenderRun *run);
  void JudgeContender(const Assignment &assignment, double loss);
  void AddLook(const Assignment &assignment, double loss, double seconds, Finalist now);
  void KeepFinalist(Finalist finalist);
  void Diverged(Contender *contender);
  Tally &TallyOf(const Assignment &assignment);
  RefinementResult Report();
  std::vector<PlanStep> Steps() const;

  // ContenderField, and the rest, are called with mutex_ held.
  const std::vector<Contender> &contenders() const override { return contenders_; }
  std::int32_t Enter(const Proposal &proposal) override;
  void Drop(std::int32_t contender) override;
  double SecondsLeft() const override;
  double StepSeconds(const HiddenWidths &widths) const override;
  double LookSeconds(const HiddenWidths &widths) const override;
  bool Fits(const HiddenWidths &widths) const override;
  double MeanMerit(std::span<const std::int32_t> contenders) const override;
  std::int32_t threads() const override { return options_.threads; }
  std::int64_t epoch_steps() const override { return epoch_steps_; }

  double Passes(std::int64_t steps) const {
    return static_cast<double>(steps) / static_cast<double>(pass_steps_);
  }
  double LookSecondsOf(std::int32_t contender) const;
  double KeepingSeconds(std::int32_t contender) const;
  Clock::time_point Until() const;
  Contender &At(std::int32_t number) { return contenders_[static_cast<std::size_t>(number)]; }

  const Dataset &data_;
  const kernels::FieldPlan &plan_;
  const std::vector<ScoredCandidate> &list_;
  Strategy *strategy_;
  Strategy *rehearsal_;
  const SelectionOptions &options_;
  const RunControl &control_;
  const std::vector<double> valid_labels_;
  const std::int64_t pass_steps_;   // mini-batches of a pass over the training rows
  const std::int64_t epoch_steps_;  // mini-batches of an epoch of the plan

  std::mutex mutex_;
  std::condition_variable changed_;
  std::exception_ptr failure_;
  bool floor_wanted_;
  enum class Calibration { kNone, kRunning, kDone } calibration_ = Calibration::kNone;
  bool ended_ = false;

  const CostModel built_in_cost_;
  CostModel cost_;
  Forecast forecast_;
  double calibration_seconds_ = 0;
  double floor_seconds_ = 0;
  std::vector<Contender> contenders_;
  std::int64_t entered_bytes_ = 0;  // of trainers that were entered and not dropped
  std::vector<std::unique_ptr<ContenderRun>> runs_;          // [contender]
  std::map<std::pair<Stage, std::int32_t>, Tally> tallies_;  // seeds and final: rung 0
  RefinementResult result_;
};

}  // namespace trails
