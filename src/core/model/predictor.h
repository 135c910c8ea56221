// Predicts with a stored model, without Torch.
//
// May touch: src/core/data, src/core/model, src/kernels, Eigen. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/model/model.h"

namespace trails {

// Not thread-safe: it owns scratch memory. One a thread, or one a backend.
class Predictor {
 public:
  // Rows of a block that Predict works on at a time.
  static constexpr std::int64_t kBlockRows = 256;

  explicit Predictor(Model model);

  const Model &model() const noexcept { return model_; }
  std::int32_t outputs() const noexcept { return model_.target.outputs(); }
  std::int64_t bytes() const noexcept;  // memory held

  // Predicts encoded rows. ids [count, categorical], values [count, numeric] as Fields::EncodeRow
  // writes them; out [count, outputs()]: class probabilities, or the number in the target's unit.
  void Predict(const std::int32_t *ids, const float *values, std::int64_t count, float *out);

  // The same for one row of cells, [fields.columns.size()]; out [outputs()].
  void PredictRow(std::span<const Cell> cells, float *out);

 private:
  Model model_;
  kernels::FieldPlan plan_;
  std::vector<float> input_, hidden_, next_, logits_;
  std::vector<std::int32_t> row_ids_;
  std::vector<float> row_values_;
};

}  // namespace trails
