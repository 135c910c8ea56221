#include "core/refinement/trainer.h"

#include <ATen/ops/empty.h>

#include <cmath>
#include <cstring>

#include "core/refinement/multiply.h"
#include "kernels/loss.h"

namespace trails {

namespace {

enum Purpose : std::uint64_t { kWeightsPurpose = 1, kOrderPurpose, kDropoutPurpose };

}  // namespace

Trainer::Trainer(const Dataset &data, const kernels::FieldPlan &plan, const TrainerOptions &options)
    : data_(data),
      plan_(plan),
      options_(options),
      order_(data.split.train, BatchRows(static_cast<std::int64_t>(data.split.train.size())),
             RandomStream::ForPurpose(options.seed, kOrderPurpose).Next()) {
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
  if (plan.numeric() > 0) cumulated_.resize(static_cast<std::size_t>(parameters_.count(table_)));
  located_.resize(static_cast<std::size_t>(order_.batch() * plan.numeric()));
  Initialise();
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
  layer.dh_transposed = layer.dh.t();
  layer.mean.resize(static_cast<std::size_t>(outputs));
  layer.inv.resize(static_cast<std::size_t>(outputs));
  layer.average_mean.resize(static_cast<std::size_t>(outputs));
  layer.average_var.resize(static_cast<std::size_t>(outputs));
  layers_.push_back(std::move(layer));
}

void Trainer::Initialise() {
  parameters_.Allocate();
  const InitialEmbedding embedding(plan_, options_.encoding,
                                   RandomStream::ForPurpose(options_.seed, kWeightsPurpose));
  embedding.DrawTable(parameters_.value(table_));
  RandomStream random = embedding.rest();
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    Layer &layer = layers_[l];
    float *const weight = parameters_.value(layer.weight);
    const double bound = 1.0 / std::sqrt(static_cast<double>(layer.inputs));  // torch.nn.Linear
    for (std::int64_t i = 0; i < layer.inputs * layer.outputs; ++i) {
      weight[i] = random.Symmetric(bound);
    }
    float *const beta = parameters_.value(layer.beta);
    const bool hidden = l + 1 < layers_.size();
    for (std::int64_t i = 0; i < layer.outputs; ++i) {
      beta[i] = hidden ? 0.0f : random.Symmetric(bound);
      if (hidden) parameters_.value(layer.gamma)[i] = 1.0f;
    }
    layer.w = ViewMatrix(weight, layer.outputs, layer.inputs);
    layer.w_transposed = layer.w.t();
    layer.w_gradient = ViewMatrix(parameters_.gradient(layer.weight), layer.outputs, layer.inputs);
  }
}

kernels::BatchNormState Trainer::NormOf(Layer *layer) {
  return {parameters_.value(layer->gamma), parameters_.value(layer->beta), layer->mean.data(),
          layer->inv.data()};
}

void Trainer::Forward(const std::int32_t *rows, const Interrupt &interrupt) {
  const std::int64_t batch = order_.batch();
  const float *table = parameters_.value(table_);
  if (!cumulated_.empty()) {
    kernels::CumulateKnotsCpu(plan_, table, kEmbeddingWidth, cumulated_.data());
    table = cumulated_.data();
  }
  kernels::GatherFieldsCpu(plan_, data_.rows.ids.data(), data_.rows.values.data(), rows, batch,
                           table, kEmbeddingWidth, input_.mutable_data_ptr<float>(),
                           located_.data());
  const at::Tensor *x = &input_;
  RandomStream dropout_seeds(options_.seed + static_cast<std::uint64_t>(steps_) * 0x9E3779B9ULL);
  for (std::size_t l = 0; l + 1 < layers_.size(); ++l) {
    Layer &layer = layers_[l];
    Multiply(*x, layer.w_transposed, layer.xhat, interrupt);
    kernels::BatchNormReluForwardCpu(layer.xhat.mutable_data_ptr<float>(),
                                     layer.h.mutable_data_ptr<float>(), batch, layer.outputs,
                                     NormOf(&layer), options_.dropout,
                                     static_cast<std::uint32_t>(dropout_seeds.Next()));
    x = &layer.h;
  }
  Layer &output = layers_.back();
  Multiply(*x, output.w_transposed, output.h, interrupt);
  kernels::AddBiasCpu(output.h.mutable_data_ptr<float>(), batch, output.outputs,
                      parameters_.value(output.beta), /*relu=*/false);
}

double Trainer::Loss(const std::int32_t *rows) {
  float *const logits = layers_.back().h.mutable_data_ptr<float>();
  const TargetCode &target = data_.target;
  if (target.task == Task::kRegression) {
    return kernels::SquaredErrorCpu(logits, order_.batch(), data_.labels.data(), rows, target.mean,
                                    target.scale);
  }
  return kernels::CrossEntropyCpu(logits, order_.batch(), target.outputs(), data_.labels.data(),
                                  rows);
}

