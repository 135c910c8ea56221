#include "core/intermediates/layer_pass.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "trails/error.h"

namespace trails {

namespace {

constexpr std::int64_t kBlockRows = ForwardPass::kBlockRows;
constexpr std::int64_t kTileRows = 16;  // one cache line of each column given out

// values [rows, stride] -> request.out from first_row on, tile by tile, so that both sides stay in
// the first-level cache.
void CopyColumns(const float *values, std::int64_t stride, std::int64_t rows,
                 const LayerRequest &request, std::int64_t first_row) {
  for (std::int64_t first = 0; first < rows; first += kTileRows) {
    const std::int64_t tile = std::min(kTileRows, rows - first);
    const float *const from = values + first * stride;
    for (std::size_t c = 0; c < request.columns.size(); ++c) {
      const std::int32_t column = request.columns[c];
      float *const to = request.out + c * request.column_stride + first_row + first;
      for (std::int64_t r = 0; r < tile; ++r) to[r] = from[r * stride + column];
    }
  }
}

// answer [outputs], as predicted: the same terms that Judge's metrics are the means of.
float LossOf(const TargetCode &target, const float *answer, double label) {
  if (target.task == Task::kRegression) {
    const double error = static_cast<double>(answer[0]) - label;
    return static_cast<float>(error * error);
  }
  const bool is_class = label >= 0 && label < target.outputs() && label == std::floor(label);
  if (!is_class) return std::numeric_limits<float>::quiet_NaN();
  const double probability = answer[static_cast<std::size_t>(label)];
  // 0 - x, because -ln 1 would be -0.
  return static_cast<float>(0.0 - std::log(std::clamp(probability, 1e-15, 1.0)));
}

}  // namespace

// Rows first_row .. first_row + rows - 1 of the input.
struct LayerPass::Block {
  std::span<const LayerRequest> requests;
  std::int64_t first_row = 0;
  std::int64_t rows = 0;
};

LayerPass::LayerPass(std::shared_ptr<const Model> model, const std::stop_token &stop)
    : layers_(LayersOf(*model)), pass_(PackModel(std::move(model), stop)) {}

LayerPass::LayerPass(const LayerPass &other) : layers_(other.layers_), pass_(other.pass_) {}

void LayerPass::Check(const LayerInput &input, std::span<const LayerRequest> requests) const {
  for (const LayerRequest &request : requests) {
    if (request.layer >= layers_.size()) {
      throw Error(ErrorKind::kInternal, fmt::format("model has no layer {}", request.layer));
    }
    const Layer &layer = layers_[request.layer];
    for (const std::int32_t column : request.columns) {
      if (column < 0 || column >= layer.columns) {
        throw Error(ErrorKind::kInternal,
                    fmt::format("layer \"{}\" has no column at position {}", layer.name, column));
      }
    }
    if (!request.columns.empty() && request.column_stride < input.rows) {
      throw Error(ErrorKind::kInternal, "columns of a layer would overlap");
    }
    if (layer.kind == LayerKind::kLoss && input.labels == nullptr) {
      throw Error(ErrorKind::kInternal, "losses need labels");
    }
  }
}

void LayerPass::Plan(std::span<const LayerRequest> requests) {
  const std::vector<Network> &networks = model().networks;
  steps_.assign(networks.size(), -1);
  needs_answer_ = false;
  for (const LayerRequest &request : requests) {
    const Layer &layer = layers_[request.layer];
    if (layer.network < 0) {
      needs_answer_ = true;
      continue;
    }
    const auto n = static_cast<std::size_t>(layer.network);
    const bool is_logits = layer.kind == LayerKind::kLogits;
    steps_[n] = std::max(steps_[n], is_logits ? StepsOf(networks[n]) : layer.depth);
  }
  if (!needs_answer_) return;
  for (std::size_t n = 0; n < networks.size(); ++n) steps_[n] = StepsOf(networks[n]);
}

bool LayerPass::Wants(const Block &block, LayerKind kind, std::int32_t network,
                      std::int32_t depth) const {
  return std::any_of(
      block.requests.begin(), block.requests.end(), [&](const LayerRequest &request) {
        const Layer &layer = layers_[request.layer];
        return layer.kind == kind && layer.network == network && layer.depth == depth;
      });
}

void LayerPass::Give(const Block &block, LayerKind kind, std::int32_t network, std::int32_t depth,
                     const float *values, std::int64_t stride) const {
  for (const LayerRequest &request : block.requests) {
    const Layer &layer = layers_[request.layer];
    if (layer.kind == kind && layer.network == network && layer.depth == depth) {
      CopyColumns(values, stride, block.rows, request, block.first_row);
    }
  }
}

void LayerPass::RunNetwork(std::size_t network, const Block &block) {
  const Network &weights = model().networks[network];
  const auto number = static_cast<std::int32_t>(network);
  const auto rows = static_cast<double>(block.rows);
  pass_.Gather(network);
  flops_ += rows * GatherFlops(model(), weights);
  Give(block, LayerKind::kEmbedding, number, 0, pass_.current(), pass_.stride());
  for (std::int32_t depth = 1; depth <= steps_[network]; ++depth) {
    const bool gives_before = Wants(block, LayerKind::kBefore, number, depth);
    pass_.Step(!gives_before);
    flops_ += rows * StepFlops(model(), weights, depth - 1);
    if (depth == StepsOf(weights)) {
      Give(block, LayerKind::kLogits, number, 0, pass_.current(), pass_.stride());
      continue;
    }
    if (gives_before) {
      Give(block, LayerKind::kBefore, number, depth, pass_.current(), pass_.stride());
      pass_.Clip();
    }
    Give(block, LayerKind::kHidden, number, depth, pass_.current(), pass_.stride());
  }
  if (needs_answer_) pass_.AddAnswer();
}

void LayerPass::GiveAnswers(const LayerInput &input, const Block &block) {
  const std::int64_t outputs = pass_.outputs();
  answers_.resize(static_cast<std::size_t>(block.rows * outputs));
  pass_.WriteMeanAnswer(answers_.data());
  flops_ += static_cast<double>(block.rows) * AnswerFlops(model());
  Give(block, LayerKind::kPrediction, -1, 0, answers_.data(), outputs);
  if (!Wants(block, LayerKind::kLoss, -1, 0)) return;
  losses_.resize(static_cast<std::size_t>(block.rows));
  for (std::int64_t r = 0; r < block.rows; ++r) {
    losses_[r] =
        LossOf(model().target, answers_.data() + r * outputs, input.labels[block.first_row + r]);
  }
  Give(block, LayerKind::kLoss, -1, 0, losses_.data(), 1);
}

void LayerPass::Run(const LayerInput &input, std::span<const LayerRequest> requests) {
  Check(input, requests);
  Plan(requests);
  const kernels::FieldPlan &plan = pass_.packed().plan;
  for (std::int64_t first = 0; first < input.rows; first += kBlockRows) {
    const Block block = {requests, first, std::min(kBlockRows, input.rows - first)};
    pass_.Start(input.ids + first * plan.categorical(), input.values + first * plan.numeric(),
                block.rows);
    for (std::size_t n = 0; n < steps_.size(); ++n) {
      if (steps_[n] >= 0) RunNetwork(n, block);
    }
    if (needs_answer_) GiveAnswers(input, block);
  }
}

}  // namespace trails
