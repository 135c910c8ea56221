#include "kernels/loss.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/random.h"

namespace trails::kernels {
namespace {

double SlowCrossEntropy(const std::vector<double> &logits, std::int64_t classes,
                        const std::vector<double> &labels, const std::vector<std::int32_t> &index) {
  double loss = 0;
  for (std::size_t i = 0; i < index.size(); ++i) {
    const double *const row = logits.data() + static_cast<std::int64_t>(i) * classes;
    const double largest = *std::max_element(row, row + classes);
    double sum = 0;
    for (std::int64_t c = 0; c < classes; ++c) sum += std::exp(row[c] - largest);
    const auto label = static_cast<std::int64_t>(labels[static_cast<std::size_t>(index[i])]);
    loss += std::log(sum) + largest - row[label];
  }
  return loss / static_cast<double>(index.size());
}

class CrossEntropy : public ::testing::TestWithParam<std::int64_t> {};

TEST_P(CrossEntropy, LossAndGradientEqualTheDefinitionAndFiniteDifferences) {
  const std::int64_t classes = GetParam();
  constexpr std::int64_t kRows = 17;
  RandomStream random(classes == 2 ? 1 : 2);
  std::vector<double> labels(40);
  for (double &label : labels) label = static_cast<double>(random.Below(classes));
  std::vector<std::int32_t> index;
  std::vector<float> logits;
  for (std::int64_t i = 0; i < kRows; ++i) {
    index.push_back(static_cast<std::int32_t>(random.Below(40)));
    for (std::int64_t c = 0; c < classes; ++c) logits.push_back(random.Symmetric(5));
  }
  std::vector<double> exact(logits.begin(), logits.end());
  const double loss =
      CrossEntropyCpu(logits.data(), kRows, classes, labels.data(), index.data(), kRows);
  EXPECT_NEAR(loss, SlowCrossEntropy(exact, classes, labels, index), 1e-6);
  constexpr double kStep = 1e-5;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double middle = exact[i];
    exact[i] = middle + kStep;
    const double above = SlowCrossEntropy(exact, classes, labels, index);
    exact[i] = middle - kStep;
    const double below = SlowCrossEntropy(exact, classes, labels, index);
    exact[i] = middle;
    ASSERT_NEAR(logits[i], (above - below) / (2 * kStep), 1e-8 + 1e-6 / kRows) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Classes, CrossEntropy, ::testing::Values(2, 23),
                         [](const auto &test) { return std::to_string(test.param); });

TEST(CrossEntropyExtremes, HugeLogitsGiveFiniteNumbers) {
  constexpr float kHuge = 1e30f;
  constexpr float kLargest = std::numeric_limits<float>::max();
  std::vector<float> logits = {kHuge, -kHuge, kHuge, -kHuge, kLargest, kLargest, 88.9f, -104.0f};
  const std::vector<double> labels = {0, 1, 0, 0};
  const std::vector<std::int32_t> index = {0, 1, 2, 3};
  const double loss = CrossEntropyCpu(logits.data(), 4, 2, labels.data(), index.data(), 4);
  EXPECT_TRUE(std::isfinite(loss)) << loss;
  // Right and sure; wrong and sure: 2e30; even: ln 2; right and sure.
  EXPECT_NEAR(loss / ((double{kHuge} - double{-kHuge}) / 4), 1.0, 1e-6);
  const std::vector<float> expected = {0, 0, 0.25f, -0.25f, -0.125f, 0.125f, 0, 0};
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(logits[i], expected[i], 1e-6) << i;
}

TEST(CrossEntropyExtremes, LogitsThatAreNoNumbersGiveALossThatIsNone) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::vector<float> logits = {bad, 0, 0, 1};
    const std::vector<double> labels = {1, 0};
    const std::vector<std::int32_t> index = {0, 1};
    EXPECT_FALSE(
        std::isfinite(CrossEntropyCpu(logits.data(), 2, 2, labels.data(), index.data(), 2)));
  }
}

TEST(SquaredError, LossAndGradientByHand) {
  const std::vector<double> labels = {10, 20, 40};
  const std::vector<std::int32_t> index = {2, 0};
  std::vector<float> y = {1, 2};  // targets (40 - 20) / 10 = 2 and (10 - 20) / 10 = -1
  EXPECT_NEAR(SquaredErrorCpu(y.data(), 2, labels.data(), index.data(), 20, 10, 2), (1.0 + 9) / 2,
              1e-12);
  EXPECT_EQ(y, (std::vector<float>{-1, 3}));  // 2 (y - target) / rows
}

TEST(HuberError, BendsBeyondTheBendOnly) {
  const std::vector<double> labels = {10, 20, 40};
  const std::vector<std::int32_t> index = {2, 0, 1};
  std::vector<float> y = {2.5f, 2, -1.5f};  // targets 2, -1 and 0: errors 0.5, 3 and -1.5
  EXPECT_NEAR(HuberErrorCpu(y.data(), 3, labels.data(), index.data(), 20, 10, 1, 2),
              (0.25 + (2 * 3 - 1) + (2 * 1.5 - 1)) / 2, 1e-6);
  EXPECT_EQ(y, (std::vector<float>{0.5f, 1, -1}));  // 2 clamp(error, -1, 1) / batch rows
}

TEST(SquaredError, InfiniteLabelsGiveALossThatIsNoNumber) {
  const std::vector<double> labels = {std::numeric_limits<double>::infinity()};
  const std::vector<std::int32_t> index = {0};
  float y = 0;
  EXPECT_FALSE(std::isfinite(SquaredErrorCpu(&y, 1, labels.data(), index.data(), 0, 1, 1)));
}

TEST(Softmax, RowsAreProbabilities) {
  RandomStream random(3);
  for (const std::int64_t classes : {2, 23}) {
    std::vector<float> logits(static_cast<std::size_t>(50 * classes));
    for (float &logit : logits) logit = random.Symmetric(100);
    const std::vector<float> before = logits;
    SoftmaxCpu(logits.data(), 50, classes);
    for (std::int64_t i = 0; i < 50; ++i) {
      double sum = 0;
      double slow = 0;
      for (std::int64_t c = 0; c < classes; ++c) {
        sum += logits[static_cast<std::size_t>(i * classes + c)];
        slow += std::exp(double{before[static_cast<std::size_t>(i * classes + c)]} -
                         double{before[static_cast<std::size_t>(i * classes)]});
      }
      EXPECT_NEAR(sum, 1, 1e-5);
      EXPECT_NEAR(logits[static_cast<std::size_t>(i * classes)], 1 / slow, 1e-6);
    }
  }
}

}  // namespace
}  // namespace trails::kernels
