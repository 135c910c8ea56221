// A cohort of Trainers, one after the other: the specification of every other cohort.
//
// May touch: Torch (through Trainer), src/core.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/cohort/cohort.h"
#include "core/data/dataset.h"
#include "core/refinement/trainer.h"

namespace trails {

// Members may differ in everything. The caller holds an EngineThreadScope.
class CpuCohort final : public Cohort {
 public:
  // data and plan (of data.fields) must outlive the cohort. Throws std::bad_alloc.
  CpuCohort(const Dataset &data, const kernels::FieldPlan &plan);

  std::int32_t Enter(const TrainerOptions &options) override;
  void Drop(std::int32_t member) override;
  std::int64_t Bytes(const HiddenWidths &widths) const override;
  // Throws Error(kInternal) for a member that was lost to an interrupt in the middle of a step, as
  // Trainer::lost() says.
  std::vector<CohortLoss> Train(std::span<const std::int32_t> members, std::int64_t steps,
                                const Interrupt &interrupt) override;
  std::int64_t Steps(std::int32_t member) const override { return At(member).steps(); }
  std::int64_t steps_per_epoch() const override { return steps_per_epoch_; }
  std::vector<double> Judge(std::span<const std::int32_t> members,
                            const Interrupt &interrupt) override;
  std::vector<float> Predictions(std::int32_t member, std::span<const std::int32_t> rows,
                                 const Interrupt &interrupt) override;
  Network Fold(std::int32_t member) override { return At(member).Fold(); }

 private:
  Trainer &At(std::int32_t member) const;

  const Dataset &data_;
  const kernels::FieldPlan &plan_;
  const std::vector<double> valid_labels_;
  const std::int64_t steps_per_epoch_;
  std::vector<std::unique_ptr<Trainer>> trainers_;  // [members ever entered]; null: dropped
};

}  // namespace trails
