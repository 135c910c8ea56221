#include "core/model/forward_pass.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

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

}  // namespace

std::int64_t PackedModel::bytes() const noexcept {
  std::int64_t bytes = BytesOf(*model) + BytesOf(plan.categorical_fields) +
                       BytesOf(plan.numeric_fields) + BytesOf(plan.knot_positions);
  for (const std::vector<PackedLayer> &network : layers) {
    for (const PackedLayer &layer : network) bytes += BytesOf(layer.weight) + BytesOf(layer.bias);
  }
  return bytes;
}

std::shared_ptr<const PackedModel> PackModel(std::shared_ptr<const Model> model,
                                             const std::stop_token &stop) {
  auto packed = std::make_shared<PackedModel>();
  packed->plan = model->fields.Plan();
  for (const Network &network : model->networks) {
    std::vector<PackedLayer> &layers = packed->layers.emplace_back();
    packed->input_width =
        std::max(packed->input_width,
                 static_cast<std::int64_t>(packed->plan.fields) * network.embedding_width);
    packed->hidden_width =
        std::max(packed->hidden_width, static_cast<std::int64_t>(network.bias.size()));
    for (const DenseLayer &layer : network.layers) {
      layers.push_back(PackLayer(layer, stop));
      packed->hidden_width =
          std::max(packed->hidden_width, static_cast<std::int64_t>(layers.back().padded_outputs));
    }
  }
  packed->model = std::move(model);
  return packed;
}

std::int32_t StepsOf(const Network &network) noexcept {
  return std::max(1, static_cast<std::int32_t>(network.layers.size()));
}

ForwardPass::ForwardPass(std::shared_ptr<const PackedModel> packed) : packed_(std::move(packed)) {}

std::int64_t ForwardPass::bytes() const noexcept {
  return BytesOf(input_) + BytesOf(hidden_) + BytesOf(next_) + BytesOf(sums_) +
         BytesOf(exponentials_);
}

void ForwardPass::Start(const std::int32_t *ids, const float *values, std::int64_t rows) {
  if (rows > reserved_rows_) {
    input_.resize(static_cast<std::size_t>(rows * packed_->input_width));
    hidden_.resize(static_cast<std::size_t>(rows * packed_->hidden_width));
    next_.resize(static_cast<std::size_t>(rows * packed_->hidden_width));
    reserved_rows_ = rows;
  }
  ids_ = ids;
  values_ = values;
  rows_ = rows;
  added_ = 0;
}

void ForwardPass::Gather(std::size_t network) {
  const Network &from = model().networks[network];
  kernels::GatherFieldsCpu(packed_->plan, ids_, values_, nullptr, rows_, from.table.data(),
                           from.embedding_width, input_.data());
  network_ = network;
  steps_ = 0;
  current_ = input_.data();
  stride_ = static_cast<std::int64_t>(packed_->plan.fields) * from.embedding_width;
}

void ForwardPass::Step(bool relu) {
  const Network &network = model().networks[network_];
  float *const out = hidden_.data();
  std::int64_t out_stride = outputs();
  if (network.layers.empty()) {
    for (std::int64_t r = 0; r < rows_; ++r) {
      SumFields(current_ + r * stride_, packed_->plan.fields, network.bias, out + r * out_stride);
    }
  } else {
    const PackedLayer &layer = packed_->layers[network_][static_cast<std::size_t>(steps_)];
    const bool is_last = steps_ + 1 == StepsOf(network);
    RunLayer(layer, current_, rows_, stride_, relu && !is_last, out);
    out_stride = layer.padded_outputs;
  }
  std::swap(hidden_, next_);  // what was written stays where it is; the next step writes elsewhere
  current_ = out;
  stride_ = out_stride;
  ++steps_;
}

void ForwardPass::Clip() noexcept {
  ApplyRelu(current_, rows_ * stride_);
}

// In double, because a sum over 1,000 classes in float would show.
void ForwardPass::AddProbabilities(const float *logits, double *sums) noexcept {
  const std::int64_t classes = outputs();
  const double highest = *std::max_element(logits, logits + classes);
  double total = 0;
  for (std::int64_t c = 0; c < classes; ++c) {
    total += exponentials_[c] = std::exp(logits[c] - highest);
  }
  for (std::int64_t c = 0; c < classes; ++c) sums[c] += exponentials_[c] / total;
}

void ForwardPass::AddAnswer() {
  const TargetCode &target = model().target;
  if (added_++ == 0) {
    sums_.assign(static_cast<std::size_t>(rows_ * outputs()), 0.0);
    exponentials_.resize(static_cast<std::size_t>(outputs()));
  }
  for (std::int64_t r = 0; r < rows_; ++r) {
    const float *const logits = current_ + r * stride_;
    if (target.task == Task::kRegression) {
      sums_[r] += target.mean + target.scale * static_cast<double>(logits[0]);
    } else {
      AddProbabilities(logits, sums_.data() + r * outputs());
    }
  }
}

void ForwardPass::WriteMeanAnswer(float *out) const noexcept {
  const auto networks = static_cast<double>(added_);
  for (std::int64_t i = 0; i < rows_ * outputs(); ++i) {
    out[i] = static_cast<float>(sums_[i] / networks);
  }
}

}  // namespace trails
