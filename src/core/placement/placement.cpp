#include "core/placement/placement.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "core/cohort/layout.h"

namespace trails {

namespace {

// Shares of the peaks that small batched products and passes over memory reach.
constexpr double kShareOfMultiplyAdds = 0.3;
constexpr double kShareOfBandwidth = 0.6;

// What DataSheetRates is of.
constexpr double kSheetMultiprocessors = 132;
constexpr double kSheetClock = 1.98e9;
// Of a multiprocessor before the H100's generation, by compute capability 8.0: half the plain units
// and half the tensor cores'.
constexpr double kOlderShare = 0.5;

constexpr double kCopyBytesPerSecond = 10e9;  // to the card, through a staging buffer

// Seconds a candidate and bank on one thread, of the full-space scorer with AVX-512.
constexpr double kPatternSeconds = 0.9e-6;  // nas_wot, nas_wot_plain
constexpr double kFlowSeconds = 1.7e-7;     // synflow, express_flow
constexpr double kNormSeconds = 2e-8;       // weight_norm
// On a card, where launches of tiles come first.
constexpr double kCardShareOfScoring = 0.1;
constexpr double kCardPassSeconds = 0.02;

CardRates RatesOf(const CardFacts &card, Precision precision) noexcept {
  CardRates rates = DataSheetRates(precision);
  const double size = card.multiprocessors * card.clock_hz / (kSheetMultiprocessors * kSheetClock);
  const double make = card.major >= 9 ? 1 : kOlderShare;
  rates.multiply_adds_per_second *= kShareOfMultiplyAdds * size * make;
  rates.bytes_per_second = kShareOfBandwidth * card.bytes_per_second;
  return rates;
}

double ScoringSeconds(Tfmem tfmem) noexcept {
  switch (tfmem) {
    case Tfmem::kNasWot:
    case Tfmem::kNasWotPlain: return kPatternSeconds;
    case Tfmem::kJacflow: return kPatternSeconds + kFlowSeconds;
    case Tfmem::kSynflow:
    case Tfmem::kExpressFlow: return kFlowSeconds;
    case Tfmem::kWeightNorm: return kNormSeconds;
    default: return 0;  // closed forms; gradients are never on a card
  }
}

}  // namespace

double CpuSeconds(const RungWork &work, const CostModel &cost, std::int32_t threads) noexcept {
  double sum = 0;
  double longest = 0;
  for (const HiddenWidths &widths : work.candidates) {
    const double seconds = static_cast<double>(work.steps) * cost.TrainingStepSeconds(widths) +
                           cost.PredictionSeconds(widths, work.look_rows);
    sum += seconds;
    longest = std::max(longest, seconds);
  }
  // Fewer candidates than threads share mini-batches, at the loss that plans count with.
  const auto side_by_side =
      static_cast<std::int32_t>(std::clamp<std::int64_t>(std::ssize(work.candidates), 1, threads));
  return std::max(sum / side_by_side, longest) / SpeedOfThreads(threads / side_by_side);
}

double CardSeconds(const RungWork &work, const CardFacts &card, Precision precision) {
  const CardRates rates = RatesOf(card, precision);
  const CohortLayout layout = LayOut(work.candidates, work.shape, rates);
  // A look is the forward third of the products, over other rows.
  double products = 0;
  for (const HiddenWidths &widths : work.candidates) {
    products += WorkOnCard(work.shape, widths).multiply_adds;
  }
  const double batches = static_cast<double>(work.look_rows) /
                         static_cast<double>(std::max<std::int64_t>(work.shape.batch, 1));
  return static_cast<double>(work.table_bytes) / kCopyBytesPerSecond +
         products / 3 * batches / rates.multiply_adds_per_second +
         static_cast<double>(work.steps) * layout.step_seconds;
}

std::int64_t RungBytes(const RungWork &work) noexcept {
  constexpr double kArraysOfAParameter = 5;  // value, gradient, two moments, average
  constexpr double kArraysOfAUnit = 3;       // normalised, output, its gradient
  constexpr double kArraysOfAnInput = 2;
  double numbers = 0;
  for (const HiddenWidths &widths : work.candidates) {
    const StepWork training = TrainingWork(work.shape, widths);
    numbers += kArraysOfAParameter * training.parameters + kArraysOfAUnit * training.units +
               kArraysOfAnInput * static_cast<double>(work.shape.batch) * work.shape.inputs;
  }
  return work.table_bytes +
         static_cast<std::int64_t>(numbers) * static_cast<std::int64_t>(sizeof(float));
}

double CpuSeconds(const FilteringWork &work, std::int32_t threads) noexcept {
  return ScoringSeconds(work.tfmem) * static_cast<double>(work.candidates) * work.banks / threads;
}

double CardSeconds(const FilteringWork &work) noexcept {
  if (!ScoresOnCard(work.tfmem)) return std::numeric_limits<double>::infinity();
  return work.banks * (kCardPassSeconds + kCardShareOfScoring * ScoringSeconds(work.tfmem) *
                                              static_cast<double>(work.candidates));
}

CardFacts FastestKnownCard() {
  return {.name = "NVIDIA H200",
          .major = 9,
          .minor = 0,
          .multiprocessors = 132,
          .clock_hz = 1.98e9,
          .bytes_per_second = 4.8e12,
          .total_bytes = std::int64_t{141} << 30,
          .free_bytes = std::int64_t{141} << 30};
}

std::string Describe(const CardFacts &card) {
  constexpr double kGigabyte = 1 << 30;
  return fmt::format(
      "{}, compute capability {}.{}, {} multiprocessors, {:.1f} of {:.1f} GB free, CUDA {}.{} on a "
      "driver for {}.{}",
      card.name, card.major, card.minor, card.multiprocessors,
      static_cast<double>(card.free_bytes) / kGigabyte,
      static_cast<double>(card.total_bytes) / kGigabyte, card.runtime / 1000,
      card.runtime % 1000 / 10, card.driver / 1000, card.driver % 1000 / 10);
}

}  // namespace trails
