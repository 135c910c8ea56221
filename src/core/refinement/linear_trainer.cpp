#include "core/refinement/linear_trainer.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/loss.h"

namespace trails {

namespace {

// Weights of a logistic regression are of order one, a network's of order a tenth: hence a larger
// rate than the networks', and a decay that only holds back what no row speaks for.
constexpr float kLearningRate = 1e-2f;
constexpr float kWeightDecay = 1e-2f;

kernels::FieldPlan WithoutKnots(kernels::FieldPlan plan) {
  for (kernels::NumericSlots &slots : plan.numeric_fields) slots.knots = 0;
  return plan;
}

}  // namespace

LinearTrainer::LinearTrainer(const Dataset &data, const kernels::FieldPlan &plan,
                             std::uint64_t seed)
    : data_(data),
      plan_(WithoutKnots(plan)),
      outputs_(data.target.outputs()),
      order_(data.split.train, BatchRows(static_cast<std::int64_t>(data.split.train.size())),
             seed) {
  table_ =
      parameters_.AddBlock(static_cast<std::int64_t>(plan.table_rows) * outputs_, /*decays=*/true);
  bias_ = parameters_.AddBlock(outputs_, /*decays=*/false);
  parameters_.Allocate();
  const auto batch = static_cast<std::size_t>(order_.batch());
  fields_.resize(batch * static_cast<std::size_t>(plan.fields * outputs_));
  logits_.resize(batch * static_cast<std::size_t>(outputs_));
  located_.resize(batch * static_cast<std::size_t>(plan.numeric()));
}

double LinearTrainer::Train(std::int64_t steps, const Interrupt &interrupt) {
  const std::int64_t batch = order_.batch();
  const TargetCode &target = data_.target;
  double sum = 0;
  for (std::int64_t s = 0; s < steps; ++s) {
    interrupt.Check();
    const std::int32_t *const rows = order_.Next();
    kernels::GatherFieldsCpu(plan_, data_.rows.ids.data(), data_.rows.values.data(), rows, batch,
                             parameters_.value(table_), outputs_, fields_.data(), located_.data());
    for (std::int64_t i = 0; i < batch; ++i) {
      float *const logit = logits_.data() + i * outputs_;
      const float *field = fields_.data() + i * plan_.fields * outputs_;
      for (std::int32_t o = 0; o < outputs_; ++o) logit[o] = parameters_.value(bias_)[o];
      for (std::int32_t f = 0; f < plan_.fields; ++f, field += outputs_) {
        for (std::int32_t o = 0; o < outputs_; ++o) logit[o] += field[o];
      }
    }
    sum += target.task == Task::kRegression
               ? kernels::SquaredErrorCpu(logits_.data(), batch, data_.labels.data(), rows,
                                          target.mean, target.scale, batch)
               : kernels::CrossEntropyCpu(logits_.data(), batch, outputs_, data_.labels.data(),
                                          rows, batch);

    float *const table_gradient = parameters_.gradient(table_);
    float *const bias_gradient = parameters_.gradient(bias_);
    std::memset(table_gradient, 0,
                sizeof(float) * static_cast<std::size_t>(parameters_.count(table_)));
    std::fill_n(bias_gradient, outputs_, 0.0f);
    for (std::int64_t i = 0; i < batch; ++i) {
      const float *const gradient = logits_.data() + i * outputs_;
      float *field = fields_.data() + i * plan_.fields * outputs_;
      for (std::int32_t o = 0; o < outputs_; ++o) bias_gradient[o] += gradient[o];
      for (std::int32_t f = 0; f < plan_.fields; ++f, field += outputs_) {
        std::copy_n(gradient, outputs_, field);
      }
    }
    kernels::ScatterFieldsCpu(plan_, {0, plan_.fields}, data_.rows.ids.data(), located_.data(),
                              rows, batch, fields_.data(), outputs_, table_gradient);
    ++steps_;
    parameters_.Update({.learning_rate = kLearningRate,
                        .decay = kWeightDecay,
                        .average_decay = kernels::AverageDecay(steps_),
                        .step = steps_},
                       interrupt, &team_);
  }
  return sum / static_cast<double>(std::max<std::int64_t>(steps, 1));
}

Network LinearTrainer::Fold() const {
  Network network;
  network.architecture = "linear";
  network.embedding_width = outputs_;
  const float *const table = parameters_.average(table_);
  network.table.assign(table, table + parameters_.count(table_));
  const float *const bias = parameters_.average(bias_);
  network.bias.assign(bias, bias + outputs_);
  return network;
}

}  // namespace trails
