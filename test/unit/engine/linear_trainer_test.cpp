#include "core/refinement/linear_trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "../slot_weights.h"
#include "controlled_run.h"
#include "core/data/metrics.h"
#include "core/refinement/forward.h"
#include "generated_table.h"

namespace trails {
namespace {

// y = 3 + 2 a - 5 b + effect of colour, without noise, plain encoding: z = (value - mean) /
// deviation.
Table NoiselessTable() {
  RandomStream random(4);
  Column a("a", ColumnKind::kFloat, "double precision");
  Column b("b", ColumnKind::kFloat, "double precision");
  Column colour("colour", ColumnKind::kText, "text");
  Column y("y", ColumnKind::kFloat, "double precision");
  constexpr std::array<const char *, 3> kColours = {"blue", "green", "red"};
  for (int row = 0; row < 2'000; ++row) {
    const double x1 = 10 + 3 * random.Normal();
    const double x2 = random.Normal();
    const auto c = static_cast<std::size_t>(random.Below(3));
    a.AppendFloat(x1);
    b.AppendFloat(x2);
    colour.AppendText(kColours[c]);
    y.AppendFloat(3 + 2 * x1 - 5 * x2 + 4 * static_cast<double>(c));
  }
  Table table;
  table.relation = "noiseless";
  for (Column *column : {&a, &b, &colour}) table.features.push_back(std::move(*column));
  table.target = std::move(y);
  return table;
}

TEST(LinearTrainer, RecoversTheCoefficientsOfANoiselessTarget) {
  SelectionOptions options;
  options.encoding = Encoding::kTrails;
  std::vector<Notice> notices;
  const Dataset data = BuildDataset(NoiselessTable(), options, &notices);
  const kernels::FieldPlan plan = data.fields.Plan();
  const test::ControlledRun run;
  LinearTrainer trainer(data, plan, 1);
  const double first = trainer.Train(1, Interrupt(run.control));
  double last = first;
  for (int epoch = 0; epoch < 200; ++epoch) {
    last = trainer.Train(trainer.steps_per_epoch(), Interrupt(run.control));
  }
  EXPECT_LT(last, 1e-4 * first);
  const Network network = trainer.Fold();
  const auto in_target_units = [&](std::int32_t id) {
    return network.table[static_cast<std::size_t>(id)] * data.target.scale;
  };
  const auto slope = [&](std::size_t field) {
    const Field &number = data.fields.fields[field];
    return in_target_units(number.first_id + static_cast<std::int32_t>(number.knots.size())) /
           number.scale;
  };
  // The little weight decay pulls by less than 1 %.
  EXPECT_NEAR(slope(0), 2, 0.02);
  EXPECT_NEAR(slope(1), -5, 0.05);
  const Field &colour = data.fields.fields[2];
  ASSERT_EQ(colour.texts, (std::vector<std::string>{"blue", "green", "red"}));
  const double blue = in_target_units(colour.first_id + 1);
  EXPECT_NEAR(in_target_units(colour.first_id + 2) - blue, 4, 0.04);
  EXPECT_NEAR(in_target_units(colour.first_id + 3) - blue, 8, 0.08);

  const std::vector<float> p =
      PredictRows(data, plan, network, data.split.test, Interrupt(run.control));
  EXPECT_GT(Judge(Metric::kR2, p, 1, LabelsOf(data, data.split.test)), 0.9999);
}

// Logistic regression of column 1 over the linear model's own features by full-batch gradient
// descent with momentum, in double; returns the validation AUC.
double SlowLogisticAuc(const Dataset &data, kernels::FieldPlan plan) {
  for (kernels::NumericSlots &slots : plan.numeric_fields) slots.knots = 0;
  const auto features = [&](std::int32_t row) {
    const std::vector<double> weights =
        test::SlotWeights(plan, data.rows.ids.data() + std::int64_t{row} * plan.categorical(),
                          data.rows.values.data() + std::int64_t{row} * plan.numeric());
    std::vector<std::pair<std::size_t, double>> of_row;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      if (weights[i] != 0) {
        of_row.emplace_back(i % static_cast<std::size_t>(plan.table_rows), weights[i]);
      }
    }
    return of_row;
  };
  std::vector<std::vector<std::pair<std::size_t, double>>> train;
  for (const std::int32_t row : data.split.train) train.push_back(features(row));
  std::vector<double> w(static_cast<std::size_t>(plan.table_rows) + 1);
  std::vector<double> velocity(w.size());
  const auto logit = [&](const auto &of_row) {
    double sum = w.back();
    for (const auto &[id, weight] : of_row) sum += w[id] * weight;
    return sum;
  };
  for (int step = 0; step < 600; ++step) {
    std::vector<double> gradient(w.size());
    for (std::size_t i = 0; i < train.size(); ++i) {
      const double label = data.labels[static_cast<std::size_t>(data.split.train[i])];
      const double error =
          (1 / (1 + std::exp(-logit(train[i]))) - label) / static_cast<double>(train.size());
      for (const auto &[id, weight] : train[i]) gradient[id] += error * weight;
      gradient.back() += error;
    }
    for (std::size_t i = 0; i < w.size(); ++i) {
      velocity[i] = 0.9 * velocity[i] - 0.5 * gradient[i];
      w[i] += velocity[i];
    }
  }
  std::vector<float> predictions;
  for (const std::int32_t row : data.split.valid) {
    const double p = 1 / (1 + std::exp(-logit(features(row))));
    predictions.insert(predictions.end(), {static_cast<float>(1 - p), static_cast<float>(p)});
  }
  return Judge(Metric::kAuc, predictions, 2, LabelsOf(data, data.split.valid));
}

TEST(LinearTrainer, LogisticRegressionIsCloseToTheOptimum) {
  const Dataset data = test::GenerateDataset(
      {.rows = 3'000, .shape = test::TargetShape::kLinear, .noise = 0.5, .seed = 2});
  const kernels::FieldPlan plan = data.fields.Plan();
  const test::ControlledRun run;
  LinearTrainer trainer(data, plan, 1);
  for (int epoch = 0; epoch < 60; ++epoch) {
    trainer.Train(trainer.steps_per_epoch(), Interrupt(run.control));
  }
  const std::vector<float> p =
      PredictRows(data, plan, trainer.Fold(), data.split.valid, Interrupt(run.control));
  const double auc = Judge(Metric::kAuc, p, 2, LabelsOf(data, data.split.valid));
  const double slow = SlowLogisticAuc(data, plan);
  EXPECT_GT(slow, 0.85) << "the slow optimum is none";
  EXPECT_NEAR(auc, slow, 0.005);
}

TEST(LinearTrainer, CannotLearnTheInteraction) {
  const Dataset data = test::GenerateDataset({.rows = 3'000});
  const kernels::FieldPlan plan = data.fields.Plan();
  const test::ControlledRun run;
  LinearTrainer trainer(data, plan, 1);
  trainer.Train(40 * trainer.steps_per_epoch(), Interrupt(run.control));
  const std::vector<float> p =
      PredictRows(data, plan, trainer.Fold(), data.split.valid, Interrupt(run.control));
  // What is left are the two NULL rules; the other tests count on it as a low floor.
  EXPECT_LT(Judge(Metric::kAuc, p, 2, LabelsOf(data, data.split.valid)), 0.7);
}

TEST(LinearTrainer, EndsInTimeAndStaysUsable) {
  const Dataset data = test::GenerateDataset({.rows = 500});
  const kernels::FieldPlan plan = data.fields.Plan();
  const test::ControlledRun run;
  LinearTrainer trainer(data, plan, 1);
  EXPECT_THROW(
      trainer.Train(1'000'000'000, Interrupt(run.control, Clock::now() + test::Seconds(0.05))),
      TimeUp);
  LinearTrainer untrained(data, plan, 1);
  EXPECT_THROW(untrained.Train(1, Interrupt(run.control, Clock::now())), TimeUp);
  for (const Network &network : {trainer.Fold(), untrained.Fold()}) {
    for (const float p :
         PredictRows(data, plan, network, data.split.valid, Interrupt(run.control))) {
      ASSERT_TRUE(p >= 0 && p <= 1) << p;
    }
  }
}

TEST(LinearTrainer, SameSeedSameBits) {
  const Dataset data = test::GenerateDataset({.rows = 1'000, .task = Task::kMulticlass});
  const kernels::FieldPlan plan = data.fields.Plan();
  const test::ControlledRun run;
  const auto table_of = [&](std::uint64_t seed) {
    LinearTrainer trainer(data, plan, seed);
    trainer.Train(20, Interrupt(run.control));
    return trainer.Fold().table;
  };
  EXPECT_EQ(table_of(1), table_of(1));
  EXPECT_NE(table_of(1), table_of(2));
}

}  // namespace
}  // namespace trails
