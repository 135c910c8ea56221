// The hand-written gradients against LibTorch's autograd, modules and optimiser.
#include "core/refinement/trainer.h"

#include <gtest/gtest.h>
#include <torch/nn/functional/loss.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/adamw.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "../slot_weights.h"
#include "controlled_run.h"
#include "core/data/metrics.h"
#include "core/model/predictor.h"
#include "core/refinement/forward.h"
#include "core/refinement/multiply.h"
#include "generated_table.h"

namespace trails {
namespace {

// Blocks of Trainer::parameters(): the table, then weight, gamma, beta of each hidden layer, then
// weight and bias of the output layer.
constexpr std::size_t kTable = 0;
constexpr float kBend = 0.8f;  // of regressions
std::size_t WeightBlock(std::size_t layer) {
  return 1 + 3 * layer;
}

at::Tensor Doubles(const float *from, std::int64_t count) {
  return at::from_blob(const_cast<float *>(from), {count}, at::kFloat).to(at::kDouble);
}

// The network of trainer.h as anybody would write it with LibTorch, in double. Every Linear has a
// bias, also those before a BatchNorm.
class TorchNetwork {
 public:
  TorchNetwork(const Dataset &data, const kernels::FieldPlan &plan, const HiddenWidths &widths)
      : data_(data), plan_(plan) {
    std::vector<double> weights;
    for (std::int64_t row = 0; row < data.rows.rows; ++row) {
      const auto of_row = test::SlotWeights(plan, data.rows.ids.data() + row * plan.categorical(),
                                            data.rows.values.data() + row * plan.numeric());
      weights.insert(weights.end(), of_row.begin(), of_row.end());
    }
    slots_ =
        at::tensor(weights, at::kDouble).reshape({data.rows.rows, plan.fields, plan.table_rows});
    table = at::zeros({plan.table_rows, kEmbeddingWidth}, at::kDouble).requires_grad_();
    std::int64_t inputs = std::int64_t{plan.fields} * kEmbeddingWidth;
    for (const std::int32_t width : widths) {
      linear.emplace_back(inputs, width);
      norm.emplace_back(width);
      inputs = width;
    }
    linear.emplace_back(inputs, data.target.outputs());
    for (auto &module : linear) module->to(at::kDouble);
    for (auto &module : norm) module->to(at::kDouble);
  }

  // Weights of the trainer; the biases that it lacks keep their random start.
  void CopyFrom(Trainer *trainer) {
    const at::NoGradGuard no_grad;
    Parameters &parameters = trainer->parameters();
    const auto copy = [&](at::Tensor to, std::size_t block) {
      to.copy_(Doubles(parameters.value(block), parameters.count(block)).reshape(to.sizes()));
    };
    copy(table, kTable);
    for (std::size_t l = 0; l < linear.size(); ++l) {
      copy(linear[l]->weight, WeightBlock(l));
      if (l < norm.size()) {
        copy(norm[l]->weight, WeightBlock(l) + 1);
        copy(norm[l]->bias, WeightBlock(l) + 2);
      } else {
        copy(linear[l]->bias, WeightBlock(l) + 1);
      }
    }
  }

  at::Tensor Logits(const at::Tensor &rows) {
    at::Tensor x = at::matmul(slots_.index_select(0, rows), table).flatten(1);
    for (std::size_t l = 0; l < norm.size(); ++l) {
      x = linear[l]->forward(x);
      if (norm[l]->is_training()) {
        means[l] = x.detach().mean(0);
        variances[l] = x.detach().var(0, /*unbiased=*/true);
      }
      x = at::relu(norm[l]->forward(x));
    }
    return linear.back()->forward(x);
  }

  at::Tensor Loss(const at::Tensor &rows) {
    const at::Tensor logits = Logits(rows);
    const at::Tensor labels = at::tensor(data_.labels, at::kDouble).index_select(0, rows);
    const TargetCode &target = data_.target;
    if (target.task == Task::kRegression) {
      return 2 * at::huber_loss(logits.squeeze(1), (labels - target.mean) / target.scale,
                                at::Reduction::Mean, kBend);
    }
    return at::cross_entropy_loss(logits, labels.to(at::kLong));
  }

