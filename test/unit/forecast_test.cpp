// The forecast of a refinement phase against what its strategy would do.
#include "core/coordinator/forecast.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/coordinator/cost_model.h"
#include "core/coordinator/single_training.h"
#include "core/coordinator/timed_halving.h"
#include "sample_field.h"

namespace trails {
namespace {

ForecastInput Input(double seconds, std::int32_t threads) {
  return {.seconds = seconds,
          .threads = threads,
          .epoch_steps = 100,
          .epochs_of_a_step = 0.005,
          .step_seconds = [](const HiddenWidths &widths) { return 1e-5 * widths.front(); },
          .look_seconds = [](const HiddenWidths &widths) { return 1e-4 * widths.front(); },
          .typical_step_seconds = 1e-3};
}

const PlanStep *Find(const Forecast &forecast, const std::string &name) {
  for (const PlanStep &step : forecast.steps) {
    if (step.name == name) return &step;
  }
  return nullptr;
}

double Sum(const Forecast &forecast) {
  double seconds = 0;
  for (const PlanStep &step : forecast.steps) seconds += step.planned_seconds;
  return seconds;
}

// Counts how often the strategy is asked and gives work, none of which may take longer than the
// time.
class Counted final : public Strategy {
 public:
  explicit Counted(Strategy *strategy) : strategy_(strategy) {}
  std::optional<Assignment> Next(ContenderField *field) override {
    ++asked;
    std::optional<Assignment> work = strategy_->Next(field);
    if (!work) return work;
    ++given;
    const Contender &contender = field->contenders()[static_cast<std::size_t>(work->contender)];
    EXPECT_FALSE(contender.busy || contender.dropped);
    const double seconds =
        static_cast<double>(work->until - contender.steps) * field->StepSeconds(contender.widths) +
        field->LookSeconds(contender.widths);
    EXPECT_LE(seconds / SpeedOfThreads(work->threads), field->SecondsLeft() * (1 + 1e-9));
    return work;
  }
  std::int64_t first_candidates() const override { return strategy_->first_candidates(); }
  double first_steps() const override { return strategy_->first_steps(); }

  std::int64_t asked = 0;
  std::int64_t given = 0;

