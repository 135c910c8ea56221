// The refinement phase: trains contenders as a strategy wants it, on some threads, judges them on
// the validation rows, and keeps the best. What to train next, and how long, is the strategy's
// (src/core/coordinator/strategy.h); this is who does it: threads, clock, memory, networks.
//
// A contender is trained by one thread at a time (which may share a mini-batch with others,
// Assignment::threads), resumes where it was, and all read the same data set. With a cohort, what
// the strategy gives out at one moment is trained by one call of it: for a strategy the places of
// the cohort are the threads.
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

#include "core/cohort/cohort.h"
#include "core/coordinator/forecast.h"
#include "core/coordinator/strategy.h"
#include "core/data/dataset.h"
#include "core/filtering/shortlist.h"
#include "core/refinement/calibration.h"
#include "core/refinement/contender_run.h"
#include "core/refinement/refinement_result.h"

namespace trails {

// What trains contenders together, many in a step, beside the threads.
struct CohortPlaces {
  Cohort *cohort = nullptr;  // null: the threads train, one contender each
  std::int32_t places = 0;   // members that are trained together, at most
  std::int64_t bytes = 0;    // that all members may take
};

class RefinementPhase final : private ContenderField {
 public:
  // data, plan, list, options and control must outlive the object. list (not empty): candidates
  // that calibrate and whose plan is foretold. strategy: asked from the threads of Run, under a
  // lock. with_floor: the linear model is trained beside the candidates. The cohort, if any, must
  // outlive the object too, and have no member. Throws Error(kLimit) when memory holds not one
  // candidate of the list, Error(kOutOfMemory) when the cohort's memory does not.
  RefinementPhase(const Dataset &data, const kernels::FieldPlan &plan,
                  const std::vector<ScoredCandidate> &list, Strategy *strategy, Strategy *rehearsal,
                  bool with_floor, const SelectionOptions &options, const RunControl &control,
                  CohortPlaces together = {});

  // Runs the phase on options.threads threads and returns when all of them have ended: at
  // control.deadline less what judging and storing will take, on control.finish, at stop_at, or
  // when the strategy has ended. Call it once. Throws Error(kCancelled) on stop, and what the
  // cohort throws.
  RefinementResult Run();

 private:
  enum class Work { kFloor, kCalibrate, kTrain };
  struct Task {
    Work work;
    std::vector<Assignment> assignments;  // kTrain: one, or those of a cohort
  };
  // A step of the plan as it is carried out.
  struct Tally {
    double thread_seconds = 0;
    std::map<std::int32_t, std::int64_t> steps;  // of each contender at its end
  };

  void WorkUntilEnded() noexcept;
  std::optional<Task> NextTask();
  std::optional<Task> NextTraining();
  std::optional<Assignment> NextAssignment();
  void Execute(const Task &task);
  void TrainFloor();
  void Calibrate();
  void Train(const Assignment &assignment);
  double TrainSteps(const Assignment &assignment, ContenderRun *run);
  void JudgeContender(const Assignment &assignment, double loss);
  // Until when contenders may train that are looked at for `look_seconds` then.
  Clock::time_point TrainingUntil(double look_seconds) const;
  // Of the look at contenders after their training, which never takes longer than a moment when it
  // is the first of all.
  Interrupt LookInterrupt(double look_seconds) const;
  void AddLook(const Assignment &assignment, double loss, double seconds, Finalist now);
  bool WouldBeKept(const Finalist &finalist) const;
  void KeepFinalist(Finalist finalist);
  void Diverged(Contender *contender);
  Tally &TallyOf(const Assignment &assignment);
  void EndTraining(const std::vector<Assignment> &assignments, double seconds);

  // A contender in a call of TrainTogether.
  struct Trainee {
    Assignment assignment;
    std::int32_t member = 0;
    double loss = 0;  // the sum over `trained` mini-batches
    std::int64_t trained = 0;
    bool diverged = false;
  };
  void CalibrateCohort(Clock::time_point until);
  void TrainTogether(const std::vector<Assignment> &assignments);
  std::vector<Trainee> EnterCohort(const std::vector<Assignment> &assignments);
  void TrainTrainees(const Interrupt &interrupt, std::vector<Trainee> *trainees);
  void LearnCohortCost(std::span<const HiddenWidths *const> widths, std::int64_t steps,
                       double seconds);
  void JudgeTrainees(const std::vector<Trainee> &trainees);
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
  std::int32_t threads() const override {
    return together_.cohort != nullptr ? together_.places : options_.threads;
  }
  std::int64_t epoch_steps() const override { return epoch_steps_; }

  double Passes(std::int64_t steps) const {
    return static_cast<double>(steps) / static_cast<double>(pass_steps_);
  }
  std::int64_t BytesOf(const HiddenWidths &widths) const;
  std::int64_t StepsOf(const ContenderRun &run) const;
  ContenderRun &RunOf(std::int32_t number) { return *runs_[static_cast<std::size_t>(number)]; }
  const ContenderRun &RunOf(std::int32_t number) const {
    return *runs_[static_cast<std::size_t>(number)];
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
  const CohortPlaces together_;
  const std::vector<double> valid_labels_;
  const std::int64_t pass_steps_;   // mini-batches of a pass over the training rows
  const std::int64_t epoch_steps_;  // mini-batches of an epoch of the plan

  std::mutex mutex_;
  std::condition_variable changed_;
  std::exception_ptr failure_;
  bool floor_wanted_;
  enum class Calibration { kNone, kRunning, kDone } calibration_ = Calibration::kNone;
  bool ended_ = false;
  bool cohort_is_busy_ = false;  // a thread trains with it

  const CostModel built_in_cost_;
  CostModel cost_;  // of a thread, or of a place of the cohort while all are taken
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