  // Everything that AdamW updates; the decayed ones first.
  std::vector<at::Tensor> Decayed() const {
    std::vector<at::Tensor> decayed = {table};
    for (const auto &module : linear) decayed.push_back(module->weight);
    return decayed;
  }
  std::vector<at::Tensor> NotDecayed() const {
    std::vector<at::Tensor> others;
    for (const auto &module : linear) others.push_back(module->bias);
    for (const auto &module : norm) others.insert(others.end(), {module->weight, module->bias});
    return others;
  }
  std::vector<at::Tensor> All() const {
    std::vector<at::Tensor> all = Decayed();
    const std::vector<at::Tensor> others = NotDecayed();
    all.insert(all.end(), others.begin(), others.end());
    return all;
  }

  at::Tensor table;  // knots not cumulated
  std::vector<torch::nn::Linear> linear;
  std::vector<torch::nn::BatchNorm1d> norm;
  std::vector<at::Tensor> means = std::vector<at::Tensor>(8);  // of the last mini-batch
  std::vector<at::Tensor> variances = std::vector<at::Tensor>(8);

 private:
  const Dataset &data_;
  const kernels::FieldPlan &plan_;
  at::Tensor slots_;  // [rows, fields, table_rows]
};

at::Tensor RowIndex(const std::int32_t *rows, std::int64_t count) {
  return at::from_blob(const_cast<std::int32_t *>(rows), {count}, at::kInt).to(at::kLong);
}

struct Case {
  const char *name;
  Task task;
  Encoding encoding;
  HiddenWidths widths;
};

class TrainerCases : public ::testing::TestWithParam<Case> {
 protected:
  TrainerCases() {
    at::set_num_threads(1);
    options_.widths = GetParam().widths;
    options_.encoding = GetParam().encoding;
    options_.bend = kBend;
    options_.seed = 5;
  }
  std::int64_t Batch() const { return BatchRows(std::ssize(data_.split.train)); }

