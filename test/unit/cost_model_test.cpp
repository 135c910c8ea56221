// The cost model: the work of a mini-batch, and what it learns of a machine.
#include "core/coordinator/cost_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/random.h"

namespace trails {
namespace {

constexpr TableShape kShape = {
    .batch = 512, .slots_per_row = 35, .inputs = 190, .outputs = 2, .embedding_numbers = 10'000};

const std::vector<HiddenWidths> kSome = {
    {16},      {384}, {64, 32}, {96, 128}, {384, 16, 384}, {8, 8, 8, 8}, {256, 192, 128, 96},
    {512, 512}};

// A machine with constants of its own.
struct Machine {
  double batch, slot, unit, multiply_add, parameter;
  double Seconds(const HiddenWidths &widths) const {
    const StepWork work = TrainingWork(kShape, widths);
    return batch * work.batches + slot * work.slots + unit * work.units +
           multiply_add * work.multiply_adds + parameter * work.parameters;
  }
};

double WorstError(const CostModel &model, const Machine &machine) {
  double worst = 0;
  for (const HiddenWidths &widths : kSome) {
    const double ratio = model.TrainingStepSeconds(widths) / machine.Seconds(widths);
    worst = std::max(worst, std::abs(ratio - 1));
  }
  return worst;
}

TEST(CostModel, CountsTheWorkOfTraining) {
  const StepWork work = TrainingWork(kShape, {64, 32});
  EXPECT_EQ(work.batches, 1);
  EXPECT_DOUBLE_EQ(work.slots, 512 * (35 + 0.3 * 190));
  EXPECT_EQ(work.units, 512 * 96);
  EXPECT_EQ(work.multiply_adds, 3.0 * 512 * (190 * 64 + 64 * 32 + 32 * 32));
  EXPECT_EQ(work.parameters, 10'000 + CountParameters({64, 32}, 190, 2));
}

TEST(CostModel, ChargesNarrowProductsAsTheirTiles) {
  EXPECT_EQ(TrainingWork(kShape, {8, 16}).multiply_adds,
            TrainingWork(kShape, {32, 32}).multiply_adds);
  EXPECT_LT(TrainingWork(kShape, {8, 16}).units, TrainingWork(kShape, {32, 32}).units);
}

TEST(CostModel, ChargesAThirdOfTheProductsForAPrediction) {
  const StepWork training = TrainingWork(kShape, {64, 32});
  const StepWork prediction = PredictionWork(kShape, {64, 32});
  EXPECT_DOUBLE_EQ(prediction.multiply_adds, training.multiply_adds / 3);
  EXPECT_LT(prediction.slots, training.slots / 2);
  EXPECT_EQ(prediction.parameters, 0);
  const CostModel model(kShape);
  EXPECT_DOUBLE_EQ(model.PredictionSeconds({64, 32}, 5120),
                   10 * model.PredictionSeconds({64, 32}, 512));
  EXPECT_LT(model.PredictionSeconds({64, 32}, 512), model.TrainingStepSeconds({64, 32}) / 2);
}

TEST(CostModel, KnowsSomethingBeforeTheFirstMeasurement) {
  const CostModel model(kShape);
  EXPECT_FALSE(model.measured());
  EXPECT_GT(model.TrainingStepSeconds({16}), 1e-5);
  EXPECT_LT(model.TrainingStepSeconds({16}), 1e-2);
  EXPECT_GT(model.TrainingStepSeconds({512, 512}), 4 * model.TrainingStepSeconds({64, 64}));
}

TEST(CostModel, LearnsTheScaleFromOneMeasurement) {
  const CostModel built_in(kShape);
  CostModel model(kShape);
  model.Learn({96, 128}, 100, 100 * 3 * built_in.TrainingStepSeconds({96, 128}));
  EXPECT_TRUE(model.measured());
  for (const HiddenWidths &widths : kSome) {
    EXPECT_NEAR(model.TrainingStepSeconds(widths) / built_in.TrainingStepSeconds(widths), 3, 1e-9);
    EXPECT_NEAR(model.PredictionSeconds(widths, 100) / built_in.PredictionSeconds(widths, 100), 3,
                1e-9);
  }
}

TEST(CostModel, LearnsTheConstantsOfAnotherMachine) {
  // Quick products, slow memory: no multiple of the built-in constants.
  const Machine machine = {1e-5, 8e-9, 1e-9, 7e-12, 1e-9};
  CostModel model(kShape);
  model.Learn(kSome[3], 100, 100 * machine.Seconds(kSome[3]));
  const double after_one = WorstError(model, machine);
  for (int round = 0; round < 20; ++round) {
    for (const HiddenWidths &widths : kSome)
      model.Learn(widths, 100, 100 * machine.Seconds(widths));
  }
  EXPECT_GT(after_one, 0.15);
  EXPECT_LT(WorstError(model, machine), 0.06);
}

TEST(CostModel, FollowsAMachineThatGetsSlower) {
  Machine machine = {1e-5, 5e-9, 6e-10, 1.3e-11, 5e-10};
  CostModel model(kShape);
  for (const double slower : {1.0, 1.8}) {
    const Machine now = {slower * machine.batch, slower * machine.slot, slower * machine.unit,
                         slower * machine.multiply_add, slower * machine.parameter};
    for (int i = 0; i < 200; ++i) {
      const HiddenWidths &widths = kSome[static_cast<std::size_t>(i) % kSome.size()];
      model.Learn(widths, 50, 50 * now.Seconds(widths));
    }
    EXPECT_LT(WorstError(model, now), 0.05);
  }
}

TEST(CostModel, HoldsAgainstNoise) {
  const Machine machine = {1e-5, 5e-9, 6e-10, 1.3e-11, 5e-10};
  CostModel model(kShape);
  RandomStream random(5);
  for (int i = 0; i < 100; ++i) {
    const HiddenWidths &widths = kSome[static_cast<std::size_t>(i) % kSome.size()];
    model.Learn(widths, 50, 50 * machine.Seconds(widths) * std::exp(0.1 * random.Normal()));
  }
  EXPECT_LT(WorstError(model, machine), 0.12);
  // A thread that did not run for a while.
  model.Learn({64, 32}, 50, 50 * 100 * machine.Seconds({64, 32}));
  EXPECT_LT(WorstError(model, machine), 0.2);
}

TEST(CostModel, IgnoresNonsense) {
  CostModel model(kShape);
  const double before = model.TrainingStepSeconds({64});
  model.Learn({64}, 0, 1);
  model.Learn({64}, 10, 0);
  model.Learn({64}, 10, -1);
  model.Learn({64}, 10, std::nan(""));
  model.Learn({64}, 10, std::numeric_limits<double>::infinity());
  EXPECT_FALSE(model.measured());
  EXPECT_EQ(model.TrainingStepSeconds({64}), before);
}

TEST(CostModel, DescribesItselfInOneLine) {
  const std::string line = CostModel(kShape).Describe();
  EXPECT_NE(line.find(" ms a mini-batch"), std::string::npos);
  EXPECT_NE(line.find(" ns a slot"), std::string::npos);
  EXPECT_EQ(line.find('\n'), std::string::npos);
}

TEST(SpeedOfThreads, GrowsByLessThanTheThreads) {
  EXPECT_EQ(SpeedOfThreads(1), 1);
  EXPECT_GT(SpeedOfThreads(2), 1.5);
  EXPECT_LT(SpeedOfThreads(16), 16);
}

}  // namespace
}  // namespace trails