void Trainer::Backward(const std::int32_t *rows, const Interrupt &interrupt) {
  const std::int64_t batch = order_.batch();
  for (std::size_t l = layers_.size(); l-- > 0;) {
    Layer &layer = layers_[l];
    float *const dh = layer.dh.mutable_data_ptr<float>();
    if (l + 1 < layers_.size()) {
      kernels::BatchNormReluBackwardCpu(
          dh, layer.xhat.const_data_ptr<float>(), layer.h.const_data_ptr<float>(), batch,
          layer.outputs, NormOf(&layer), options_.dropout, parameters_.gradient(layer.gamma),
          parameters_.gradient(layer.beta));
    } else {
      float *const bias = parameters_.gradient(layer.beta);
      std::memset(bias, 0, sizeof(float) * static_cast<std::size_t>(layer.outputs));
      for (std::int64_t i = 0; i < batch * layer.outputs; ++i) bias[i % layer.outputs] += dh[i];
    }
    const at::Tensor &x = l == 0 ? input_ : layers_[l - 1].h;
    Multiply(layer.dh_transposed, x, layer.w_gradient, interrupt);
    Multiply(layer.dh, layer.w, l == 0 ? input_gradient_ : layers_[l - 1].dh, interrupt);
  }
  float *const table_gradient = parameters_.gradient(table_);
  std::memset(table_gradient, 0,
              sizeof(float) * static_cast<std::size_t>(parameters_.count(table_)));
  kernels::ScatterFieldsCpu(plan_, data_.rows.ids.data(), located_.data(), rows, batch,
                            input_gradient_.const_data_ptr<float>(), kEmbeddingWidth,
                            table_gradient);
  kernels::CumulateKnotsBackwardCpu(plan_, kEmbeddingWidth, table_gradient);
}

double Trainer::ComputeGradients(const std::int32_t *rows, const Interrupt &interrupt) {
  Forward(rows, interrupt);
  const double loss = Loss(rows);
  Backward(rows, interrupt);
  return loss;
}

void Trainer::Update(const Interrupt &interrupt) {
  ++steps_;
  lost_ = true;
  const float average_decay = AverageDecay(steps_);
  parameters_.Update({.learning_rate = options_.learning_rate,
                      .decay = options_.weight_decay,
                      .average_decay = average_decay,
                      .step = steps_},
                     interrupt);
  lost_ = false;
  const auto batch = static_cast<float>(order_.batch());
  const float unbiased = batch / (batch - 1.0f);  // as Torch's running variance
  std::vector<float> var;
  for (std::size_t l = 0; l + 1 < layers_.size(); ++l) {
    Layer &layer = layers_[l];
    var.resize(layer.inv.size());
    for (std::size_t j = 0; j < var.size(); ++j) {
      var[j] = (1.0f / (layer.inv[j] * layer.inv[j]) - kernels::kBatchNormEps) * unbiased;
    }
    kernels::AverageCpu(layer.average_mean.data(), layer.mean.data(), layer.outputs, average_decay);
    kernels::AverageCpu(layer.average_var.data(), var.data(), layer.outputs, average_decay);
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
  network.table.resize(static_cast<std::size_t>(parameters_.count(table_)));
  kernels::CumulateKnotsCpu(plan_, parameters_.average(table_), kEmbeddingWidth,
                            network.table.data());
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const Layer &layer = layers_[l];
    DenseLayer dense;
    dense.inputs = static_cast<std::int32_t>(layer.inputs);
    dense.outputs = static_cast<std::int32_t>(layer.outputs);
    const float *const weight = parameters_.average(layer.weight);
    const float *const beta = parameters_.average(layer.beta);
    dense.weight.assign(weight, weight + parameters_.count(layer.weight));
    dense.bias.assign(beta, beta + layer.outputs);
    if (l + 1 < layers_.size()) {
      const float *const gamma = parameters_.average(layer.gamma);
      for (std::size_t j = 0; j < dense.bias.size(); ++j) {
        const float scale = gamma[j] / std::sqrt(layer.average_var[j] + kernels::kBatchNormEps);
        dense.bias[j] -= layer.average_mean[j] * scale;
        float *const row = dense.weight.data() + j * static_cast<std::size_t>(layer.inputs);
        for (std::int64_t i = 0; i < layer.inputs; ++i) row[i] *= scale;
      }
    }
    network.layers.push_back(std::move(dense));
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
         table * 4 + BatchRows(train_rows) * floats * 4 + train_rows * 4;
}

}  // namespace trails
