// The linear model that every network is measured against: logits = bias + sum over the fields of
// weight rows, numbers as one soft-clipped value each, categories as one weight each (one-hot).
//
// Trained like a network without hidden layers: mini-batches, AdamW, moving average; stopped by the
// validation rows. Logistic or least-squares regression has one optimum, so this is a floor that
// does not depend on luck.
//
// May touch: Torch (through Parameters), src/core, src/kernels.
#pragma once

#include <vector>

#include "core/data/dataset.h"
#include "core/interrupt.h"
#include "core/model/model.h"
#include "core/refinement/batch_order.h"
#include "core/refinement/parameters.h"

namespace trails {

// Not thread-safe.
class LinearTrainer {
 public:
  // data must outlive the trainer; plan is of data.fields.
  LinearTrainer(const Dataset &data, const kernels::FieldPlan &plan, std::uint64_t seed);

  // Trains `steps` mini-batches; see Trainer::Train.
  double Train(std::int64_t steps, const Interrupt &interrupt);

  std::int64_t steps_per_epoch() const noexcept { return order_.steps_per_epoch(); }

  // The averaged weights as Network "linear".
  Network Fold() const;

 private:
  const Dataset &data_;
  kernels::FieldPlan plan_;  // of the same table, its knots left out
  std::int32_t outputs_;
  BatchOrder order_;
  std::int64_t steps_ = 0;
  Parameters parameters_;
  Team team_{1};
  std::size_t table_ = 0;  // [table_rows, outputs]
  std::size_t bias_ = 0;
  std::vector<float> fields_, logits_;  // [batch, fields, outputs], [batch, outputs]
  std::vector<kernels::LocatedNumber> located_;
};

}  // namespace trails
