#include "core/refinement/trainer.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

#include "core/cohort/folded_layer.h"
#include "core/cohort/initial_weights.h"
#include "core/refinement/multiply.h"

namespace trails {

namespace {

// Rows of a piece: 128 where a row is worth so much work that products lose nothing by it, up to
// the whole batch for the smallest networks, whose products are over as soon as they begin. From
// bench/micro/trainer_bench; nothing but a network's shape may decide, see trainer.h.
std::int64_t PieceRows(std::int64_t weights, std::int64_t batch) {
  const double rows = 50'000 / std::sqrt(static_cast<double>(weights));
  const double power = std::exp2(std::round(std::log2(rows)));
  return std::min(std::max<std::int64_t>(static_cast<std::int64_t>(power), 128), batch);
}

// Units of a piece of a weight gradient: products lose nothing by 128, and little by half a
// hundred, without which a layer of a hundred units would be one thread's. 0: too few units to be
// cut.
std::int64_t UnitsOfPiece(std::int64_t outputs) {
  if (outputs >= 256) return 128;
  if (outputs < 96) return 0;
  const std::int64_t pieces = (outputs + 63) / 64;
  return (outputs / pieces + 15) / 16 * 16;
}

constexpr std::int64_t kInputsOfPiece = 256;  // of a layer of too few units

}  // namespace

Trainer::Trainer(const Dataset &data, const kernels::FieldPlan &plan, const TrainerOptions &options)
    : data_(data),
      plan_(plan),
      options_(options),
      order_(data.split.train, BatchRows(static_cast<std::int64_t>(data.split.train.size())),
             OrderSeed(options.seed)) {
  table_ = parameters_.AddBlock(static_cast<std::int64_t>(plan.table_rows) * kEmbeddingWidth,
                                /*decays=*/true);
  std::int64_t inputs = static_cast<std::int64_t>(plan.fields) * kEmbeddingWidth;
  input_ = at::empty({order_.batch(), inputs}, at::kFloat);
  input_gradient_ = at::empty({order_.batch(), inputs}, at::kFloat);
  for (const std::int32_t width : options.widths) {
    AddLayer(inputs, width, /*hidden=*/true);
    inputs = width;
  }
  AddLayer(inputs, data.target.outputs(), /*hidden=*/false);
  if (plan.numeric() > 0) {
    // Not cleared: memory that a table of categories leaves alone is never given by the system.
    cumulated_.reset(new float[static_cast<std::size_t>(parameters_.count(table_))]);
  }
  located_.resize(static_cast<std::size_t>(order_.batch() * plan.numeric()));
  Initialise();
  CutIntoPieces();
}

void Trainer::AddLayer(std::int64_t inputs, std::int64_t outputs, bool hidden) {
  Layer layer;
  layer.inputs = inputs;
  layer.outputs = outputs;
  layer.weight = parameters_.AddBlock(inputs * outputs, /*decays=*/true);
  if (hidden) layer.gamma = parameters_.AddBlock(outputs, /*decays=*/false);
  layer.beta = parameters_.AddBlock(outputs, /*decays=*/false);
  layer.h = at::empty({order_.batch(), outputs}, at::kFloat);
  if (hidden) {
    layer.xhat = at::empty({order_.batch(), outputs}, at::kFloat);
    layer.dh = at::empty({order_.batch(), outputs}, at::kFloat);
  } else {
    layer.dh = layer.h;  // the loss turns the logits into their gradient
  }
  layer.mean.resize(static_cast<std::size_t>(outputs));
  layer.inv.resize(static_cast<std::size_t>(outputs));
  layer.average_mean.resize(static_cast<std::size_t>(outputs));
  layer.average_var.resize(static_cast<std::size_t>(outputs));
  layers_.push_back(std::move(layer));
}

void Trainer::Initialise() {
  parameters_.Allocate();
  std::vector<InitialLayer> start;
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    Layer &layer = layers_[l];
    const bool hidden = l + 1 < layers_.size();
    start.push_back({.inputs = layer.inputs,
                     .outputs = layer.outputs,
                     .weight = parameters_.value(layer.weight),
                     .gamma = hidden ? parameters_.value(layer.gamma) : nullptr,
                     .beta = parameters_.value(layer.beta)});
    layer.w = ViewMatrix(parameters_.value(layer.weight), layer.outputs, layer.inputs);
    layer.w_transposed = layer.w.t();
    layer.w_gradient = ViewMatrix(parameters_.gradient(layer.weight), layer.outputs, layer.inputs);
  }
  DrawInitialWeights(plan_, options_, parameters_.value(table_), start);
}

