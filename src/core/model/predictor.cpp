#include "core/model/predictor.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "trails/error.h"

namespace trails {

namespace {

template <typename T>
std::int64_t BytesOf(const std::vector<T> &values) noexcept {
  return static_cast<std::int64_t>(values.capacity() * sizeof(T));
}

std::int64_t BytesOf(const std::vector<std::string> &texts) noexcept {
  std::int64_t bytes = static_cast<std::int64_t>(texts.capacity() * sizeof(std::string));
  for (const std::string &text : texts) bytes += static_cast<std::int64_t>(text.capacity());
  return bytes;
}

std::int64_t BytesOf(const Model &model) noexcept {
  std::int64_t bytes = BytesOf(model.target.classes) + BytesOf(model.target.class_keys);
  for (const Field &field : model.fields.fields) {
    bytes += static_cast<std::int64_t>(sizeof(Field)) + BytesOf(field.texts) +
             BytesOf(field.integers) + BytesOf(field.knots);
  }
  for (const Network &network : model.networks) {
    bytes += BytesOf(network.table) + BytesOf(network.bias);
    for (const DenseLayer &layer : network.layers) {
      bytes += BytesOf(layer.weight) + BytesOf(layer.bias);
    }
  }
  return bytes;
}

// logits [fields, outputs] of a gathered linear model -> out [outputs]
void SumFields(const float *vectors, std::int64_t fields, const std::vector<float> &bias,
               float *out) {
  const auto outputs = static_cast<std::int64_t>(bias.size());
  std::copy(bias.begin(), bias.end(), out);
  for (std::int64_t f = 0; f < fields; ++f) {
    for (std::int64_t o = 0; o < outputs; ++o) out[o] += vectors[f * outputs + o];
  }
}

// Adds softmax(logits) to sums. In double, because a sum over 1,000 classes in float would show.
void AddSoftmax(const float *logits, std::int64_t outputs, double *sums) {
  const double highest = *std::max_element(logits, logits + outputs);
  double total = 0;
  for (std::int64_t o = 0; o < outputs; ++o) total += std::exp(logits[o] - highest);
  for (std::int64_t o = 0; o < outputs; ++o) sums[o] += std::exp(logits[o] - highest) / total;
}

}  // namespace

Predictor::Predictor(Model model) : model_(std::move(model)), plan_(model_.fields.Plan()) {
  for (const Network &network : model_.networks) {
    std::vector<PackedLayer> &packed = layers_.emplace_back();
    input_width_ =
        std::max(input_width_, static_cast<std::int64_t>(plan_.fields) * network.embedding_width);
    hidden_width_ = std::max(hidden_width_, static_cast<std::int64_t>(network.bias.size()));
    for (const DenseLayer &layer : network.layers) {
      hidden_width_ =
          std::max(hidden_width_,
                   static_cast<std::int64_t>(packed.emplace_back(PackLayer(layer)).padded_outputs));
    }
  }
}

std::int64_t Predictor::bytes() const noexcept {
  std::int64_t bytes = BytesOf(model_) + BytesOf(plan_.categorical_fields) +
                       BytesOf(plan_.numeric_fields) + BytesOf(plan_.knot_positions) +
                       BytesOf(input_) + BytesOf(hidden_) + BytesOf(next_) + BytesOf(sums_) +
                       BytesOf(row_ids_) + BytesOf(row_values_);
  for (const std::vector<PackedLayer> &network : layers_) {
    for (const PackedLayer &layer : network) bytes += BytesOf(layer.weight) + BytesOf(layer.bias);
  }
  return bytes;
}

void Predictor::Reserve(std::int64_t rows) {
  if (rows <= reserved_rows_) return;
  input_.resize(static_cast<std::size_t>(rows * input_width_));
  hidden_.resize(static_cast<std::size_t>(rows * hidden_width_));
  next_.resize(static_cast<std::size_t>(rows * hidden_width_));
  sums_.resize(static_cast<std::size_t>(rows * outputs()));
  reserved_rows_ = rows;
}

// Returns the logits, [rows, *stride].
const float *Predictor::RunNetwork(std::size_t index, const std::int32_t *ids, const float *values,
                                   std::int64_t rows, std::int64_t *stride) {
  const Network &network = model_.networks[index];
  const std::int64_t inputs = static_cast<std::int64_t>(plan_.fields) * network.embedding_width;
  kernels::GatherFieldsCpu(plan_, ids, values, nullptr, rows, network.table.data(),
                           network.embedding_width, input_.data());
  if (network.layers.empty()) {
    *stride = outputs();
    for (std::int64_t r = 0; r < rows; ++r) {
      SumFields(input_.data() + r * inputs, plan_.fields, network.bias,
                hidden_.data() + r * *stride);
    }
    return hidden_.data();
  }
  const float *x = input_.data();
  float *y = hidden_.data();
  float *spare = next_.data();
  *stride = inputs;
  for (const PackedLayer &layer : layers_[index]) {
    const bool is_last = &layer == &layers_[index].back();
    RunLayer(layer, x, rows, *stride, !is_last, y);
    *stride = layer.padded_outputs;
    x = y;
    std::swap(y, spare);
  }
  return x;
}

void Predictor::AddOutputs(const float *logits, std::int64_t rows, std::int64_t stride) {
  const TargetCode &target = model_.target;
  for (std::int64_t r = 0; r < rows; ++r) {
    if (target.task == Task::kRegression) {
      sums_[r] += target.mean + target.scale * static_cast<double>(logits[r * stride]);
    } else {
      AddSoftmax(logits + r * stride, outputs(), sums_.data() + r * outputs());
    }
  }
}

void Predictor::PredictBlock(const std::int32_t *ids, const float *values, std::int64_t rows,
                             float *out) {
  const std::int64_t answers = rows * outputs();
  std::fill_n(sums_.begin(), answers, 0.0);
  for (std::size_t n = 0; n < model_.networks.size(); ++n) {
    std::int64_t stride = 0;
    const float *const logits = RunNetwork(n, ids, values, rows, &stride);
    AddOutputs(logits, rows, stride);
  }
  const auto networks = static_cast<double>(model_.networks.size());
  for (std::int64_t i = 0; i < answers; ++i) out[i] = static_cast<float>(sums_[i] / networks);
}

void Predictor::Predict(const std::int32_t *ids, const float *values, std::int64_t count,
                        float *out) {
  Reserve(std::min(count, kBlockRows));
  for (std::int64_t first = 0; first < count; first += kBlockRows) {
    PredictBlock(ids + first * plan_.categorical(), values + first * plan_.numeric(),
                 std::min(kBlockRows, count - first), out + first * outputs());
  }
}

void Predictor::PredictRow(std::span<const Cell> cells, float *out) {
  if (cells.size() != model_.fields.columns.size()) {
    throw Error(ErrorKind::kInternal, "row has another number of cells than the model has columns");
  }
  Reserve(1);
  row_ids_.resize(static_cast<std::size_t>(plan_.categorical()));
  row_values_.resize(static_cast<std::size_t>(plan_.numeric()));
  model_.fields.EncodeRow(cells, row_ids_.data(), row_values_.data());
  PredictBlock(row_ids_.data(), row_values_.data(), 1, out);
}

}  // namespace trails
