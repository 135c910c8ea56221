// Members of a cohort that train in the same steps on the card: equally many layers, equally many
// mini-batches behind them, one product a layer for all of them.
//
// May touch: the CUDA runtime, cuBLAS, src/core, src/kernels. Never Torch or PostgreSQL.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/card/batched_products.h"
#include "core/card/card_table.h"
#include "core/card/group_arrays.h"
#include "core/card/member_state.h"
#include "core/card/runtime.h"
#include "core/cohort/cohort.h"
#include "core/refinement/trainer_options.h"
#include "kernels/cohort_step.h"

namespace trails {

// What all groups of a cohort share; must outlive them.
struct CohortShared {
  const Dataset &data;
  const CardTable &table;
  BatchedProducts &products;
  Precision precision;
};

// Queues on a stream of its own; what waits for the card says so.
class CohortGroup {
 public:
  struct Entry {
    std::int32_t member = 0;  // its number in the cohort
    const TrainerOptions *options = nullptr;
  };
  // Members of equal learning rate and decay, `steps` mini-batches old, their numbers all zero.
  // Throws Error(kOutOfMemory) with GroupBytes(shape), Error(kDevice).
  CohortGroup(const CohortShared &shared, const GroupShape &shape, std::span<const Entry> entries,
              std::int64_t steps);
  // Waits for the card.
  ~CohortGroup();
  CohortGroup(const CohortGroup &) = delete;
  CohortGroup &operator=(const CohortGroup &) = delete;

  const std::vector<std::int32_t> &members() const noexcept { return members_; }
  std::int64_t steps() const noexcept { return steps_; }
  const GroupShape &shape() const noexcept { return shape_; }
  const GroupArrays &arrays() const noexcept { return arrays_; }
  const CardStream &stream() const noexcept { return stream_; }

  // Does the moves of AppendMoves and waits for them.
  void Carry(const std::vector<kernels::BlockCopy> &moves);

  // Forgets losses; a member that diverged has done so for ever.
  void ClearLosses();
  // Queues a mini-batch of all members. The first one is queued kernel by kernel, so that all code
  // is loaded; then it is captured and replayed.
  void QueueStep();
  // Marks the present end of the queue and waits for the mark before the last one.
  void MarkAndCatchUp();
  // Of all members since ClearLosses, in the order of members(). Waits.
  std::vector<CohortLoss> Losses();

  // predictions [count, row_count, outputs], on the card = those of the averaged weights of members
  // first .. first + count - 1 (places in members()) for `rows` [row_count], on the card. Products
  // are computed in float32 whatever the precision of training: metrics are to be exact. Returns
  // with at most two pieces of the work ahead of the card. Throws what Interrupt::Check throws.
  void Predict(std::int32_t first, std::int32_t count, const std::int32_t *rows,
               std::int64_t row_count, float *predictions, const Interrupt &interrupt);

 private:
  void UploadFacts(std::span<const Entry> entries);
  void PrepareOrder();
  void RunStep();
  void RunForward();
  void RunBackward();
  void FoldAverages();
  void PredictBlock(std::int32_t first, std::int32_t count, const kernels::CohortRows &rows,
                    std::int64_t block_rows, std::int64_t member_stride, float *predictions);
  kernels::CohortLayer LayerOf(std::size_t l) const;
  kernels::CohortNorm NormOf(std::size_t l) const;
  kernels::CohortRows BatchRowsOfStep() const;
  ProductShape ProductOf(std::size_t l) const;

  const CohortShared &shared_;
  const GroupShape shape_;
  const NetworkSections sections_;
  std::vector<std::int32_t> members_;
  kernels::CohortStepOptions step_options_;
  std::int64_t steps_;
  std::int64_t ordered_epoch_ = -1;  // whose order arrays_.order holds
  bool code_loaded_ = false;
  bool folded_ = false;  // gradients hold the folded averages

  CardBytes memory_;
  GroupArrays arrays_;
  CardStream stream_;
  CardGraph graph_;
  std::array<CardEvent, 2> marks_;
  std::size_t next_mark_ = 0;
};

}  // namespace trails
