// Runs the networks of a stored model forward over a block of encoded rows, step by step: what the
// predictor and the layers of intermediates have in common.
//
// May touch: src/core/data, src/core/model, src/kernels. Never Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <vector>

#include "core/model/dense.h"
#include "core/model/model.h"
#include "kernels/gather_fields.h"

namespace trails {

// A model ready to run.
struct PackedModel {
  std::shared_ptr<const Model> model;
  kernels::FieldPlan plan;
  std::vector<std::vector<PackedLayer>> layers;  // [networks]
  std::int64_t input_width = 0;   // floats of one gathered row, of the widest network
  std::int64_t hidden_width = 0;  // floats of the widest layer's outputs

  std::int64_t bytes() const noexcept;  // memory held, the model included
};

// `model` must be sound (FindDefect), else running it is undefined. Cost: a second copy of the
// layers' weights (not of the embedding tables). Throws Error(kCancelled) as PackLayer.
std::shared_ptr<const PackedModel> PackModel(std::shared_ptr<const Model> model,
                                             const std::stop_token &stop = {});

// Dense layers of the network; 1 for the linear model, which sums its fields there.
std::int32_t StepsOf(const Network &network) noexcept;

// One block after the other: Start, then for each network wanted Gather and Step up to where it is
// needed. A row's values are the same to the last bit whatever rows stand beside it.
//
// Not thread-safe: it owns scratch memory, which grows to the largest block.
class ForwardPass {
 public:
  // Rows of a block for which the values of a layer stay in the cache.
  static constexpr std::int64_t kBlockRows = 256;

  explicit ForwardPass(std::shared_ptr<const PackedModel> packed);
  // Another pass over the same packed weights.
  ForwardPass(const ForwardPass &other) : ForwardPass(other.packed_) {}
  ForwardPass(ForwardPass &&) = default;
  ForwardPass &operator=(const ForwardPass &) = delete;

  const PackedModel &packed() const noexcept { return *packed_; }
  const Model &model() const noexcept { return *packed_->model; }
  std::int32_t outputs() const noexcept { return packed_->model->target.outputs(); }
  std::int64_t bytes() const noexcept;  // scratch memory held

  // Begins a block. ids [rows, categorical], values [rows, numeric] as Fields::EncodeRow writes
  // them; they must stay where they are while the block is worked on. Throws std::bad_alloc.
  void Start(const std::int32_t *ids, const float *values, std::int64_t rows);

  // Makes the gathered fields of that network, [rows, fields * embedding_width], the current
  // values.
  void Gather(std::size_t network);
  // Takes the current values through the network's next layer; at most StepsOf(network) times after
  // Gather. With `relu` hidden layers end in ReLU; the last layer, which gives the logits, never
  // does.
  void Step(bool relu);
  // Applies ReLU to the current values: after Step(false) they have the bits of Step(true).
  void Clip() noexcept;

  // The current values, [rows, stride()]; valid until the next Gather or Step.
  const float *current() const noexcept { return current_; }
  std::int64_t stride() const noexcept { return stride_; }

  // Adds what the current values, which must be logits, answer: class probabilities (softmax), or
  // mean + scale * logit.
  void AddAnswer();
  // Writes the mean of the answers added since Start, of which there must be one: out
  // [rows, outputs()].
  void WriteMeanAnswer(float *out) const noexcept;

 private:
  void AddProbabilities(const float *logits, double *sums) noexcept;

  std::shared_ptr<const PackedModel> packed_;
  std::vector<float> input_, hidden_, next_;
  std::vector<double> sums_;          // [rows, outputs()], over the networks
  std::vector<double> exponentials_;  // [outputs()]
  const std::int32_t *ids_ = nullptr;
  const float *values_ = nullptr;
  std::int64_t rows_ = 0;
  std::int64_t reserved_rows_ = 0;
  std::size_t network_ = 0;
  std::int32_t steps_ = 0;  // done since Gather
  std::int32_t added_ = 0;  // answers, since Start
  float *current_ = nullptr;
  std::int64_t stride_ = 0;
};

}  // namespace trails