 private:
  Strategy *strategy_;
};

TEST(Forecast, AddsUpToTheTime) {
  for (const std::int32_t threads : {1, 2, 16}) {
    for (const double seconds : {5.0, 60.0, 300.0}) {
      SCOPED_TRACE(testing::Message() << threads << " threads, " << seconds << " s");
      SampleProposer proposer(100);
      const std::unique_ptr<Strategy> halving = MakeTimedHalving({}, &proposer);
      Counted strategy(halving.get());
      const Forecast forecast = ForecastRefinement(Input(seconds, threads), &strategy);
      EXPECT_LE(Sum(forecast), seconds * (1 + 1e-9));
      EXPECT_GE(Sum(forecast), 0.95 * seconds);
      EXPECT_LT(strategy.asked, 6000);
      EXPECT_EQ(forecast.k, strategy.first_candidates());
      EXPECT_DOUBLE_EQ(forecast.u, strategy.first_steps() / 100);
    }
  }
}

TEST(Forecast, NamesTheRungs) {
  SampleProposer proposer(100);
  const std::unique_ptr<Strategy> halving = MakeTimedHalving({}, &proposer);
  const Forecast forecast = ForecastRefinement(Input(60, 2), halving.get());
  ASSERT_GE(forecast.steps.size(), 3u);
  EXPECT_EQ(forecast.steps[0].name, "rung 1");
  EXPECT_EQ(forecast.steps[0].models, 24);
  EXPECT_DOUBLE_EQ(forecast.steps[0].epochs, halving->first_steps() * 0.005);
  EXPECT_EQ(forecast.steps[1].name, "rung 2");
  EXPECT_EQ(forecast.steps[1].models, 8);
  EXPECT_DOUBLE_EQ(forecast.steps[1].epochs, 2 * halving->first_steps() * 0.005);
  EXPECT_EQ(forecast.steps[2].name, "rung 3");
  EXPECT_EQ(forecast.steps[2].models, 4);
  for (const PlanStep &step : forecast.steps) EXPECT_TRUE(std::isnan(step.seconds));
}

// 600 mini-batches are three passes: the third rung ends when that is a third of a life ago.
TEST(Forecast, EndsTheRungsWhenNobodyGetsBetter) {
  SampleProposer proposer(100);
  const std::unique_ptr<Strategy> halving = MakeTimedHalving({}, &proposer);
  ForecastInput input = Input(60, 2);
  input.best_passes = 3;
  const Forecast forecast = ForecastRefinement(input, halving.get());
  ASSERT_EQ(halving->first_steps(), 400);
  ASSERT_EQ(forecast.steps.size(), 4u);
  EXPECT_DOUBLE_EQ(forecast.steps[1].epochs, 4);
  EXPECT_EQ(forecast.steps[2].name, "rung 3");
  EXPECT_DOUBLE_EQ(forecast.steps[2].epochs, 4.5);
  EXPECT_EQ(forecast.steps[3].name, "seeds");
  EXPECT_GT(forecast.steps[3].models, 12);
  // A quarter longer than their origins needed, which some had not shown when a seed began.
  EXPECT_GT(forecast.steps[3].epochs, 1.25 * 2);
  EXPECT_LE(forecast.steps[3].epochs, 1.25 * 3);
  EXPECT_NEAR(Sum(forecast), 60, 0.6);
}

// Who will win is not known; what the next rung costs is foretold from the average.
TEST(Forecast, LetsThoseOfTypicalCostSurvive) {
  SampleProposer proposer(100);
  SelectionOptions options;
  options.n = options.k = 9;
  options.u = 1;
  const std::unique_ptr<Strategy> fixed = MakeScheduledStrategy(options, &proposer);
  ForecastInput input = Input(std::numeric_limits<double>::infinity(), 1);
  input.look_seconds = [](const HiddenWidths &) { return 0.0; };
  double sum = 0;
  SampleProposer same(100);
  for (int i = 0; i < 9; ++i) {
    sum += input.step_seconds(
        same.Propose([](const HiddenWidths &) { return true; }, nullptr)->widths);
  }
  input.typical_step_seconds = sum / 9;
  const Forecast forecast = ForecastRefinement(input, fixed.get());
  const PlanStep *const rung = Find(forecast, "rung 2");
  ASSERT_NE(rung, nullptr);
  EXPECT_EQ(rung->models, 3);
  // Three, from one epoch of 100 mini-batches to three.
  EXPECT_NEAR(rung->planned_seconds, 3 * 200 * sum / 9, 0.1 * 3 * 200 * sum / 9);
}

TEST(Forecast, EndsWhenItsCheckThrows) {
  struct Enough {};
  SampleProposer proposer(100);
  SelectionOptions options;
  options.n = options.k = 100;
  options.u = 1'000'000'000;
  options.refinement = Refinement::kReject;
  const std::unique_ptr<Strategy> endless = MakeScheduledStrategy(options, &proposer);
  ForecastInput input = Input(std::numeric_limits<double>::infinity(), 2);
  int checks = 0;
  input.check = [&] {
    if (++checks == 500) throw Enough();
  };
  EXPECT_THROW(ForecastRefinement(input, endless.get()), Enough);
  EXPECT_EQ(checks, 500);
}

TEST(Forecast, TakesNewSeedsToGoOn) {
  SampleProposer proposer(100);
  SelectionOptions options;
  options.max_epochs = 8;
  const std::unique_ptr<Strategy> halving = MakeTimedHalving(options, &proposer);
  Counted strategy(halving.get());
  const Forecast forecast = ForecastRefinement(Input(3600, 4), &strategy);
  EXPECT_LT(strategy.asked, 1000);
  EXPECT_NEAR(Sum(forecast), 3600, 1);
  const PlanStep *const seeds = Find(forecast, "seeds");
  ASSERT_NE(seeds, nullptr);
  EXPECT_GT(seeds->planned_seconds, 3000);
  // At most 8 epochs of 100 mini-batches, on average of 50 eighths of a millisecond.
  const double one = seeds->planned_seconds * 4 / static_cast<double>(seeds->models);
  EXPECT_GT(one, 0.01);
  EXPECT_LT(one, 8 * (100 * 1e-5 + 1e-4) * 800);
}

TEST(Forecast, ForetellsAFixedTrainingWithoutATime) {
  ForecastInput input = Input(std::numeric_limits<double>::infinity(), 4);
  const std::unique_ptr<Strategy> single = MakeSingleTraining({.widths = {100}}, 1000);
  Counted strategy(single.get());
  const Forecast forecast = ForecastRefinement(input, &strategy);
  ASSERT_EQ(forecast.steps.size(), 1u);
  EXPECT_EQ(forecast.steps[0].name, "final training");
  EXPECT_EQ(forecast.steps[0].models, 1);
  EXPECT_DOUBLE_EQ(forecast.steps[0].epochs, 5);
  // 1,000 mini-batches of 1 ms on four threads, a look of 10 ms after each chunk.
  EXPECT_GE(strategy.given, 8);
  const double looks = 0.01 * static_cast<double>(strategy.given);
  EXPECT_NEAR(forecast.steps[0].planned_seconds, 1.0 / SpeedOfThreads(4) + looks, 1e-9);
}

// Gives each thread a contender of its own that would take ten times the time.
class Endless final : public Strategy {
 public:
  std::optional<Assignment> Next(ContenderField *field) override {
    if (std::ssize(field->contenders()) == field->threads()) return std::nullopt;
    return Assignment{.contender = field->Enter({.widths = {100}}), .until = 10'000};
  }
  std::int64_t first_candidates() const override { return 0; }
  double first_steps() const override { return 0; }
};

TEST(Forecast, CountsWhatTheDeadlineCutsOff) {
  Endless strategy;
  const Forecast forecast = ForecastRefinement(Input(1, 3), &strategy);
  ASSERT_EQ(forecast.steps.size(), 1u);
  EXPECT_EQ(forecast.steps[0].models, 3);
  EXPECT_DOUBLE_EQ(forecast.steps[0].planned_seconds, 1);
  EXPECT_EQ(forecast.steps[0].epochs, 0);
}

TEST(Forecast, IsEmptyWithoutTime) {
  SampleProposer proposer(100);
  const std::unique_ptr<Strategy> halving = MakeTimedHalving({}, &proposer);
  EXPECT_TRUE(ForecastRefinement(Input(1e-7, 1), halving.get()).steps.empty());
}

}  // namespace
}  // namespace trails
