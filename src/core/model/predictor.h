// Predicts with a stored model, without Torch.
//
// May touch: src/core/data, src/core/model, src/kernels. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <span>
#include <stop_token>
#include <vector>

#include "core/model/forward_pass.h"
#include "core/model/model.h"

namespace trails {

// Not thread-safe: it owns scratch memory. One a thread, or one a backend.
//
// The answer for a row is the same to the last bit whether it is predicted alone or in a block,
// and wherever it stands in the block.
class Predictor {
 public:
  // Rows of a block that Predict works on at a time.
  static constexpr std::int64_t kBlockRows = ForwardPass::kBlockRows;

  // `model` must be sound (FindDefect), as ReadArtefact's always is; else the behaviour is
  // undefined. Cost: a second copy of the layers' weights (not of the embedding tables).
  // Throws Error(kCancelled) within a millisecond of a stop.
  explicit Predictor(Model model, const std::stop_token &stop = {});

  const Model &model() const noexcept { return pass_.model(); }
  std::int32_t outputs() const noexcept { return pass_.outputs(); }
  std::int64_t bytes() const noexcept;  // memory held, scratch included

  // Predicts encoded rows. ids [count, categorical], values [count, numeric] as Fields::EncodeRow
  // writes them; out [count, outputs()]: class probabilities, or the number in the target's unit.
  void Predict(const std::int32_t *ids, const float *values, std::int64_t count, float *out);

  // The same for one row of cells, [fields.columns.size()]; out [outputs()]. Allocates in the
  // first call only. Throws Error(kInternal) for another number of cells.
  void PredictRow(std::span<const Cell> cells, float *out);

 private:
  void PredictBlock(const std::int32_t *ids, const float *values, std::int64_t rows, float *out);

  ForwardPass pass_;
  std::vector<std::int32_t> row_ids_;
  std::vector<float> row_values_;
};

}  // namespace trails
