#include "kernels/stopped_product.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/filtering/weight_bank.h"
#include "core/random.h"
#include "forced_targets.h"

namespace trails::kernels {
namespace {

AlignedFloats RandomFloats(std::size_t count, RandomStream *random) {
  AlignedFloats floats(count);
  for (std::size_t i = 0; i < count; ++i) floats.data()[i] = random->Symmetric(1);
  return floats;
}

// Compares every sum with one in double, in the order of the header's formula.
void CheckProduct(const std::vector<std::int32_t> &stops, std::int32_t batch) {
  RandomStream random(static_cast<std::uint64_t>(batch));
  const auto blocks = static_cast<std::size_t>(stops.back());
  const auto samples = static_cast<std::size_t>(batch);
  const AlignedFloats panel = RandomFloats(blocks * kBlock * kBlock, &random);
  const AlignedFloats x = RandomFloats(blocks * samples * kBlock, &random);
  AlignedFloats z(stops.size() * samples * kBlock);
  StoppedProduct(panel.data(), x.data(), {stops.data(), static_cast<std::int32_t>(stops.size())},
                 batch, z.data());
  for (std::size_t stop = 0; stop < stops.size(); ++stop) {
    for (std::size_t b = 0; b < samples; ++b) {
      for (std::size_t i = 0; i < kBlock; ++i) {
        double sum = 0;
        for (std::size_t k = 0; k < static_cast<std::size_t>(stops[stop]) * kBlock; ++k) {
          sum += double{panel.data()[k * kBlock + i]} *
                 double{x.data()[(k / kBlock * samples + b) * kBlock + k % kBlock]};
        }
        ASSERT_NEAR(z.data()[(stop * samples + b) * kBlock + i], sum, 1e-4)
            << "stop " << stop << ", sample " << b << ", row " << i;
      }
    }
  }
}

TEST(StoppedProduct, EqualsNaiveSumsForEveryBatchOnEveryTarget) {
  test::ForEachTarget([] {
    for (std::int32_t batch = 1; batch <= kMaxBatch; ++batch) CheckProduct({1, 2, 5}, batch);
    CheckProduct({3}, 32);
    CheckProduct({1, 2, 3, 4, 40}, 32);
  });
}

TEST(StoppedProduct, TakesAPlainFallbackAndTheBestOfThisCpu) {
  const std::vector<std::int64_t> targets = test::RunnableTargets();
  ASSERT_GE(targets.size(), 2U);
  EXPECT_NE(targets.front(), HWY_STATIC_TARGET);
  EXPECT_EQ(targets.back(), HWY_STATIC_TARGET);
}

}  // namespace
}  // namespace trails::kernels
