// Runs a stored model forward over encoded rows and gives the values of its layers: the RERUN of
// MISTIQUE's PipelineExecutor, without Torch.
//
// May touch: src/core/model, src/core/intermediates, src/kernels. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "core/intermediates/layers.h"
#include "core/model/forward_pass.h"
#include "core/model/model.h"

namespace trails {

// Encoded rows, row by row. labels: class index or number, NaN for none, and what is no class of
// the model counts as none; needed for losses.
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
  // `model` must be sound (FindDefect). Cost: a copy of the layers' weights. Throws
  // Error(kCancelled) within a millisecond of a stop.
  explicit LayerPass(std::shared_ptr<const Model> model, const std::stop_token &stop = {});
  // Another pass over the same packed weights, which has done nothing yet.
  LayerPass(const LayerPass &other);
  LayerPass &operator=(const LayerPass &) = delete;

  const Model &model() const noexcept { return pass_.model(); }
  const std::vector<Layer> &layers() const noexcept { return layers_; }

  // Operations done by all calls of Run, as Layer::flops_per_row counts them: what the cost model
  // learns its rate from.
  double flops() const noexcept { return flops_; }

  // Fills the requests. Computes each network as far as they need it, and nothing twice. A row's
  // numbers are the same to the last bit whatever rows stand beside it, and `prediction` is
  // Predictor::Predict's. Throws std::bad_alloc; Error(kInternal) for a layer or column that the
  // model does not have, a stride below the rows, or losses without labels.
  // Cost: Layer::flops_per_row of the deepest layers at the rates of dense.h, and 0.5 ns a value
  // given out, 1 ns where `out` is larger than the second-level cache. On one core with AVX-512
  // (bench/micro/layer_pass_bench), 10 fields of width 10 and hidden layers 128-128-64: 0.05 us a
  // row for the embedding, 0.37, 0.75 and 0.90 for hidden1 to hidden3, 0.92 for the logits, 0.95
  // for the prediction, which is Predictor's own time, and 1.7 for all layers at once.
  void Run(const LayerInput &input, std::span<const LayerRequest> requests);

 private:
  struct Block;

  void Check(const LayerInput &input, std::span<const LayerRequest> requests) const;
  void Plan(std::span<const LayerRequest> requests);
  void RunNetwork(std::size_t network, const Block &block);
  void GiveAnswers(const LayerInput &input, const Block &block);
  bool Wants(const Block &block, LayerKind kind, std::int32_t network, std::int32_t depth) const;
  void Give(const Block &block, LayerKind kind, std::int32_t network, std::int32_t depth,
            const float *values, std::int64_t stride) const;

  std::vector<Layer> layers_;
  ForwardPass pass_;
  std::vector<std::int32_t> steps_;  // [networks], that Run takes each; -1: not even gathered
  bool needs_answer_ = false;        // prediction or loss
  std::vector<float> answers_;       // [rows of a block, outputs]
  std::vector<float> losses_;        // [rows of a block]
  double flops_ = 0;
};

}  // namespace trails