void Trainer::CutIntoPieces() {
  std::int64_t weights = 0;
  for (const Layer &layer : layers_) weights += layer.inputs * layer.outputs;
  pieces_ = {order_.batch(), PieceRows(weights, order_.batch())};
  losses_.resize(static_cast<std::size_t>(pieces_.count()));
  for (std::int64_t p = 0; p < pieces_.count(); ++p) {
    const auto cut = [&](const at::Tensor &whole) {
      return whole.defined() ? whole.narrow(0, pieces_.first(p), pieces_.rows_of(p)) : whole;
    };
    input_pieces_.push_back(cut(input_));
    input_gradient_pieces_.push_back(cut(input_gradient_));
    for (Layer &layer : layers_) {
      layer.rows.push_back({cut(layer.xhat), cut(layer.h), cut(layer.dh)});
    }
  }
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    Layer &layer = layers_[l];
    layer.sums.resize(static_cast<std::size_t>(pieces_.count() * 2 * layer.outputs));
    CutWeights(&layer, l == 0 ? input_ : layers_[l - 1].h);
  }
}

void Trainer::CutWeights(Layer *layer, const at::Tensor &x) const {
  const at::Tensor dh_transposed = layer->dh.t();
  const std::int64_t units = UnitsOfPiece(layer->outputs);
  const bool by_units = units > 0;
  const std::int64_t all = by_units ? layer->outputs : layer->inputs;
  const std::int64_t wanted = by_units ? units : kInputsOfPiece;
  for (std::int64_t first = 0; first < all; first += wanted) {
    const std::int64_t count = std::min(wanted, all - first);
    if (by_units) {
      layer->weights.push_back(
          {dh_transposed.narrow(0, first, count), x, layer->w_gradient.narrow(0, first, count)});
    } else {
      layer->weights.push_back(
          {dh_transposed, x.narrow(1, first, count), layer->w_gradient.narrow(1, first, count)});
    }
  }
}

void Trainer::UseThreads(std::int32_t threads) {
  if (team_->threads() != threads) team_ = std::make_unique<Team>(threads);
}

void Trainer::Update(const Interrupt &interrupt) {
  ++steps_;
  lost_ = true;
  const float average_decay = kernels::AverageDecay(steps_);
  parameters_.Update({.learning_rate = options_.learning_rate,
                      .decay = options_.weight_decay,
                      .average_decay = average_decay,
                      .step = steps_},
                     interrupt, team_.get());
  lost_ = false;
  const auto batch = static_cast<float>(order_.batch());
  const float unbiased = batch / (batch - 1.0f);  // as Torch's running variance
  for (std::size_t l = 0; l + 1 < layers_.size(); ++l) {
    Layer &layer = layers_[l];
    var_.resize(layer.inv.size());
    for (std::size_t j = 0; j < var_.size(); ++j) {
      var_[j] = (1.0f / (layer.inv[j] * layer.inv[j]) - kernels::kBatchNormEps) * unbiased;
    }
    kernels::AverageCpu(layer.average_mean.data(), layer.mean.data(), layer.outputs, average_decay);
    kernels::AverageCpu(layer.average_var.data(), var_.data(), layer.outputs, average_decay);
  }
}

double Trainer::Train(std::int64_t steps, const Interrupt &interrupt) {
  double sum = 0;
  std::int64_t done = 0;
  for (; done < steps && !diverged_ && !lost_; ++done) {
    if (pending_ == nullptr) pending_ = order_.Next();
    const double loss = ComputeGradients(pending_, interrupt);
    diverged_ = !std::isfinite(loss);
    if (diverged_) break;
    Update(interrupt);
    pending_ = nullptr;
    sum += loss;
  }
  return done > 0 ? sum / static_cast<double>(done) : std::nan("");
}

Network Trainer::Fold() const {
  Network network;
  network.architecture = ArchitectureName(options_.widths);
  network.embedding_width = kEmbeddingWidth;
  const float *const table = parameters_.average(table_);
  network.table.assign(table, table + parameters_.count(table_));
  kernels::CumulateKnotsCpu(plan_, network.table.data(), kEmbeddingWidth, network.table.data());
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const Layer &layer = layers_[l];
    const bool hidden = l + 1 < layers_.size();
    network.layers.push_back(
        FoldLayer({.inputs = layer.inputs,
                   .outputs = layer.outputs,
                   .weight = parameters_.average(layer.weight),
                   .gamma = hidden ? parameters_.average(layer.gamma) : nullptr,
                   .beta = parameters_.average(layer.beta),
                   .mean = layer.average_mean.data(),
                   .var = layer.average_var.data()}));
  }
  return network;
}

std::int64_t Trainer::Bytes(const Dataset &data, const HiddenWidths &widths) {
  const std::int64_t table = static_cast<std::int64_t>(data.fields.table_rows) * kEmbeddingWidth;
  const auto fields = static_cast<std::int32_t>(data.fields.fields.size());
  const auto train_rows = static_cast<std::int64_t>(data.split.train.size());
  std::int64_t floats = 2LL * fields * kEmbeddingWidth;  // a row of the input and its gradient
  for (const std::int32_t width : widths) floats += 3LL * width;
  floats += data.target.outputs();
  return Parameters::Bytes(
             table + CountParameters(widths, fields * kEmbeddingWidth, data.target.outputs())) +
         table * 4 + BatchRows(train_rows) * floats * 4;
}

}  // namespace trails
