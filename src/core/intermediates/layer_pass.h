// Runs a stored model forward over encoded rows and gives the values of its layers: the RERUN of
// MISTIQUE's PipelineExecutor, without Torch.
//
// May touch: src/core/model, src/core/intermediates, src/kernels. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/intermediates/layers.h"
#include "core/model/dense.h"
#include "core/model/model.h"

namespace trails {

// Encoded rows, row by row. labels: class index or number, NaN for none; needed for losses.
struct LayerInput {
  const std::int32_t *ids = nullptr;  // [rows, categorical]
  const float *values = nullptr;      // [rows, numeric]
  const double *labels = nullptr;     // [rows]
  std::int64_t rows = 0;
};

// What is wanted of one layer. out [columns.size(), rows]: column by column, `column_stride` floats
// from one to the next.
struct LayerRequest {
  std::size_t layer = 0;                  // into LayersOf(model)
  std::span<const std::int32_t> columns;  // positions, from 0, in any order
  float *out = nullptr;
  std::int64_t column_stride = 0;  // >= rows
};

// Not thread-safe: it owns scratch memory. Give each thread one; they share the packed weights.
class LayerPass {
 public:
  // `model` must be sound (FindDefect). Cost: a copy of the layers' weights.
  explicit LayerPass(std::shared_ptr<const Model> model);
  // Another pass over the same packed weights.
  LayerPass(const LayerPass &other);
  LayerPass &operator=(const LayerPass &) = delete;
  ~LayerPass();

  const Model &model() const noexcept;
  const std::vector<Layer> &layers() const noexcept;

  // Fills the requests. Computes each network as far as they need it, and nothing twice. A row's
  // numbers are the same to the last bit whatever rows stand beside it, and `prediction` is
  // Predictor::Predict's. Throws std::bad_alloc; Error(kInternal) for a layer or column that the
  // model does not have. Cost: Layer::flops_per_row of the deepest layers at 30 to 90 GFLOP/s (see
  // dense.h), and 1 ns a value given out.
  void Run(const LayerInput &input, std::span<const LayerRequest> requests);

 private:
  struct Packed;
  struct Scratch;

  std::shared_ptr<const Packed> packed_;
  std::unique_ptr<Scratch> scratch_;
};

}  // namespace trails
