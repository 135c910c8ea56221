#include "core/refinement/forward.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "core/refinement/multiply.h"
#include "kernels/batch_norm.h"
#include "kernels/loss.h"

namespace trails {

namespace {

constexpr std::int64_t kBlockRows = 1024;

// Logits of one block of a linear network: the fields' sum plus the bias.
void SumFields(const Network &network, const float *gathered, std::int64_t rows,
               std::int32_t fields, float *logits) {
  const std::int32_t outputs = network.embedding_width;
  for (std::int64_t i = 0; i < rows; ++i) {
    float *const row = logits + i * outputs;
    std::copy_n(network.bias.data(), outputs, row);
    for (std::int32_t f = 0; f < fields; ++f) {
      for (std::int32_t o = 0; o < outputs; ++o) row[o] += *gathered++;
    }
  }
}

}  // namespace

std::vector<float> PredictRows(const Dataset &data, const kernels::FieldPlan &plan,
                               const Network &network, std::span<const std::int32_t> rows,
                               const Interrupt &interrupt) {
  const TargetCode &target = data.target;
  const std::int32_t outputs = target.outputs();
  std::vector<float> predictions(rows.size() * static_cast<std::size_t>(outputs));
  const auto all = static_cast<std::int64_t>(rows.size());
  const std::int64_t block = std::min(kBlockRows, all);
  const at::Tensor input =
      at::empty({block, std::int64_t{plan.fields} * network.embedding_width}, at::kFloat);
  std::vector<at::Tensor> hidden;
  for (const DenseLayer &layer : network.layers) {
    hidden.push_back(at::empty({block, layer.outputs}, at::kFloat));
  }
  for (std::int64_t first = 0; first < all; first += block) {
    interrupt.Check();
    const std::int64_t count = std::min(block, all - first);
    kernels::GatherFieldsCpu(plan, data.rows.ids.data(), data.rows.values.data(),
                             rows.data() + first, count, network.table.data(),
                             network.embedding_width, input.mutable_data_ptr<float>());
    float *const out = predictions.data() + first * outputs;
    if (network.layers.empty()) {
      SumFields(network, input.const_data_ptr<float>(), count, plan.fields, out);
      continue;
    }
    at::Tensor x = input.narrow(0, 0, count);
    for (std::size_t l = 0; l < network.layers.size(); ++l) {
      const DenseLayer &layer = network.layers[l];
      const bool last = l + 1 == network.layers.size();
      at::Tensor y = last ? ViewMatrix(out, count, outputs) : hidden[l].narrow(0, 0, count);
      Multiply(x, ViewMatrix(layer.weight.data(), layer.outputs, layer.inputs).t(), y, interrupt);
      kernels::AddBiasCpu(y.mutable_data_ptr<float>(), count, layer.outputs, layer.bias.data(),
                          /*relu=*/!last);
      x = y;
    }
  }
  if (target.task == Task::kRegression) {
    for (float &y : predictions) y = static_cast<float>(target.mean + target.scale * y);
  } else {
    kernels::SoftmaxCpu(predictions.data(), all, outputs);
  }
  return predictions;
}

std::vector<double> LabelsOf(const Dataset &data, std::span<const std::int32_t> rows) {
  std::vector<double> labels(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    labels[i] = data.labels[static_cast<std::size_t>(rows[i])];
  }
  return labels;
}

}  // namespace trails
