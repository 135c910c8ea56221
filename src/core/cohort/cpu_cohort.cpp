#include "core/cohort/cpu_cohort.h"

#include <cstddef>

#include "core/data/metrics.h"
#include "core/refinement/batch_order.h"
#include "core/refinement/forward.h"
#include "trails/error.h"

namespace trails {

CpuCohort::CpuCohort(const Dataset &data, const kernels::FieldPlan &plan)
    : data_(data),
      plan_(plan),
      valid_labels_(LabelsOf(data, data.split.valid)),
      steps_per_epoch_(static_cast<std::int64_t>(data.split.train.size()) /
                       BatchRows(static_cast<std::int64_t>(data.split.train.size()))) {}

Trainer &CpuCohort::At(std::int32_t member) const {
  const auto at = static_cast<std::size_t>(member);
  if (at >= trainers_.size() || !trainers_[at]) {
    throw Error(ErrorKind::kInternal, "a cohort has no such member");
  }
  return *trainers_[at];
}

std::int32_t CpuCohort::Enter(const TrainerOptions &options) {
  trainers_.push_back(std::make_unique<Trainer>(data_, plan_, options));
  return static_cast<std::int32_t>(trainers_.size() - 1);
}

void CpuCohort::Drop(std::int32_t member) {
  At(member);
  trainers_[static_cast<std::size_t>(member)].reset();
}

std::int64_t CpuCohort::Bytes(const HiddenWidths &widths) const {
  return Trainer::Bytes(data_, widths);
}

std::vector<CohortLoss> CpuCohort::Train(std::span<const std::int32_t> members, std::int64_t steps,
                                         const Interrupt &interrupt) {
  std::vector<CohortLoss> losses;
  for (const std::int32_t member : members) {
    Trainer &trainer = At(member);
    if (trainer.lost() || trainer.diverged()) {
      throw Error(ErrorKind::kInternal, "a member of a cohort can train no more");
    }
    const double loss = trainer.Train(steps, interrupt);
    losses.push_back({loss, trainer.diverged()});
  }
  return losses;
}

std::vector<double> CpuCohort::Judge(std::span<const std::int32_t> members,
                                     const Interrupt &interrupt) {
  std::vector<double> values;
  for (const std::int32_t member : members) {
    values.push_back(trails::Judge(data_.metric, Predictions(member, data_.split.valid, interrupt),
                                   data_.target.outputs(), valid_labels_));
  }
  return values;
}

std::vector<float> CpuCohort::Predictions(std::int32_t member, std::span<const std::int32_t> rows,
                                          const Interrupt &interrupt) {
  return PredictRows(data_, plan_, At(member).Fold(), rows, interrupt);
}

}  // namespace trails
