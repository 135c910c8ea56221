#include "kernels/cohort_metric.h"

#include <limits>

#include "core/data/metrics.h"
#include "on_card.h"
#include "trails/error.h"

namespace trails::kernels {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

std::vector<double> OnCardOf(Metric metric, std::int32_t members, std::int32_t outputs,
                             const std::vector<float> &predictions,
                             const std::vector<double> &labels, const CardStream &stream,
                             std::size_t spared = 0) {
  CohortLabels described = DescribeLabels(labels);
  const auto labels_on_card = OnCard(labels, stream);
  const auto predictions_on_card = OnCard(predictions, stream);
  described.labels = labels_on_card.data();
  const std::size_t bytes = CohortMetricScratch(metric, members, described.rows) - spared;
  const auto scratch = Poisoned<unsigned char>(static_cast<std::int64_t>(bytes) + 1, stream);
  const auto values = Poisoned<double>(members, stream);
  CohortMetricCuda(metric, members, outputs, predictions_on_card.data(), described, scratch.data(),
                   bytes, values.data(), stream.get());
  return values.Download(stream);
}

// Predictions of three members, the last with one that is no number.
std::vector<float> Predictions(std::int64_t rows, std::int32_t outputs, RandomStream *random) {
  std::vector<float> predictions;
  for (std::int64_t i = 0; i < 3 * rows; ++i) {
    float left = 1;
    for (std::int32_t c = 0; c < outputs; ++c) {
      // Few values, so that many are tied, and both zeros.
      float p = static_cast<float>(random->Below(20)) / 40.0f * left;
      if (p == 0 && random->Below(2) == 0) p = -0.0f;
      if (outputs > 1 && c + 1 == outputs) p = left;
      left -= p;
      predictions.push_back(p);
    }
  }
  if (rows > 0) predictions[static_cast<std::size_t>(2 * rows * outputs + rows / 2)] = kNaN;
  return predictions;
}

void Compare(Metric metric, std::int32_t outputs, const std::vector<double> &labels,
             const std::vector<float> &predictions, double relative, const CardStream &stream) {
  const std::vector<double> got = OnCardOf(metric, 3, outputs, predictions, labels, stream);
  const std::size_t numbers = labels.size() * static_cast<std::size_t>(outputs);
  for (std::size_t m = 0; m < 3; ++m) {
    const double expected =
        Judge(metric, std::span(predictions).subspan(m * numbers, numbers), outputs, labels);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(got[m])) << "member " << m << " of " << labels.size() << " rows";
    } else {
      EXPECT_NEAR(got[m], expected, relative * std::fabs(expected))
          << "member " << m << " of " << labels.size() << " rows";
    }
  }
}

TEST(CohortMetric, OfClassesIsJudges) {
  const CardStream stream;
  RandomStream random(31);
  for (const std::int64_t rows : {0, 1, 2, 50, 4'096, 9'001}) {
    for (const std::int32_t outputs : {2, 3, 12}) {
      std::vector<double> labels;
      for (std::int64_t i = 0; i < rows; ++i) {
        labels.push_back(static_cast<double>(random.Below(outputs)));
      }
      const std::vector<float> predictions = Predictions(rows, outputs, &random);
      Compare(Metric::kAccuracy, outputs, labels, predictions, 0, stream);
      Compare(Metric::kLogLoss, outputs, labels, predictions, 1e-12, stream);
      if (outputs == 2) Compare(Metric::kAuc, outputs, labels, predictions, 0, stream);
    }
  }
}

TEST(CohortMetric, AreaWithoutBothClassesOrWithTiesOnly) {
  const CardStream stream;
  RandomStream random(32);
  const std::vector<float> tied(3 * 2 * 64, 0.5f);
  const std::vector<float> predictions = Predictions(64, 2, &random);
  std::vector<double> labels(64, 1.0);
  Compare(Metric::kAuc, 2, labels, predictions, 0, stream);
  std::fill(labels.begin(), labels.end(), 0.0);
  Compare(Metric::kAuc, 2, labels, predictions, 0, stream);
  labels[5] = labels[17] = 1.0;
  Compare(Metric::kAuc, 2, labels, tied, 0, stream);
  EXPECT_EQ(OnCardOf(Metric::kAuc, 3, 2, tied, labels, stream)[0], 0.5);
}

TEST(CohortMetric, AreaIsTheSameWithRoomForFewerMembers) {
  const CardStream stream;
  RandomStream random(34);
  std::vector<float> predictions;
  for (int m = 0; m < 4; ++m) {
    const std::vector<float> more = Predictions(2'000, 2, &random);
    predictions.insert(predictions.end(), more.begin(), more.end());
  }
  std::vector<double> labels(2'000);
  for (double &label : labels) label = static_cast<double>(random.Below(2));
  const std::vector<double> expected = OnCardOf(Metric::kAuc, 12, 2, predictions, labels, stream);
  // Of twelve members six, then three, fit.
  for (const std::size_t spared : {std::size_t{1}, std::size_t{8 * 2 * 2'000 * 7}}) {
    ExpectSameBits(OnCardOf(Metric::kAuc, 12, 2, predictions, labels, stream, spared), expected,
                   "area");
  }
  const std::size_t all = CohortMetricScratch(Metric::kAuc, 12, 2'000);
  EXPECT_THROW(OnCardOf(Metric::kAuc, 12, 2, predictions, labels, stream, all - 8 * 2'000), Error);
}

TEST(CohortMetric, OfManyBlocksIsJudges) {
  const CardStream stream;
  RandomStream random(35);
  std::vector<double> labels(1'100'000);
  for (double &label : labels) label = static_cast<double>(random.Below(2));
  const std::vector<float> predictions = Predictions(std::ssize(labels), 2, &random);
  Compare(Metric::kLogLoss, 2, labels, predictions, 1e-12, stream);
  ExpectSameBits(OnCardOf(Metric::kLogLoss, 3, 2, predictions, labels, stream),
                 OnCardOf(Metric::kLogLoss, 3, 2, predictions, labels, stream), "log loss again");
}

TEST(CohortMetric, OfNumbersIsJudges) {
  const CardStream stream;
  RandomStream random(33);
  for (const std::int64_t rows : {0, 1, 50, 9'001}) {
    std::vector<double> labels;
    for (std::int64_t i = 0; i < rows; ++i) labels.push_back(100 + 20 * random.Normal());
    const std::vector<float> predictions = Predictions(rows, 1, &random);
    for (const Metric metric : {Metric::kRmse, Metric::kMae, Metric::kR2}) {
      Compare(metric, 1, labels, predictions, 1e-12, stream);
    }
  }
  const std::vector<double> constant(50, 7.0);
  Compare(Metric::kR2, 1, constant, Predictions(50, 1, &random), 0, stream);
}

TEST(CohortMetric, ThatWasNotResolvedIsAnError) {
  const CardStream stream;
  const std::vector<float> predictions(6, 0.5f);
  const std::vector<double> labels = {0, 1};
  EXPECT_THROW(OnCardOf(Metric::kAuto, 3, 1, predictions, labels, stream), Error);
  EXPECT_THROW(OnCardOf(Metric::kAuc, 3, 1, predictions, labels, stream), Error);
}

}  // namespace
}  // namespace trails::kernels
