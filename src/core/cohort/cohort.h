// A cohort: contenders of the refinement phase that are trained together, by whatever can do so.
//
// All members have one data set, hence one task, one mini-batch size and one input; each has its
// own widths, dropout, bend, weights, data order and masks, and its own number of mini-batches.
// What is computed is what a Trainer computes; CpuCohort, made of Trainers, is the specification.
//
// May touch: src/core, include/trails. Never Torch, CUDA or PostgreSQL.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/interrupt.h"
#include "core/model/model.h"
#include "core/refinement/trainer_options.h"

namespace trails {

// What a member's mini-batches came to.
struct CohortLoss {
  double loss = 0;        // mean over the mini-batches of the call, those before it diverged
  bool diverged = false;  // a loss was no finite number: the member's numbers mean nothing any more
};

// Not thread-safe. Every call but the destructor may throw Error(kOutOfMemory), Error(kDevice); the
// cohort can then only be destroyed.
class Cohort {
 public:
  virtual ~Cohort() = default;

  // A new member, as Trainer's constructor makes it; its number, from 0, never given twice.
  // Members may differ in learning rate and decay from others only where the implementation says.
  // Throws Error(kInvalidArgument) for options that it cannot train.
  virtual std::int32_t Enter(const TrainerOptions &options) = 0;
  // Frees a member; its number is not to be used again.
  virtual void Drop(std::int32_t member) = 0;

  // Bytes that a member of these widths takes where it is trained, in a class of its own.
  virtual std::int64_t Bytes(const HiddenWidths &widths) const = 0;

  // Trains each of `members`, all different, by `steps` further mini-batches; those of equal
  // Steps() in the same steps, so that a company of equals is the fastest. [members.size()].
  // When it throws TimeUp or Error(kCancelled) each member has trained some of them, whole ones,
  // and can go on: Steps() tells. A diverged member must not be trained again.
  virtual std::vector<CohortLoss> Train(std::span<const std::int32_t> members, std::int64_t steps,
                                        const Interrupt &interrupt) = 0;

  // Mini-batches behind a member; of one that diverged, any number.
  virtual std::int64_t Steps(std::int32_t member) const = 0;
  virtual std::int64_t steps_per_epoch() const = 0;

  // The data set's metric over the validation rows, of each member's averaged weights as they are
  // now; NaN as Judge(Metric, ...) gives it. [members.size()]. Throws what Interrupt::Check throws.
  virtual std::vector<double> Judge(std::span<const std::int32_t> members,
                                    const Interrupt &interrupt) = 0;
  // Predictions of one member's averaged weights for rows of the data set, [rows.size(), outputs],
  // as PredictRows gives them. Throws what Interrupt::Check throws.
  virtual std::vector<float> Predictions(std::int32_t member, std::span<const std::int32_t> rows,
                                         const Interrupt &interrupt) = 0;
  // One member's averaged weights as a network to predict with: for finalists.
  virtual Network Fold(std::int32_t member) = 0;
};

}  // namespace trails
