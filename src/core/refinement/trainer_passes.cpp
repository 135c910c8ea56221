// One mini-batch through the network and back, phase by phase: what a phase computes piece by piece
// needs sums over all rows that the phase before has left.
#include <algorithm>

#include "core/refinement/multiply.h"
#include "core/refinement/trainer.h"
#include "kernels/loss.h"

namespace trails {

namespace {
constexpr std::int64_t kClearedNumbers = 1 << 18;  // of the table's gradient, by one thread
}  // namespace

kernels::BatchNormState Trainer::NormOf(Layer *layer) {
  return {parameters_.value(layer->gamma), parameters_.value(layer->beta), layer->mean.data(),
          layer->inv.data()};
}

// Gathers the fields, or normalises the layer before.
const at::Tensor &Trainer::InputsOf(std::size_t l, std::int64_t piece, const std::int32_t *rows) {
  const std::int64_t first = pieces_.first(piece);
  const std::int64_t count = pieces_.rows_of(piece);
  if (l == 0) {
    at::Tensor &input = input_pieces_[static_cast<std::size_t>(piece)];
    kernels::GatherFieldsCpu(plan_, data_.rows.ids.data(), data_.rows.values.data(), rows + first,
                             count, parameters_.value(table_), kEmbeddingWidth,
                             input.mutable_data_ptr<float>(),
                             located_.data() + first * plan_.numeric(), cumulated_.get());
    return input;
  }
  Layer &layer = layers_[l - 1];
  RowPiece &of = layer.rows[static_cast<std::size_t>(piece)];
  kernels::BatchNormReluForwardCpu(of.xhat.mutable_data_ptr<float>(),
                                   of.h.mutable_data_ptr<float>(), first, count, layer.outputs,
                                   NormOf(&layer), options_.dropout, layer.dropout_seed);
  return of.h;
}

void Trainer::ForwardPiece(std::size_t l, std::int64_t piece, const std::int32_t *rows,
                           const Interrupt &interrupt) {
  const at::Tensor &x = InputsOf(l, piece, rows);
  Layer &layer = layers_[l];
  at::Tensor &z = layer.rows[static_cast<std::size_t>(piece)].xhat;
  Multiply(x, layer.w_transposed, z, interrupt);
  kernels::BatchNormMomentsCpu(z.const_data_ptr<float>(), pieces_.rows_of(piece), layer.outputs,
                               layer.sums.data() + piece * 2 * layer.outputs);
}

double Trainer::LossOf(std::int64_t piece, const std::int32_t *rows, float *logits) const {
  const TargetCode &target = data_.target;
  const std::int32_t *const index = rows + pieces_.first(piece);
  const std::int64_t count = pieces_.rows_of(piece);
  if (target.task == Task::kRegression) {
    return kernels::HuberErrorCpu(logits, count, data_.labels.data(), index, target.mean,
                                  target.scale, options_.bend, order_.batch());
  }
  return kernels::CrossEntropyCpu(logits, count, target.outputs(), data_.labels.data(), index,
                                  order_.batch());
}

void Trainer::OutputPiece(std::int64_t piece, const std::int32_t *rows,
                          const Interrupt &interrupt) {
  const std::size_t l = layers_.size() - 1;
  const at::Tensor &x = InputsOf(l, piece, rows);
  Layer &layer = layers_[l];
  at::Tensor &logits = layer.rows[static_cast<std::size_t>(piece)].h;
  Multiply(x, layer.w_transposed, logits, interrupt);
  float *const y = logits.mutable_data_ptr<float>();
  const std::int64_t count = pieces_.rows_of(piece);
  kernels::AddBiasCpu(y, count, layer.outputs, parameters_.value(layer.beta), /*relu=*/false);
  losses_[static_cast<std::size_t>(piece)] = LossOf(piece, rows, y);
  kernels::AddRowsCpu(y, count, layer.outputs, layer.sums.data() + piece * layer.outputs);
  Descend(l, piece, interrupt);
}

// The gradient of a layer's inputs from that of its products.
void Trainer::Descend(std::size_t l, std::int64_t piece, const Interrupt &interrupt) {
  const auto p = static_cast<std::size_t>(piece);
  Layer &layer = layers_[l];
  if (l == 0) {
    Multiply(layer.rows[p].dh, layer.w, input_gradient_pieces_[p], interrupt);
    return;
  }
  Layer &before = layers_[l - 1];
  RowPiece &of = before.rows[p];
  Multiply(layer.rows[p].dh, layer.w, of.dh, interrupt);
  kernels::BatchNormReluBackwardSumsCpu(
      of.dh.mutable_data_ptr<float>(), of.xhat.const_data_ptr<float>(),
      of.h.const_data_ptr<float>(), pieces_.rows_of(piece), before.outputs, options_.dropout,
      before.sums.data() + piece * 2 * before.outputs);
}

void Trainer::BackwardPiece(std::size_t l, std::int64_t piece, const Interrupt &interrupt) {
  Layer &layer = layers_[l];
  RowPiece &of = layer.rows[static_cast<std::size_t>(piece)];
  kernels::BatchNormBackwardCpu(of.dh.mutable_data_ptr<float>(), of.xhat.const_data_ptr<float>(),
                                pieces_.rows_of(piece), layer.outputs, order_.batch(),
                                NormOf(&layer), parameters_.gradient(layer.gamma),
                                parameters_.gradient(layer.beta));
  Descend(l, piece, interrupt);
}

void Trainer::Scatter(kernels::FieldRange range, const std::int32_t *rows) {
  kernels::ScatterFieldsCpu(plan_, range, data_.rows.ids.data(), located_.data(), rows,
                            order_.batch(), input_gradient_.const_data_ptr<float>(),
                            kEmbeddingWidth, parameters_.gradient(table_));
}

double Trainer::ComputeGradients(const std::int32_t *rows, const Interrupt &interrupt) {
  const std::int64_t pieces = pieces_.count();
  interrupt.Check();
  RandomStream dropout_seeds(options_.seed + static_cast<std::uint64_t>(steps_) * 0x9E3779B9ULL);
  if (cumulated_) {
    kernels::CumulateKnotsCpu(plan_, parameters_.value(table_), kEmbeddingWidth, cumulated_.get());
  }
  for (std::size_t l = 0; l + 1 < layers_.size(); ++l) {
    Layer &layer = layers_[l];
    layer.dropout_seed = static_cast<std::uint32_t>(dropout_seeds.Next());
    team_->Run(pieces, [&](std::int64_t p) { ForwardPiece(l, p, rows, interrupt); });
    kernels::BatchNormCombineCpu(layer.sums.data(), pieces_, layer.outputs, NormOf(&layer));
  }
  team_->Run(pieces, [&](std::int64_t p) { OutputPiece(p, rows, interrupt); });
  Layer &output = layers_.back();
  kernels::AddPiecesCpu(output.sums.data(), pieces, output.outputs, output.outputs,
                        parameters_.gradient(output.beta));
  Backward(rows, interrupt);
  double loss = 0;
  for (const double part : losses_) loss += part;
  return loss;
}

void Trainer::Backward(const std::int32_t *rows, const Interrupt &interrupt) {
  const std::int64_t pieces = pieces_.count();
  const auto multiply_weights = [&](Layer &layer, std::int64_t i) {
    WeightPiece &piece = layer.weights[static_cast<std::size_t>(i)];
    Multiply(piece.dh_transposed, piece.x, piece.gradient, interrupt);
  };
  for (std::size_t l = layers_.size() - 1; l-- > 0;) {
    Layer &layer = layers_[l];
    kernels::AddPiecesCpu(layer.sums.data(), pieces, 2 * layer.outputs, layer.outputs,
                          parameters_.gradient(layer.gamma));
    kernels::AddPiecesCpu(layer.sums.data() + layer.outputs, pieces, 2 * layer.outputs,
                          layer.outputs, parameters_.gradient(layer.beta));
    Layer &above = layers_[l + 1];
    const std::int64_t products = std::ssize(above.weights);
    team_->Run(products + pieces, [&](std::int64_t i) {
      i < products ? multiply_weights(above, i) : BackwardPiece(l, i - products, interrupt);
    });
  }
  float *const table_gradient = parameters_.gradient(table_);
  const std::int64_t numbers = parameters_.count(table_);
  team_->Run((numbers + kClearedNumbers - 1) / kClearedNumbers, [&](std::int64_t i) {
    const std::int64_t from = i * kClearedNumbers;
    std::fill_n(table_gradient + from, std::min(kClearedNumbers, numbers - from), 0.0f);
  });
  Layer &first = layers_.front();
  const std::int64_t products = std::ssize(first.weights);
  const std::int64_t ranges = ScatterRanges();
  team_->Run(products + ranges, [&](std::int64_t i) {
    if (i < products) {
      multiply_weights(first, i);
    } else {
      const auto at = [&](std::int64_t range) {
        return static_cast<std::int32_t>(plan_.fields * range / ranges);
      };
      Scatter({at(i - products), at(i - products + 1)}, rows);
    }
  });
  kernels::CumulateKnotsBackwardCpu(plan_, kEmbeddingWidth, table_gradient);
}

}  // namespace trails
