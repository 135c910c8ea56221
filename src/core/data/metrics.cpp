#include "core/data/metrics.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>
#include <boost/sort/spreadsort/integer_sort.hpp>

#include "trails/error.h"

namespace trails {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Bits that order as the floats do; the two zeros are one value.
std::uint32_t Ordered(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value + 0.0F);
  constexpr std::uint32_t kSign = 0x80000000U;
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

double Auc(std::span<const float> predictions, std::int32_t outputs,
           std::span<const double> labels) {
  // The label rides in the lowest bit, so that one sort of plain integers does.
  std::vector<std::uint64_t> keyed(labels.size());
  for (std::size_t row = 0; row < labels.size(); ++row) {
    const float score = predictions[row * static_cast<std::size_t>(outputs) + 1];
    keyed[row] = (static_cast<std::uint64_t>(Ordered(score)) << 1) | (labels[row] == 1.0 ? 1 : 0);
  }
  boost::sort::spreadsort::integer_sort(keyed.begin(), keyed.end());

  // Twice the pairs won, so that ties stay whole; doubles count exactly to 2^53.
  double won_twice = 0;
  double negatives = 0;
  double positives = 0;
  for (std::size_t first = 0; first < keyed.size();) {
    double tied_negatives = 0;
    double tied_positives = 0;
    std::size_t end = first;
    for (; end < keyed.size() && keyed[end] >> 1 == keyed[first] >> 1; ++end) {
      ((keyed[end] & 1) != 0 ? tied_positives : tied_negatives) += 1;
    }
    won_twice += tied_positives * (2 * negatives + tied_negatives);
    negatives += tied_negatives;
    positives += tied_positives;
    first = end;
  }
  if (negatives == 0 || positives == 0) return kNaN;
  return won_twice / (2 * negatives * positives);
}

double LogLoss(std::span<const float> predictions, std::int32_t outputs,
               std::span<const double> labels) {
  double sum = 0;
  for (std::size_t row = 0; row < labels.size(); ++row) {
    const std::size_t at =
        row * static_cast<std::size_t>(outputs) + static_cast<std::size_t>(labels[row]);
    sum -= std::log(std::clamp(static_cast<double>(predictions[at]), 1e-15, 1.0));
  }
  return sum / static_cast<double>(labels.size());
}

double Accuracy(std::span<const float> predictions, std::int32_t outputs,
                std::span<const double> labels) {
  std::int64_t right = 0;
  for (std::size_t row = 0; row < labels.size(); ++row) {
    const auto probabilities = predictions.subspan(row * static_cast<std::size_t>(outputs),
                                                   static_cast<std::size_t>(outputs));
    const auto largest = std::max_element(probabilities.begin(), probabilities.end());
    right += static_cast<double>(largest - probabilities.begin()) == labels[row] ? 1 : 0;
  }
  return static_cast<double>(right) / static_cast<double>(labels.size());
}

double MeanPower(std::span<const float> predictions, std::span<const double> labels, bool squared) {
  double sum = 0;
  for (std::size_t row = 0; row < labels.size(); ++row) {
    const double error = static_cast<double>(predictions[row]) - labels[row];
    sum += squared ? error * error : std::abs(error);
  }
  return sum / static_cast<double>(labels.size());
}

double R2(std::span<const float> predictions, std::span<const double> labels) {
  const auto count = static_cast<double>(labels.size());
  double mean = 0;
  for (const double label : labels) mean += label / count;
  double spread = 0;
  for (const double label : labels) spread += (label - mean) * (label - mean) / count;
  const auto [least, greatest] = std::minmax_element(labels.begin(), labels.end());
  if (*least == *greatest) return kNaN;
  return 1 - MeanPower(predictions, labels, true) / spread;
}

}  // namespace

double Judge(Metric metric, std::span<const float> predictions, std::int32_t outputs,
             std::span<const double> labels) {
  if (predictions.size() != labels.size() * static_cast<std::size_t>(outputs)) {
    throw Error(ErrorKind::kInternal, "predictions and labels differ in number");
  }
  if (labels.empty()) return kNaN;
  // A network that diverged is worse than any other, whatever the metric makes of its numbers.
  if (std::any_of(predictions.begin(), predictions.end(), [](float p) { return std::isnan(p); })) {
    return kNaN;
  }
  switch (metric) {
    case Metric::kAuc: return Auc(predictions, outputs, labels);
    case Metric::kLogLoss: return LogLoss(predictions, outputs, labels);
    case Metric::kAccuracy: return Accuracy(predictions, outputs, labels);
    case Metric::kRmse: return std::sqrt(MeanPower(predictions, labels, true));
    case Metric::kMae: return MeanPower(predictions, labels, false);
    case Metric::kR2: return R2(predictions, labels);
    case Metric::kAuto: break;
  }
  throw Error(ErrorKind::kInternal, "the metric to judge by was not resolved");
}

bool IsBetter(Metric metric, double candidate, double incumbent) noexcept {
  if (std::isnan(candidate)) return false;
  if (std::isnan(incumbent)) return true;
  return HigherIsBetter(metric) ? candidate > incumbent : candidate < incumbent;
}

}  // namespace trails
