// Trains one candidate network, a few mini-batches at a time, and can always go on: weights,
// moments, averages and data order stay in the object.
//
// The network is that of docs/architecture.md: gathered fields -> [Linear, BatchNorm, ReLU,
// Dropout] per hidden layer -> Linear. Gradients are written out by hand (no autograd), matrix
// products are LibTorch's. The Linear before a BatchNorm has no bias: the BatchNorm takes it away
// again, so that the function and its gradients are those of the network with one.
//
// A mini-batch is cut into pieces of rows, and the weight gradients into pieces of units or inputs,
// by a rule that looks at shapes only; sums over rows are sums of the pieces' sums in order. So any
// number of threads computes the same products and sums, hence the same bits.
//
// Recipe: AdamW at a constant rate; what is evaluated and kept is the moving average of weights
// and BatchNorm statistics, so any moment is a good end (docs/architecture.md, "Training recipe").
//
// May touch: Torch, src/core, src/kernels. Never PostgreSQL.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <vector>

#include "core/data/dataset.h"
#include "core/data/embedding.h"
#include "core/interrupt.h"
#include "core/model/model.h"
#include "core/refinement/batch_order.h"
#include "core/refinement/parameters.h"
#include "core/refinement/team.h"
#include "core/refinement/trainer_options.h"
#include "kernels/batch_norm.h"

namespace trails {

// Not thread-safe; different trainers may run on different threads over the same data set.
class Trainer {
 public:
  // data and plan (of data.fields) must outlive the trainer. Throws std::bad_alloc.
  Trainer(const Dataset &data, const kernels::FieldPlan &plan, const TrainerOptions &options);

  // From now on each mini-batch is shared by `threads` threads: those that call Train and
  // threads - 1 more, which end with the trainer or with the next call, and inherit the caller's
  // signal mask. The results are the same, bit for bit, whatever the number, as long as the caller
  // holds an EngineThreadScope. threads >= 1, at first 1. A mini-batch has a piece for each 128
  // rows, fewer for networks of less than 80,000 weights, one for the smallest; more threads
  // than pieces bring next to nothing. Throws std::bad_alloc.
  void UseThreads(std::int32_t threads);

  // Trains `steps` mini-batches and returns their mean loss. When it throws (TimeUp,
  // Error(kCancelled)) the state is that after the last whole mini-batch, but for tables or layers
  // of more than a million numbers: there the last step may be half done, which lost() tells, and
  // training cannot go on.
  // A loss that is no finite number makes diverged() true and ends the training at once.
  double Train(std::int64_t steps, const Interrupt &interrupt);

  bool diverged() const noexcept { return diverged_; }
  bool lost() const noexcept { return lost_; }
  std::int64_t steps() const noexcept { return steps_; }
  std::int64_t steps_per_epoch() const noexcept { return order_.steps_per_epoch(); }
  double epochs() const noexcept {
    return static_cast<double>(steps_) / static_cast<double>(steps_per_epoch());
  }

  // The averaged weights as a network to predict with: batch norms folded, knots cumulated.
  Network Fold() const;

  // The loss and all gradients of one mini-batch, without the update; for tests.
  double ComputeGradients(const std::int32_t *rows, const Interrupt &interrupt);
  Parameters &parameters() noexcept { return parameters_; }

  // Bytes of one trainer of `parameters` trainable numbers: all of Parameters plus activations.
  static std::int64_t Bytes(const Dataset &data, const HiddenWidths &widths);

 private:
  // One piece of rows of a layer's activations, views of Layer's.
  struct RowPiece {
    at::Tensor xhat, h, dh;  // [piece rows, outputs]
  };
  // One piece of a layer's weight gradient, a product of its own.
  struct WeightPiece {
    at::Tensor dh_transposed;  // [units, batch]
    at::Tensor x;              // [batch, inputs]
    at::Tensor gradient;       // [units, inputs]
  };
  struct Layer {
    std::int64_t inputs = 0;
    std::int64_t outputs = 0;
    std::size_t weight = 0;  // block of parameters_, [outputs, inputs]
    std::size_t gamma = 0;   // hidden layers
    std::size_t beta = 0;    // hidden layers; the bias of the output layer
    std::uint32_t dropout_seed = 0;
    at::Tensor w, w_transposed, w_gradient;
    at::Tensor xhat, h, dh;  // [batch, outputs]
    std::vector<RowPiece> rows;
    std::vector<WeightPiece> weights;
    std::vector<float> sums;  // [row pieces, 2, outputs]; of the output layer [row pieces, outputs]
    std::vector<float> mean, inv;  // of the last mini-batch
    std::vector<float> average_mean, average_var;
  };

  void AddLayer(std::int64_t inputs, std::int64_t outputs, bool hidden);
  void CutIntoPieces();
  void CutWeights(Layer *layer, const at::Tensor &x) const;
  void Initialise();

  void ForwardPiece(std::size_t l, std::int64_t piece, const std::int32_t *rows,
                    const Interrupt &interrupt);
  const at::Tensor &InputsOf(std::size_t l, std::int64_t piece, const std::int32_t *rows);
  void OutputPiece(std::int64_t piece, const std::int32_t *rows, const Interrupt &interrupt);
  double LossOf(std::int64_t piece, const std::int32_t *rows, float *logits) const;
  void BackwardPiece(std::size_t l, std::int64_t piece, const Interrupt &interrupt);
  void Descend(std::size_t l, std::int64_t piece, const Interrupt &interrupt);
  void Backward(const std::int32_t *rows, const Interrupt &interrupt);
  // Runs of fields to scatter one by one: some to choose from for each thread.
  std::int64_t ScatterRanges() const noexcept {
    const std::int32_t threads = team_->threads();
    return threads == 1 ? 1 : std::min(4 * threads, plan_.fields);
  }
  void Scatter(kernels::FieldRange range, const std::int32_t *rows);
  void Update(const Interrupt &interrupt);
  kernels::BatchNormState NormOf(Layer *layer);
  std::int64_t hidden() const noexcept { return std::ssize(layers_) - 1; }

  const Dataset &data_;
  const kernels::FieldPlan &plan_;
  TrainerOptions options_;
  BatchOrder order_;
  kernels::BatchPieces pieces_;
  std::int64_t steps_ = 0;
  bool diverged_ = false;
  bool lost_ = false;
  const std::int32_t *pending_ = nullptr;  // rows of a mini-batch that was interrupted

  Parameters parameters_;
  std::size_t table_ = 0;               // block, [table_rows, kEmbeddingWidth]
  std::unique_ptr<float[]> cumulated_;  // the table's numeric rows, knots cumulated; else unused
  std::vector<Layer> layers_;           // hidden layers, then the output layer
  at::Tensor input_, input_gradient_;   // [batch, fields * kEmbeddingWidth]
  std::vector<at::Tensor> input_pieces_, input_gradient_pieces_;
  std::vector<kernels::LocatedNumber> located_;
  std::vector<double> losses_;  // [row pieces]
  std::vector<float> var_;      // scratch of Update

  std::unique_ptr<Team> team_ = std::make_unique<Team>(1);  // ends first
};

}  // namespace trails