  const Dataset data_ =
      test::GenerateDataset({.rows = 1'000, .task = GetParam().task}, GetParam().encoding);
  const kernels::FieldPlan plan_ = data_.fields.Plan();
  const test::ControlledRun run_;
  const Interrupt interrupt_{run_.control};
  TrainerOptions options_;
};

// The largest difference of a block, as a share of its largest gradient.
double Difference(const float *ours, const at::Tensor &theirs) {
  const at::Tensor flat = theirs.flatten();
  const at::Tensor mine = Doubles(ours, flat.size(0));
  return (mine - flat).abs().max().item<double>() / (flat.abs().max().item<double>() + 1e-12);
}

// Float sums against double ones: 1e-4 of the largest gradient of a block.
TEST_P(TrainerCases, GradientsEqualAutograd) {
  Trainer trainer(data_, plan_, options_);
  TorchNetwork network(data_, plan_, options_.widths);
  for (const std::int64_t steps : {0, 20}) {
    trainer.Train(steps, interrupt_);
    network.CopyFrom(&trainer);
    const at::Tensor rows = RowIndex(data_.split.train.data(), Batch());
    for (at::Tensor parameter : network.All()) parameter.mutable_grad() = at::Tensor();
    const at::Tensor loss = network.Loss(rows);
    loss.backward();
    const double ours = trainer.ComputeGradients(data_.split.train.data(), interrupt_);
    EXPECT_NEAR(ours, loss.item<double>(), 2e-6 * std::max(1.0, ours)) << steps;
    Parameters &parameters = trainer.parameters();
    EXPECT_LT(Difference(parameters.gradient(kTable), network.table.grad()), 1e-4) << steps;
    for (std::size_t l = 0; l < network.linear.size(); ++l) {
      const std::size_t block = WeightBlock(l);
      EXPECT_LT(Difference(parameters.gradient(block), network.linear[l]->weight.grad()), 1e-4)
          << "layer " << l << " after " << steps;
      if (l < network.norm.size()) {
        EXPECT_LT(Difference(parameters.gradient(block + 1), network.norm[l]->weight.grad()), 1e-4)
            << "layer " << l << " after " << steps;
        EXPECT_LT(Difference(parameters.gradient(block + 2), network.norm[l]->bias.grad()), 1e-4)
            << "layer " << l << " after " << steps;
        // Why the Linear needs no bias of its own.
        EXPECT_LT(network.linear[l]->bias.grad().abs().max().item<double>(), 1e-12);
      } else {
        EXPECT_LT(Difference(parameters.gradient(block + 1), network.linear[l]->bias.grad()), 1e-4);
      }
    }
  }
}

// What torch::optim::AdamW, BatchNorm1d and an average kept beside them make of the same start and
// the same mini-batches.
TEST_P(TrainerCases, LossCurveAndAveragesEqualTorch) {
  Trainer trainer(data_, plan_, options_);
  TorchNetwork network(data_, plan_, options_.widths);
  network.CopyFrom(&trainer);
  const double decay = options_.weight_decay;
  torch::optim::AdamW adamw(
      std::vector<torch::optim::OptimizerParamGroup>{
          {network.Decayed(), std::make_unique<torch::optim::AdamWOptions>(
                                  torch::optim::AdamWOptions(2e-3).weight_decay(decay))},
          {network.NotDecayed(), std::make_unique<torch::optim::AdamWOptions>(
                                     torch::optim::AdamWOptions(2e-3).weight_decay(0))}},
      torch::optim::AdamWOptions(2e-3));
  // The trainer's own order: purpose 2 of its seed.
  BatchOrder order(data_.split.train, Batch(), RandomStream::ForPurpose(options_.seed, 2).Next());

  const std::vector<at::Tensor> trained = network.All();
  std::vector<at::Tensor> averages;
  for (const at::Tensor &parameter : trained)
    averages.push_back(at::zeros_like(parameter).detach());
  std::vector<at::Tensor> moments(2 * network.norm.size());
  const std::int64_t steps = 3 * trainer.steps_per_epoch();
  for (std::int64_t step = 1; step <= steps; ++step) {
    adamw.zero_grad();
    const at::Tensor loss = network.Loss(RowIndex(order.Next(), Batch()));
    loss.backward();
    adamw.step();
    // Differences of one rounding grow from step to step; after 3 epochs they are below 1e-3.
    ASSERT_NEAR(trainer.Train(1, interrupt_), loss.item<double>(),
                1e-3 * std::max(1.0, loss.item<double>()))
        << "step " << step;
    const double t = static_cast<double>(step);
    const double kept = step == 1 ? 0 : std::min(0.995, (1 + t) / (10 + t));
    const at::NoGradGuard no_grad;
    for (std::size_t i = 0; i < trained.size(); ++i) {
      averages[i] = kept * averages[i] + (1 - kept) * trained[i];
    }
    for (std::size_t l = 0; l < network.norm.size(); ++l) {
      for (const bool variance : {false, true}) {
        at::Tensor &average = moments[2 * l + (variance ? 1 : 0)];
        const at::Tensor &now = variance ? network.variances[l] : network.means[l];
        average = step == 1 ? now : kept * average + (1 - kept) * now;
      }
    }
  }

  // The network in evaluation mode, with averaged weights, against what the trainer folds.
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < trained.size(); ++i) at::Tensor(trained[i]).copy_(averages[i]);
  for (std::size_t l = 0; l < network.norm.size(); ++l) {
    network.norm[l]->running_mean.copy_(moments[2 * l]);
    network.norm[l]->running_var.copy_(moments[2 * l + 1]);
    network.norm[l]->eval();
  }
  at::Tensor expected =
      network.Logits(RowIndex(data_.split.valid.data(), std::ssize(data_.split.valid)));
  if (data_.target.task == Task::kRegression) {
    expected = (expected * data_.target.scale + data_.target.mean) / data_.target.scale;
  } else {
    expected = at::softmax(expected, 1);
  }
  std::vector<float> got = PredictRows(data_, plan_, trainer.Fold(), data_.split.valid, interrupt_);
  const double unit = data_.target.task == Task::kRegression ? data_.target.scale : 1;
  expected = expected.flatten();
  double worst = 0;
  for (std::int64_t i = 0; i < std::ssize(got); ++i) {
    const double e = expected[i].item<double>();
    worst = std::max(
        worst, std::abs(got[static_cast<std::size_t>(i)] / unit - e) / std::max(1.0, std::abs(e)));
  }
  // A number's first knot counts with 1 in all rows but NULL ones. The batch norm takes that away
  // again, so that AdamW moves the knot by the signs of roundings. Encoding 'trails' has no knots.
  EXPECT_LT(worst, GetParam().encoding == Encoding::kTrails ? 1e-5 : 2e-3);
}

TEST_P(TrainerCases, FoldPredictsTheSameInThePredictor) {
  options_.dropout = 0.2f;
  Trainer trainer(data_, plan_, options_);
  trainer.Train(2 * trainer.steps_per_epoch(), interrupt_);
  Predictor predictor(Model{data_.fields, data_.target, data_.metric, {trainer.Fold()}});
  const std::vector<float> rows =
      PredictRows(data_, plan_, trainer.Fold(), data_.split.test, interrupt_);
  const std::int32_t outputs = data_.target.outputs();
  std::vector<float> one(static_cast<std::size_t>(outputs));
  const double unit = data_.target.task == Task::kRegression ? data_.target.scale : 1;
  for (std::size_t i = 0; i < data_.split.test.size(); ++i) {
    const std::int64_t row = data_.split.test[i];
    predictor.Predict(data_.rows.ids.data() + row * plan_.categorical(),
                      data_.rows.values.data() + row * plan_.numeric(), 1, one.data());
    for (std::int32_t o = 0; o < outputs; ++o) {
      // Both in float; only the order of the sums differs.
      ASSERT_NEAR(rows[i * static_cast<std::size_t>(outputs) + static_cast<std::size_t>(o)] / unit,
                  one[static_cast<std::size_t>(o)] / unit, 1e-5)
          << row;
    }
  }
}

// Along its own gradient the loss changes by the gradient's square length. With dropout, whose
// mask is the same for the same step.
TEST_P(TrainerCases, GradientWithDropoutEqualsFiniteDifferences) {
  options_.dropout = 0.4f;
  Trainer trainer(data_, plan_, options_);
  trainer.Train(10, interrupt_);
  const std::int32_t *const rows = data_.split.train.data();
  trainer.ComputeGradients(rows, interrupt_);
  Parameters &parameters = trainer.parameters();
  const std::size_t blocks = WeightBlock(options_.widths.size()) + 2;
  std::vector<std::vector<float>> start(blocks), slope(blocks);
  double square = 0;
  for (std::size_t b = 0; b < blocks; ++b) {
    start[b].assign(parameters.value(b), parameters.value(b) + parameters.count(b));
    slope[b].assign(parameters.gradient(b), parameters.gradient(b) + parameters.count(b));
    for (const float g : slope[b]) square += double{g} * g;
  }
  const auto loss_at = [&](double distance) {
    for (std::size_t b = 0; b < blocks; ++b) {
      for (std::size_t i = 0; i < start[b].size(); ++i) {
        parameters.value(b)[i] =
            static_cast<float>(start[b][i] + distance / std::sqrt(square) * slope[b][i]);
      }
    }
    return trainer.ComputeGradients(rows, interrupt_);
  };
  constexpr double kStep = 1e-3;  // longer crosses corners of ReLUs, shorter drowns in roundings
  const double difference = (loss_at(kStep) - loss_at(-kStep)) / (2 * kStep);
  EXPECT_NEAR(difference / std::sqrt(square), 1, 0.02);
}

std::vector<float> State(Trainer *trainer, std::size_t hidden_layers) {
  std::vector<float> state;
  Parameters &parameters = trainer->parameters();
  for (std::size_t b = 0; b < WeightBlock(hidden_layers) + 2; ++b) {
    const std::int64_t count = parameters.count(b);
    state.insert(state.end(), parameters.value(b), parameters.value(b) + count);
    state.insert(state.end(), parameters.average(b), parameters.average(b) + count);
  }
  for (const DenseLayer &layer : trainer->Fold().layers) {
    state.insert(state.end(), layer.bias.begin(), layer.bias.end());  // holds the norms' averages
  }
  return state;
}

TEST_P(TrainerCases, InterruptedTrainingIsBitIdentical) {
  constexpr std::int64_t kSteps = 60;
  options_.dropout = 0.2f;
  Trainer whole(data_, plan_, options_);
  double step_seconds = 1;  // the fastest: a busy machine makes some of them look slow
  for (std::int64_t step = 0; step < kSteps; ++step) {
    const Clock::time_point start = Clock::now();
    whole.Train(1, interrupt_);
    step_seconds = std::min(step_seconds, test::SecondsSince(start));
  }

  Trainer pieces(data_, plan_, options_);
  RandomStream random(9);
  std::int64_t interruptions = 0;
  while (pieces.steps() < kSteps) {
    const auto until = Clock::now() + test::Seconds(3 * step_seconds * random.Uniform());
    try {
      pieces.Train(kSteps - pieces.steps(), Interrupt(run_.control, until));
    } catch (const TimeUp &) {
      ++interruptions;
    }
  }
  EXPECT_GE(interruptions, 10);
  EXPECT_EQ(pieces.epochs(), whole.epochs());
  EXPECT_EQ(State(&pieces, options_.widths.size()), State(&whole, options_.widths.size()));
}

TEST_P(TrainerCases, SameSeedSameBitsOtherSeedOtherBits) {
  options_.dropout = 0.2f;
  const auto state_of = [&](std::uint64_t seed) {
    TrainerOptions options = options_;
    options.seed = seed;
    Trainer trainer(data_, plan_, options);
    trainer.Train(12, interrupt_);
    return State(&trainer, options.widths.size());
  };
  const std::vector<float> first = state_of(1);
  EXPECT_EQ(first, state_of(1));
  EXPECT_NE(first, state_of(2));
}

TEST_P(TrainerCases, AnyNumberOfThreadsGivesTheSameBits) {
  options_.dropout = 0.2f;
  const auto state_of = [&](const std::vector<std::int32_t> &threads) {
    Trainer trainer(data_, plan_, options_);
    for (const std::int32_t count : threads) {
      trainer.UseThreads(count);
      trainer.Train(8, interrupt_);
    }
    return State(&trainer, options_.widths.size());
  };
  const std::vector<float> one = state_of({1, 1, 1});
  EXPECT_EQ(one, state_of({2, 2, 2}));
  EXPECT_EQ(one, state_of({3, 3, 3}));
  EXPECT_EQ(one, state_of({2, 1, 5}));
}

INSTANTIATE_TEST_SUITE_P(
    Tasks, TrainerCases,
    ::testing::Values(Case{"Binary", Task::kBinary, Encoding::kPiecewiseLinear, {16, 24}},
                      Case{"Multiclass", Task::kMulticlass, Encoding::kPiecewiseLinear, {8}},
                      Case{
                          "Regression", Task::kRegression, Encoding::kPiecewiseLinear, {12, 7, 20}},
                      Case{"PaperEncoding", Task::kBinary, Encoding::kTrails, {16, 16}}),
    [](const auto &test) { return test.param.name; });

// Batches of 1,024 rows, so that every product is cut: by rows, by units and by inputs.
TEST(Trainer, ThreadsShareLargeProductsBitByBit) {
  const EngineThreadScope scope;
  const Dataset data = test::GenerateDataset({.rows = 90'000});
  const kernels::FieldPlan plan = data.fields.Plan();
  const test::ControlledRun run;
  for (const HiddenWidths &widths : {HiddenWidths{400, 40}, HiddenWidths{24, 260, 8}}) {
    std::vector<std::vector<float>> states;
    for (const std::int32_t threads : {1, 2, 3}) {
      Trainer trainer(data, plan, {.widths = widths, .dropout = 0.2f, .seed = 3});
      trainer.UseThreads(threads);
      trainer.Train(6, Interrupt(run.control));
      states.push_back(State(&trainer, widths.size()));
    }
    EXPECT_EQ(states[0], states[1]) << ArchitectureName(widths);
    EXPECT_EQ(states[0], states[2]) << ArchitectureName(widths);
  }
}

TEST(Trainer, CancelThrowsOutOfManyThreadsAndTrainingGoesOnAfterATimeUp) {
  const EngineThreadScope scope;
  const Dataset data = test::GenerateDataset({.rows = 20'000});
  const kernels::FieldPlan plan = data.fields.Plan();
  test::ControlledRun run;
  Trainer one(data, plan, {.widths = {128, 128}, .seed = 1});
  one.Train(40, Interrupt(run.control));

  Trainer three(data, plan, {.widths = {128, 128}, .seed = 1});
  three.UseThreads(3);
  std::int64_t interruptions = 0;
  for (double seconds = 1e-4; three.steps() < 40; seconds *= 1.1) {
    try {
      three.Train(40 - three.steps(),
                  Interrupt(run.control, Clock::now() + test::Seconds(seconds)));
    } catch (const TimeUp &) {
      ++interruptions;
    }
  }
  EXPECT_GE(interruptions, 3);
  EXPECT_EQ(State(&three, 2), State(&one, 2));

  run.stop.request_stop();
  EXPECT_THROW(three.Train(1, Interrupt(run.control)), Error);
  EXPECT_EQ(three.steps(), 40);
}

TEST(Trainer, CancelThrowsAndKeepsWholeSteps) {
  const Dataset data = test::GenerateDataset({.rows = 500});
  const kernels::FieldPlan plan = data.fields.Plan();
  test::ControlledRun run;
  Trainer trainer(data, plan, {.widths = {8}, .seed = 1});
  trainer.Train(3, Interrupt(run.control));
  run.stop.request_stop();
  try {
    trainer.Train(1, Interrupt(run.control));
    FAIL() << "went on after the stop";
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::kCancelled);
  }
  EXPECT_EQ(trainer.steps(), 3);
}

TEST(Trainer, AHugeLearningRateDiverges) {
  const Dataset data = test::GenerateDataset({.rows = 500, .task = Task::kRegression});
  const kernels::FieldPlan plan = data.fields.Plan();
  const test::ControlledRun run;
  Trainer trainer(data, plan, {.widths = {8}, .learning_rate = 1e30f, .seed = 1});
  trainer.Train(50, Interrupt(run.control));
  EXPECT_TRUE(trainer.diverged());
  EXPECT_LT(trainer.steps(), 50);
  const std::int64_t steps = trainer.steps();
  EXPECT_TRUE(std::isnan(trainer.Train(5, Interrupt(run.control))));
  EXPECT_EQ(trainer.steps(), steps) << "a diverged training goes on";
}

TEST(Trainer, AnInfiniteLabelDivergesBeforeItHarmsTheWeights) {
  Dataset data = test::GenerateDataset({.rows = 100, .task = Task::kRegression});
  data.labels[static_cast<std::size_t>(data.split.train.front())] =
      std::numeric_limits<double>::infinity();
  const kernels::FieldPlan plan = data.fields.Plan();
  const test::ControlledRun run;
  Trainer trainer(data, plan, {.widths = {8}, .seed = 1});
  EXPECT_FALSE(trainer.diverged());
  trainer.Train(trainer.steps_per_epoch(), Interrupt(run.control));
  EXPECT_TRUE(trainer.diverged());
  EXPECT_EQ(trainer.steps(), 0);  // all training rows are one mini-batch
  for (std::int64_t i = 0; i < trainer.parameters().count(kTable); ++i) {
    ASSERT_TRUE(std::isfinite(trainer.parameters().value(kTable)[i]));
  }
}

TEST(Trainer, LearnsTheInteraction) {
  const Dataset data = test::GenerateDataset({.rows = 3'000, .noise = 0.1});
  const kernels::FieldPlan plan = data.fields.Plan();
  const test::ControlledRun run;
  const Interrupt interrupt(run.control);
  Trainer trainer(data, plan, {.widths = {32, 32}, .seed = 3});
  const double first = trainer.Train(trainer.steps_per_epoch(), interrupt);
  double last = first;
  for (int epoch = 0; epoch < 30; ++epoch)
    last = trainer.Train(trainer.steps_per_epoch(), interrupt);
  EXPECT_LT(last, 0.5 * first);
  const std::vector<float> p = PredictRows(data, plan, trainer.Fold(), data.split.valid, interrupt);
  EXPECT_GT(Judge(Metric::kAuc, p, 2, LabelsOf(data, data.split.valid)), 0.93);
}

}  // namespace
}  // namespace trails
