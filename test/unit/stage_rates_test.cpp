// Rates of pipelines' stages: learned from times of several parts together.
#include "core/intermediates/stage_rates.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace trails {
namespace {

TEST(StageRates, ExpectsAQueryItsBlocksAndTheirColumns) {
  StageRates rates;
  rates.query = 3;
  rates.block = 5;
  rates.column_block = 7;
  EXPECT_DOUBLE_EQ(rates.Seconds({2, 11}), 3 + 2 * 5 + 11 * 7);
}

TEST(StageRates, BelievesTheFirstTime) {
  StageRates rates;
  const StageReadWork work{20, 300};
  LearnStageRead(work, 0.085, &rates);
  EXPECT_NEAR(rates.Seconds(work), 0.085, 1e-12);
  EXPECT_EQ(rates.reads, 1);
  // The columns took most of it, so they changed most; a single value is still a matter of
  // microseconds.
  EXPECT_GT(rates.column_block, 20 * StageRates().column_block);
  EXPECT_LT(rates.Seconds({1, 1}), 2e-3);
}

TEST(StageRates, TellsThePartsApartAfterSomeQueries) {
  StageRates truth;
  truth.query = 400e-6;
  truth.block = 20e-6;
  truth.column_block = 30e-6;
  const StageReadWork asked[] = {{1, 1}, {20, 20}, {20, 300}, {1, 15}, {10, 30}};
  StageRates rates;
  for (int turn = 0; turn < 40; ++turn) {
    for (const StageReadWork &work : asked) LearnStageRead(work, truth.Seconds(work), &rates);
  }
  for (const StageReadWork &work : asked) {
    EXPECT_NEAR(rates.Seconds(work) / truth.Seconds(work), 1, 0.1);
  }
}

TEST(StageRates, ForgetsWhatIsNoLongerSo) {
  StageRates rates;
  const StageReadWork work{20, 300};
  for (int i = 0; i < 10; ++i) LearnStageRead(work, 0.1, &rates);
  LearnStageRead(work, 0.2, &rates);
  EXPECT_NEAR(rates.Seconds(work), 0.8 * 0.1 + 0.2 * 0.2, 1e-9);
  for (int i = 0; i < 30; ++i) LearnStageRead(work, 0.01, &rates);
  EXPECT_NEAR(rates.Seconds(work), 0.01, 1e-3);
  EXPECT_TRUE(rates.are_sound());
}

TEST(StageRates, SharesTheTimeOfOneStatementOutToItsStages) {
  StageRates cheap;
  cheap.run = 0.01;
  StageRates dear;
  dear.run = 0.09;
  const std::vector<StageRates *> both = {&cheap, &dear};
  LearnStageRuns(0.2, both);
  EXPECT_NEAR(cheap.run + dear.run, 0.2, 1e-12);
  EXPECT_GT(dear.run - 0.09, 50 * (cheap.run - 0.01));
  EXPECT_EQ(cheap.runs, 1);
  for (int i = 0; i < 40; ++i) LearnStageRuns(0.05, both);
  EXPECT_NEAR(cheap.run + dear.run, 0.05, 1e-3);
}

TEST(StageRates, GrowsFromNothing) {
  StageRates stage;
  const std::vector<StageRates *> one = {&stage};
  LearnStageRuns(0.5, one);
  EXPECT_NEAR(stage.run, 0.5, 1e-9);
}

TEST(StageRates, LearnsNothingFromNothing) {
  StageRates rates;
  LearnStageRead({0, 0}, 1, &rates);
  LearnStageRead({1, 1}, -1, &rates);
  LearnStageRead({1, 1}, std::numeric_limits<double>::quiet_NaN(), &rates);
  LearnStageRead({1, 1}, std::numeric_limits<double>::infinity(), &rates);
  const std::vector<StageRates *> one = {&rates};
  LearnStageRuns(-1, one);
  LearnStageRuns(1, {});
  EXPECT_EQ(rates.reads, 0);
  EXPECT_EQ(rates.runs, 0);
  EXPECT_EQ(rates.query, StageRates().query);
  EXPECT_EQ(rates.run, 0);
}

TEST(StageRates, NeverReachesZero) {
  StageRates rates;
  for (int i = 0; i < 5; ++i) LearnStageRead({20, 300}, 0, &rates);
  EXPECT_GT(rates.column_block, 0);
  for (int i = 0; i < 40; ++i) LearnStageRead({20, 300}, 0.1, &rates);
  EXPECT_NEAR(rates.Seconds({20, 300}), 0.1, 0.01);
}

TEST(StageRates, KnowsWhatIsNoTime) {
  StageRates rates;
  EXPECT_TRUE(rates.are_sound());
  rates.block = -1;
  EXPECT_FALSE(rates.are_sound());
  rates = {};
  rates.run = std::numeric_limits<double>::infinity();
  EXPECT_FALSE(rates.are_sound());
}

}  // namespace
}  // namespace trails
