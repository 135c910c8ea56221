#include "core/data/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/random.h"

namespace trails {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Every pair of a positive and a negative: won 1, tied one half.
double PairwiseAuc(const std::vector<float> &predictions, const std::vector<double> &labels) {
  double won = 0;
  double pairs = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    for (std::size_t j = 0; j < labels.size(); ++j) {
      if (labels[i] != 1 || labels[j] != 0) continue;
      const float a = predictions[2 * i + 1];
      const float b = predictions[2 * j + 1];
      won += a > b ? 1.0 : a == b ? 0.5 : 0.0;
      pairs += 1;
    }
  }
  return won / pairs;
}

TEST(Judge, AucIsTheShareOfPairsWon) {
  RandomStream random(5);
  for (const int levels : {2, 10, 1'000'000}) {
    std::vector<float> predictions;
    std::vector<double> labels;
    for (int row = 0; row < 500; ++row) {
      labels.push_back(random.Uniform() < 0.3 ? 1 : 0);
      const auto level = static_cast<float>(random.Below(levels)) - 3.0F;  // some below zero
      predictions.push_back(9.0F);  // column 0 must not matter
      predictions.push_back(level +
                            static_cast<float>(labels.back()) * 0.2F * static_cast<float>(levels));
    }
    EXPECT_NEAR(Judge(Metric::kAuc, predictions, 2, labels), PairwiseAuc(predictions, labels),
                1e-14)
        << levels;
  }
}

TEST(Judge, AucByHand) {
  const std::vector<double> labels{0, 1, 1, 0};
  // Pairs: (.8 > .1) (.8 > .4) (.4 > .1) (.4 = .4): 3.5 of 4.
  EXPECT_DOUBLE_EQ(
      Judge(Metric::kAuc, std::vector<float>{.9F, .1F, .2F, .8F, .6F, .4F, .6F, .4F}, 2, labels),
      0.875);
  // The two zeros are one score.
  EXPECT_DOUBLE_EQ(
      Judge(Metric::kAuc, std::vector<float>{0, -0.0F, 0, 0.0F}, 2, std::vector<double>{0, 1}),
      0.5);
  EXPECT_TRUE(std::isnan(
      Judge(Metric::kAuc, std::vector<float>{0, 1, 0, 1}, 2, std::vector<double>{1, 1})));
}

TEST(Judge, LogLossAndAccuracyByHand) {
  const std::vector<float> predictions{.5F, .25F, .25F,  //
                                       0.F, 1.F,  0.F,   //
                                       .4F, .4F,  .2F};
  const std::vector<double> labels{0, 2, 1};
  const double expected =
      -(std::log(0.5) + std::log(1e-15) + std::log(static_cast<double>(.4F))) / 3;
  EXPECT_NEAR(Judge(Metric::kLogLoss, predictions, 3, labels), expected, 1e-12);
  // The first of equals is class 0, so the last row is wrong.
  EXPECT_DOUBLE_EQ(Judge(Metric::kAccuracy, predictions, 3, labels), 1.0 / 3);
}

TEST(Judge, NumbersByHand) {
  const std::vector<float> predictions{1, 2, 5};
  const std::vector<double> labels{1, 4, 4};  // errors 0, -2, 1; mean 3, squares 4 + 1 + 1
  EXPECT_DOUBLE_EQ(Judge(Metric::kRmse, predictions, 1, labels), std::sqrt(5.0 / 3));
  EXPECT_DOUBLE_EQ(Judge(Metric::kMae, predictions, 1, labels), 1.0);
  EXPECT_NEAR(Judge(Metric::kR2, predictions, 1, labels), 1 - 5.0 / 6, 1e-15);
  EXPECT_TRUE(std::isnan(Judge(Metric::kR2, predictions, 1, std::vector<double>{4, 4, 4})));
}

TEST(Judge, IsNaNForADivergedNetworkAndForNoRows) {
  const std::vector<float> predictions{0.5F, 0.5F, std::nanf(""), std::nanf("")};
  for (const Metric metric : {Metric::kAuc, Metric::kLogLoss, Metric::kAccuracy}) {
    EXPECT_TRUE(std::isnan(Judge(metric, predictions, 2, std::vector<double>{0, 1})));
  }
  for (const Metric metric : {Metric::kRmse, Metric::kMae, Metric::kR2}) {
    EXPECT_TRUE(std::isnan(Judge(metric, predictions, 1, std::vector<double>{0, 1, 2, 3})));
    EXPECT_TRUE(std::isnan(Judge(metric, {}, 1, {})));
  }
}

TEST(IsBetter, KnowsTheDirectionAndNaN) {
  EXPECT_TRUE(IsBetter(Metric::kAuc, 0.8, 0.7));
  EXPECT_FALSE(IsBetter(Metric::kAuc, 0.7, 0.7));
  EXPECT_TRUE(IsBetter(Metric::kRmse, 1, 2));
  EXPECT_FALSE(IsBetter(Metric::kLogLoss, 2, 1));
  EXPECT_TRUE(IsBetter(Metric::kRmse, 1e30, kNaN));
  EXPECT_FALSE(IsBetter(Metric::kAuc, kNaN, 0.1));
  EXPECT_FALSE(IsBetter(Metric::kAuc, kNaN, kNaN));
}

}  // namespace
}  // namespace trails
