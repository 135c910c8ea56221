// What a rung takes on the CPU and on a card, by the model that device "auto" decides with.
#include "core/placement/placement.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "core/cohort/layout.h"

namespace trails {
namespace {

RungWork Rung(std::size_t candidates, const HiddenWidths &widths) {
  RungWork rung;
  rung.shape = {
      .batch = 512, .slots_per_row = 10, .inputs = 100, .outputs = 1, .embedding_numbers = 5'000};
  rung.candidates.assign(candidates, widths);
  rung.steps = 100;
  rung.look_rows = 512;
  return rung;
}

TEST(Placement, CandidatesSideBySideShareThreads) {
  const RungWork eight = Rung(8, {64, 32});
  const CostModel cost(eight.shape);
  const double one =
      100 * cost.TrainingStepSeconds({64, 32}) + cost.PredictionSeconds({64, 32}, 512);
  EXPECT_NEAR(CpuSeconds(eight, cost, 1), 8 * one, 1e-12);
  EXPECT_NEAR(CpuSeconds(eight, cost, 4), 2 * one, 1e-12);
  // More threads than candidates share mini-batches, at a loss.
  EXPECT_NEAR(CpuSeconds(eight, cost, 16), one / SpeedOfThreads(2), 1e-12);
}

TEST(Placement, OnACardLaunchesBoundSmallCohorts) {
  const CardFacts card = FastestKnownCard();
  const double one = CardSeconds(Rung(1, {16}), card, Precision::kTf32);
  const double ten = CardSeconds(Rung(10, {16}), card, Precision::kTf32);
  EXPECT_LT(ten, 1.5 * one);  // ten networks share their launches
  const double deep = CardSeconds(Rung(1, {16, 16, 16, 16}), card, Precision::kTf32);
  const double kernel = DataSheetRates(Precision::kTf32).kernel_seconds;
  EXPECT_NEAR(one / 100 / kernel, static_cast<double>(KernelsOfStep(1)), 1.5);
  EXPECT_NEAR(deep / 100 / kernel, static_cast<double>(KernelsOfStep(4)), 2.5);
}

TEST(Placement, OnACardArithmeticBoundsLargeCohorts) {
  const CardFacts card = FastestKnownCard();
  RungWork rung = Rung(500, {512, 512, 512, 512});
  const double tf32 = CardSeconds(rung, card, Precision::kTf32);
  EXPECT_GT(CardSeconds(rung, card, Precision::kFp32), 2 * tf32);
  CardFacts half = card;
  half.multiprocessors /= 2;
  half.bytes_per_second /= 2;
  EXPECT_NEAR(CardSeconds(rung, half, Precision::kTf32) / tf32, 2, 0.02);
  rung.steps *= 2;
  EXPECT_GT(CardSeconds(rung, card, Precision::kTf32), 1.9 * tf32);
}

TEST(Placement, TheTableIsCopiedOnce) {
  const CardFacts card = FastestKnownCard();
  RungWork rung = Rung(4, {64});
  const double without = CardSeconds(rung, card, Precision::kTf32);
  rung.table_bytes = 1'000'000'000;
  EXPECT_NEAR(CardSeconds(rung, card, Precision::kTf32) - without, 0.1, 1e-3);
  EXPECT_GT(RungBytes(rung), rung.table_bytes);
}

TEST(Placement, GradientsAreNeverScoredOnACard) {
  EXPECT_TRUE(std::isinf(CardSeconds({.tfmem = Tfmem::kSnip, .candidates = 10})));
  EXPECT_LT(CardSeconds({.tfmem = Tfmem::kSynflow, .candidates = 160'000}), 0.3);
  EXPECT_NEAR(CpuSeconds({.tfmem = Tfmem::kNasWot, .candidates = 160'000}, 2), 0.072, 1e-9);
}

TEST(Placement, ACardIsDescribedForPeople) {
  const CardFacts card{.name = "NVIDIA H100 80GB HBM3",
                       .major = 9,
                       .minor = 0,
                       .multiprocessors = 132,
                       .clock_hz = 1.98e9,
                       .bytes_per_second = 3.35e12,
                       .total_bytes = std::int64_t{80} << 30,
                       .free_bytes = std::int64_t{79} << 30,
                       .driver = 13010,
                       .runtime = 13000};
  EXPECT_EQ(Describe(card),
            "NVIDIA H100 80GB HBM3, compute capability 9.0, 132 multiprocessors, 79.0 of 80.0 GB "
            "free, CUDA 13.0 on a driver for 13.1");
}

}  // namespace
}  // namespace trails
