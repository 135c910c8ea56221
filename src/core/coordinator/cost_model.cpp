#include "core/coordinator/cost_model.h"

#include <algorithm>
#include <cmath>

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <fmt/format.h>

namespace trails {

namespace {

// Seconds of a unit of each kind of work, in the order of Numbers: a least-squares fit of the
// relative errors over the architectures of bench/micro/cost_model_bench.
constexpr std::array<double, 5> kBuiltIn = {5e-6, 3.7e-9, 7.5e-10, 1.5e-11, 2e-10};

// A look gathers without scattering, adds a bias without a batch norm, and multiplies forward only.
constexpr double kGatherShare = 0.4;
constexpr double kBiasShare = 0.15;

constexpr double kForwardAndBackward = 3;  // products a layer: outputs, weight and input gradients

constexpr double kFading = 0.98;           // of what was learnt, a measurement
constexpr double kRidge = 0.1;             // in measurements that differ
constexpr double kLeastBend = 0.1;         // of the scaled constants: no work is free
constexpr std::int64_t kTrustedSteps = 4;  // mini-batches that weigh half of very many
constexpr std::int64_t kFreeMeasurements = 3;
const double kMostSurprise = std::log(2.0);  // what one later measurement may say about the scale

constexpr double kShareOfAFurtherThread = 0.7;

constexpr std::int32_t kNarrowest = 32;  // side of a product: narrower ones take as long
constexpr double kSlotsOfAnInput = 0.3;  // an input is written, its gradient written and read

double Products(const TableShape &shape, const HiddenWidths &widths) noexcept {
  double products = 0;
  double before = std::max(shape.inputs, kNarrowest);
  for (const std::int32_t width : widths) {
    const double after = std::max(width, kNarrowest);
    products += before * after;
    before = after;
  }
  return products + before * std::max(shape.outputs, kNarrowest);
}

// Of a mini-batch, the inputs among them.
double Slots(const TableShape &shape) noexcept {
  return static_cast<double>(shape.batch) *
         (static_cast<double>(shape.slots_per_row) + kSlotsOfAnInput * shape.inputs);
}

double Units(const HiddenWidths &widths) noexcept {
  double units = 0;
  for (const std::int32_t width : widths) units += width;
  return units;
}

}  // namespace

StepWork TrainingWork(const TableShape &shape, const HiddenWidths &widths) noexcept {
  const auto batch = static_cast<double>(shape.batch);
  return {.batches = 1,
          .slots = Slots(shape),
          .units = batch * Units(widths),
          .multiply_adds = kForwardAndBackward * batch * Products(shape, widths),
          .parameters = static_cast<double>(shape.embedding_numbers +
                                            CountParameters(widths, shape.inputs, shape.outputs))};
}

StepWork PredictionWork(const TableShape &shape, const HiddenWidths &widths) noexcept {
  const auto batch = static_cast<double>(shape.batch);
  return {.batches = 1,
          .slots = kGatherShare * Slots(shape),
          .units = kBiasShare * batch * Units(widths),
          .multiply_adds = batch * Products(shape, widths),
          .parameters = 0};
}

double SpeedOfThreads(std::int32_t threads) noexcept {
  return 1 + kShareOfAFurtherThread * (threads - 1);
}

CostModel::CostModel(const TableShape &shape) noexcept : shape_(shape), seconds_(kBuiltIn) {}

CostModel::Numbers CostModel::Of(const StepWork &work) noexcept {
  return {work.batches, work.slots, work.units, work.multiply_adds, work.parameters};
}

void CostModel::Learn(const HiddenWidths &widths, std::int64_t steps, double seconds) noexcept {
  if (steps <= 0 || !(seconds > 0) || !std::isfinite(seconds)) return;
  const double measured = seconds / static_cast<double>(steps);
  Numbers shares = Of(TrainingWork(shape_, widths));  // of the measured time, by the constants
  double sum = 0;
  for (std::size_t k = 0; k < kKinds; ++k) sum += shares[k] *= kBuiltIn[k] / measured;

  const double weight = static_cast<double>(steps) / static_cast<double>(steps + kTrustedSteps);
  double scale = -std::log(sum);
  if (measurements_ >= kFreeMeasurements) {
    // A thread that was not running for a while says nothing about the others.
    const double known = scale_sum_ / scale_weight_;
    scale = std::clamp(scale, known - kMostSurprise, known + kMostSurprise);
  }
  scale_sum_ = kFading * scale_sum_ + weight * scale;
  scale_weight_ = kFading * scale_weight_ + weight;
  for (std::size_t i = 0; i < kKinds; ++i) {
    products_[i] = kFading * products_[i] + weight * shares[i];
    for (std::size_t j = 0; j < kKinds; ++j) {
      squares_[i][j] = kFading * squares_[i][j] + weight * shares[i] * shares[j];
    }
  }
  ++measurements_;
  Solve();
}

void CostModel::Solve() noexcept {
  using Matrix = Eigen::Matrix<double, kKinds, kKinds>;
  using Vector = Eigen::Matrix<double, kKinds, 1>;
  const double scale = std::exp(scale_sum_ / scale_weight_);
  // Unknowns are the bends: seconds over the scaled constants, all 1 for a machine that is merely
  // slower. The shares are of the measured time, hence `scale` makes them those of the prediction.
  Matrix matrix = Matrix::Identity() * kRidge;
  Vector right = Vector::Constant(kRidge);
  for (std::size_t i = 0; i < kKinds; ++i) {
    right(static_cast<Eigen::Index>(i)) += scale * products_[i];
    for (std::size_t j = 0; j < kKinds; ++j) {
      matrix(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) +=
          scale * scale * squares_[i][j];
    }
  }
  const Vector bends = matrix.ldlt().solve(right);
  for (std::size_t k = 0; k < kKinds; ++k) {
    seconds_[k] = kBuiltIn[k] * scale * std::max(kLeastBend, bends(static_cast<Eigen::Index>(k)));
  }
}

double CostModel::TrainingStepSeconds(const HiddenWidths &widths) const noexcept {
  const Numbers work = Of(TrainingWork(shape_, widths));
  double seconds = 0;
  for (std::size_t k = 0; k < kKinds; ++k) seconds += work[k] * seconds_[k];
  return seconds;
}

double CostModel::PredictionSeconds(const HiddenWidths &widths, std::int64_t rows) const noexcept {
  const Numbers work = Of(PredictionWork(shape_, widths));
  double seconds = 0;
  for (std::size_t k = 0; k < kKinds; ++k) seconds += work[k] * seconds_[k];
  return seconds * static_cast<double>(rows) /
         static_cast<double>(std::max<std::int64_t>(shape_.batch, 1));
}

std::string CostModel::Describe() const {
  return fmt::format(
      "{:.3f} ms a mini-batch, {:.2f} ns a slot, {:.2f} ns a hidden unit and row, {:.1f} billion "
      "multiply-adds a second, {:.2f} ns a parameter",
      1e3 * seconds_[0], 1e9 * seconds_[1], 1e9 * seconds_[2], 1e-9 / seconds_[3],
      1e9 * seconds_[4]);
}

}  // namespace trails
