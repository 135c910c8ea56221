// A cohort on a card: members of near widths are groups that train in the same steps
// (cohort_group.h); groups run side by side, each on a stream of its own. Nothing is copied to the
// host in the course of a call but what it answers.
//
// Whenever Train is asked for other members than the last time, they are laid out anew: their
// numbers leave the old groups unpadded and enter the new ones, which changes no bit of them.
//
// May touch: the CUDA runtime, cuBLAS, src/core, src/kernels. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/card/batched_products.h"
#include "core/card/card_table.h"
#include "core/card/cohort_group.h"
#include "core/card/member_state.h"
#include "core/card/runtime.h"
#include "core/cohort/cohort.h"
#include "core/cohort/layout.h"
#include "core/data/dataset.h"

namespace trails {

struct CohortTrainerOptions {
  Precision precision = Precision::kTf32;              // of products in training
  CardRates rates = DataSheetRates(Precision::kTf32);  // by which widths are classed
  std::int32_t threads = 1;  // that draw the weights of new members, the caller's included
};

// One thread at a time makes calls, within a CardSession. Equal calls give equal bits on one card;
// against CpuCohort sums are taken in another order (and products in another precision). Different
// from it on purpose: an input's gradient beyond +-kMostTableGradient (cohort_gather.h) counts as
// divergence, since the table's gradients are summed in fixed point.
class CohortTrainer final : public Cohort {
 public:
  // data and plan (of data.fields) must outlive the cohort; table: of data, finished. Throws
  // Error(kOutOfMemory), Error(kDevice).
  CohortTrainer(const Dataset &data, const kernels::FieldPlan &plan,
                std::shared_ptr<const CardTable> table, const CohortTrainerOptions &options);
  ~CohortTrainer() override = default;

  // Costs nothing: weights are drawn when they are first needed. Throws Error(kInvalidArgument)
  // without hidden layers.
  std::int32_t Enter(const TrainerOptions &options) override;
  // The memory of a member that was trained is given back when its group is laid out anew, or has
  // no members left.
  void Drop(std::int32_t member) override;
  std::int64_t Bytes(const HiddenWidths &widths) const override;
  // Foretells the memory of all groups. Where the card has less, members are classed with as little
  // padding as there can be, which fits wherever the sum of their Bytes does; else throws
  // Error(kOutOfMemory) with both numbers in DETAIL, and no member has changed. Looks at
  // `interrupt` every 10 ms of the card's work at most, a single mini-batch of all members apart.
  std::vector<CohortLoss> Train(std::span<const std::int32_t> members, std::int64_t steps,
                                const Interrupt &interrupt) override;
  std::int64_t Steps(std::int32_t member) const override;
  std::int64_t steps_per_epoch() const override;
  std::vector<double> Judge(std::span<const std::int32_t> members,
                            const Interrupt &interrupt) override;
  std::vector<float> Predictions(std::int32_t member, std::span<const std::int32_t> rows,
                                 const Interrupt &interrupt) override;
  Network Fold(std::int32_t member) override;

  // Of the last Train: classes, and the share of multiply-adds that padding costs.
  std::size_t groups() const noexcept { return groups_.size(); }
  double waste() const noexcept { return waste_; }

 private:
  struct Member {
    TrainerOptions options;
    MemberState state;
    std::int64_t steps = 0;  // while it is in no group
    bool diverged = false;
    bool dropped = false;
    CohortGroup *group = nullptr;
    std::int32_t position = 0;  // in its group
    // Outside groups: its numbers, from `numbers` on; without storage it has never been needed.
    std::shared_ptr<CardArray<float>> storage;
    float *numbers = nullptr;
  };
  struct GroupPlan {
    GroupShape shape;
    std::vector<std::int32_t> members;  // numbers
    std::int64_t steps = 0;
  };

  const Member &At(std::int32_t member) const;
  Member &At(std::int32_t member) {
    return const_cast<Member &>(static_cast<const CohortTrainer &>(*this).At(member));
  }
  GroupShape ShapeOf(std::int32_t members, const HiddenWidths &padded) const;

  void LayOutAnew(const std::vector<std::int32_t> &members, const Interrupt &interrupt);
  std::vector<GroupPlan> PlanGroups(const std::vector<std::int32_t> &members,
                                    const CardRates &rates, double *waste) const;
  std::vector<GroupPlan> PlanWithinMemory(const std::vector<std::int32_t> &members,
                                          double *waste) const;
  void DissolveAll();
  void DrawNew(const std::vector<std::int32_t> &members, const Interrupt &interrupt);
  std::vector<float> DrawValues(const Member &member) const;
  std::unique_ptr<CohortGroup> MakeGroup(const GroupPlan &plan);
  void RunSteps(std::int64_t steps, const Interrupt &interrupt);

  void JudgeGroup(CohortGroup *group, const std::vector<std::int32_t> &positions,
                  const Interrupt &interrupt, double *values);
  // Calls work(group, position) where the member is, in a group of its own for this moment if it is
  // in none.
  template <typename Work>
  void WithGroup(std::int32_t member, const Interrupt &interrupt, const Work &work);

  const Dataset &data_;
  const kernels::FieldPlan &plan_;
  const std::shared_ptr<const CardTable> table_;
  const CohortTrainerOptions options_;
  BatchedProducts products_;
  const CohortShared shared_;
  CardStream stream_;  // of what belongs to no group
  std::vector<Member> members_;
  std::vector<std::int32_t> laid_out_;  // of the last Train, ascending; empty: no groups
  double waste_ = 0;
  std::vector<std::unique_ptr<CohortGroup>> groups_;  // end before what they use
};

}  // namespace trails
