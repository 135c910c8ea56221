#include "core/refinement/ensemble.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace trails {
namespace {

// Finalists whose predictions are numbers, one row of `predictions` each.
std::vector<Finalist> Finalists(const std::vector<std::vector<float>> &predictions) {
  std::vector<Finalist> finalists;
  for (const auto &numbers : predictions) {
    Finalist finalist;
    finalist.candidate = static_cast<std::int32_t>(finalists.size());
    finalist.predictions = numbers;
    finalists.push_back(finalist);
  }
  return finalists;
}

MeanChoice ChooseByRmse(const std::vector<std::vector<float>> &predictions) {
  const std::vector<double> labels(predictions.front().size(), 0.0);
  return ChooseMembers(Finalists(predictions), Metric::kRmse, 1, labels);
}

TEST(ChooseMembers, TakesOneWhereTheOthersOnlyHarm) {
  const MeanChoice choice = ChooseByRmse({{0.5f}, {1}, {2}, {3}, {4}, {5}, {6}, {7}});
  EXPECT_EQ(choice.members, 1U);
  EXPECT_DOUBLE_EQ(choice.valid, 0.5);
}

TEST(ChooseMembers, TakesAsManyAsTheirMeanIsBestWith) {
  const MeanChoice three = ChooseByRmse({{1}, {1}, {-2}, {3}, {3}, {3}, {3}, {3}});
  EXPECT_EQ(three.members, 3U);
  EXPECT_NEAR(three.valid, 0, 1e-7);
  const MeanChoice five = ChooseByRmse({{1}, {1}, {1}, {-1}, {-2}, {5}, {5}, {5}});
  EXPECT_EQ(five.members, 5U);
  EXPECT_NEAR(five.valid, 0, 1e-7);
  const MeanChoice eight = ChooseByRmse({{1}, {1}, {1}, {1}, {1}, {-1}, {-1}, {-3}});
  EXPECT_EQ(eight.members, 8U);
  EXPECT_NEAR(eight.valid, 0, 1e-7);
  const MeanChoice twelve =
      ChooseByRmse({{1}, {1}, {1}, {1}, {1}, {1}, {1}, {1}, {-2}, {-2}, {-2}, {-2}});
  EXPECT_EQ(twelve.members, 12U);
  EXPECT_NEAR(twelve.valid, 0, 1e-7);
}

TEST(ChooseMembers, NeverTakesTwoOrFour) {
  // The mean of two is perfect, that of three is 1/3.
  const MeanChoice choice = ChooseByRmse({{1}, {-1}, {1}, {-1}});
  EXPECT_EQ(choice.members, 3U);
  EXPECT_NEAR(choice.valid, 1.0 / 3, 1e-6);
  EXPECT_EQ(ChooseByRmse({{1}, {-1}}).members, 1U);
}

TEST(ChooseMembers, LooksAtNoMoreThanTwelve) {
  std::vector<std::vector<float>> predictions(12, {1.0f});
  predictions.push_back({-12});
  predictions.resize(15, {0.0f});
  const MeanChoice choice = ChooseByRmse(predictions);
  EXPECT_EQ(choice.members, 1U);
}

TEST(ChooseMembers, TakesTheFewestOnTies) {
  EXPECT_EQ(ChooseByRmse(std::vector<std::vector<float>>(8, {1.0f, -0.5f})).members, 1U);
  // Three and five and eight tie, one is worse.
  EXPECT_EQ(ChooseByRmse({{1}, {-1}, {0}, {1}, {-1}, {0}, {0}, {0}}).members, 3U);
}

TEST(ChooseMembers, JudgesTheMeanOfProbabilities) {
  // One alone is right on two of three rows, the mean of three on all.
  const std::vector<Finalist> finalists = Finalists({{.9f, .1f, .9f, .1f, .6f, .4f},
                                                     {.6f, .4f, .4f, .6f, .1f, .9f},
                                                     {.6f, .4f, .1f, .9f, .4f, .6f}});
  const std::vector<double> labels = {0, 1, 1};
  const MeanChoice choice = ChooseMembers(finalists, Metric::kAccuracy, 2, labels);
  EXPECT_EQ(choice.members, 3U);
  EXPECT_DOUBLE_EQ(choice.valid, 1.0);
}

TEST(AddPredictions, SumsAndScales) {
  std::vector<float> sum;
  AddPredictions(std::vector<float>{1, 2}, &sum);
  AddPredictions(std::vector<float>{3, -2}, &sum);
  EXPECT_EQ(sum, (std::vector<float>{4, 0}));
  EXPECT_EQ(Scaled(sum, 0.5f), (std::vector<float>{2, 0}));
}

}  // namespace
}  // namespace trails
