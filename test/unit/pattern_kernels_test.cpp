// The three kernels of nas_wot against loops in double, on every target.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>
#include <boost/align/aligned_allocator.hpp>

#include "core/filtering/weight_bank.h"
#include "core/random.h"
#include "forced_targets.h"
#include "kernels/activate.h"
#include "kernels/disagreements.h"
#include "kernels/log_determinant.h"

namespace trails::kernels {
namespace {

using Words = std::vector<std::uint16_t, boost::alignment::aligned_allocator<std::uint16_t, 64>>;

const std::vector<std::int32_t> kBatches{1, 2, 3, 7, 16, 31, 32, 33, 50, 63, 64};

struct ActivateCase {
  std::int32_t batch, stops;
  bool normalised, stored;
};

void CheckActivation(const ActivateCase &of) {
  const auto batch = static_cast<std::size_t>(of.batch);
  const auto stops = static_cast<std::size_t>(of.stops);
  const std::size_t floats = batch * kBlock;
  const auto words = static_cast<std::size_t>(PatternWords(of.batch));
  RandomStream random(batch);
  AlignedFloats z(stops * floats), bias(kBlock), h(stops * floats);
  for (std::size_t i = 0; i < z.size(); ++i) z.data()[i] = random.Symmetric(2);
  for (std::size_t i = 0; i < kBlock - 1; ++i) bias.data()[i] = random.Symmetric(1);
  // The last unit is padding.
  for (std::size_t i = kBlock - 1; i < z.size(); i += kBlock) z.data()[i] = 0;
  const std::vector<float> weight_scale{0.5f, 0.01f};
  const std::vector<float> bias_scale{0.75f, 2.0f};
  Words patterns(stops * words);
  const Activations to{weight_scale.data(),
                       bias_scale.data(),
                       of.stored ? h.data() : nullptr,
                       static_cast<std::ptrdiff_t>(floats),
                       patterns.data(),
                       static_cast<std::ptrdiff_t>(words)};
  if (of.normalised) {
    ActivateNormalised(z.data(), of.stops, of.batch, to);
  } else {
    ActivatePlain(z.data(), bias.data(), of.stops, of.batch, to);
  }
  for (std::size_t stop = 0; stop < stops; ++stop) {
    for (std::size_t unit = 0; unit < kBlock; ++unit) {
      std::vector<double> y(batch);
      double mean = 0, var = 0;
      for (std::size_t b = 0; b < batch; ++b) {
        y[b] = double{weight_scale[stop]} * z.data()[stop * floats + b * kBlock + unit] +
               double{bias_scale[stop]} * bias.data()[unit];
        mean += y[b] / of.batch;
      }
      for (const double value : y) var += (value - mean) * (value - mean) / of.batch;
      for (std::size_t b = 0; b < batch; ++b) {
        if (of.normalised) y[b] = of.batch == 1 ? 0 : (y[b] - mean) / std::sqrt(var + 1e-5);
        if (unit == kBlock - 1) y[b] = 0;
        const int bit = patterns[stop * words + b] >> unit & 1;
        EXPECT_EQ(bit, y[b] > 0 ? 1 : 0) << y[b];
        EXPECT_EQ(patterns[stop * words + batch + b], patterns[stop * words + b]);
        EXPECT_NEAR(h.data()[stop * floats + b * kBlock + unit],
                    of.stored ? std::max(y[b], 0.0) : 0.0, 3e-6);
      }
    }
    for (std::size_t b = 2 * batch; b < words; ++b) EXPECT_EQ(patterns[stop * words + b], 0);
  }
}

TEST(Activate, EqualsTheFormulasOnEveryTarget) {
  test::ForEachTarget([] {
    for (const std::int32_t batch : kBatches) {
      for (const bool normalised : {false, true}) {
        for (const bool stored : {false, true}) {
          SCOPED_TRACE(testing::Message() << batch << normalised << stored);
          CheckActivation({batch, 2, normalised, stored});
        }
      }
    }
  });
}

Words RandomPatterns(std::int32_t blocks, std::int32_t batch, std::uint64_t seed) {
  RandomStream random(seed);
  const std::int32_t words = PatternWords(batch);
  Words patterns(static_cast<std::size_t>(blocks * words));
  for (std::int32_t block = 0; block < blocks; ++block) {
    for (std::int32_t b = 0; b < batch; ++b) {
      const auto word = static_cast<std::uint16_t>(random.Next());
      patterns[static_cast<std::size_t>(block * words + b)] = word;
      patterns[static_cast<std::size_t>(block * words + batch + b)] = word;
    }
  }
  return patterns;
}

TEST(Disagreements, CountEveryPairUpToEachStopOnEveryTarget) {
  test::ForEachTarget([] {
    for (const std::int32_t batch : kBatches) {
      SCOPED_TRACE(batch);
      const std::vector<std::int32_t> stops{1, 4, 9};
      const auto counts = static_cast<std::size_t>(DisagreementCounts(batch));
      const Words patterns = RandomPatterns(9, batch, 3);
      Words before(counts, 1'000), after(3 * counts), alone(3 * counts);
      Disagreements(patterns.data(), {stops.data(), 3}, batch, before.data(), after.data());
      Disagreements(patterns.data(), {stops.data(), 3}, batch, nullptr, alone.data());
      for (std::size_t stop = 0; stop < 3; ++stop) {
        for (std::int32_t d = 1; d <= batch / 2; ++d) {
          for (std::int32_t b = 0; b < batch; ++b) {
            int count = 0;
            for (std::int32_t block = 0; block < stops[stop]; ++block) {
              const std::uint16_t *const words = patterns.data() + block * PatternWords(batch);
              count += __builtin_popcount(words[b] ^ words[(b + d) % batch]);
            }
            const std::size_t at =
                stop * counts + static_cast<std::size_t>((d - 1) * DisagreementColumns(batch) + b);
            ASSERT_EQ(alone[at], count) << "rotation " << d << ", sample " << b;
            ASSERT_EQ(after[at], count + 1'000);
          }
        }
      }
    }
  });
}

// ln det of the kernel by elimination with complete pivoting; -infinity where it is singular.
double SlowLogDeterminant(const std::uint16_t *counts, double units, std::int32_t batch) {
  const auto n = static_cast<std::size_t>(batch);
  std::vector<std::vector<long double>> k(n, std::vector<long double>(n, units));
  for (std::int32_t d = 1; d <= batch / 2; ++d) {
    for (std::int32_t b = 0; b < batch; ++b) {
      const auto i = static_cast<std::size_t>(b), j = static_cast<std::size_t>((b + d) % batch);
      k[i][j] = k[j][i] = units - counts[(d - 1) * DisagreementColumns(batch) + b];
    }
  }
  long double logarithm = 0;
  for (std::size_t step = 0; step < n; ++step) {
    std::size_t row = step, column = step;
    for (std::size_t i = step; i < n; ++i) {
      for (std::size_t j = step; j < n; ++j) {
        if (std::fabs(k[i][j]) > std::fabs(k[row][column])) row = i, column = j;
      }
    }
    std::swap(k[step], k[row]);
    for (auto &line : k) std::swap(line[step], line[column]);
    if (std::fabs(k[step][step]) <= 1e-9L * units) return -INFINITY;
    logarithm += std::log(std::fabs(k[step][step]));
    for (std::size_t i = step + 1; i < n; ++i) {
      const long double factor = k[i][step] / k[step][step];
      for (std::size_t j = step; j < n; ++j) k[i][j] -= factor * k[step][j];
    }
  }
  return logarithm < -0.5L ? -INFINITY : static_cast<double>(logarithm);
}

// 16 networks of 1, 2, ... row blocks over one another: small ones are singular.
TEST(LogDeterminants, EqualEliminationWithPivotsOnEveryTarget) {
  test::ForEachTarget([] {
    for (const std::int32_t batch : kBatches) {
      SCOPED_TRACE(batch);
      const auto counts = static_cast<std::size_t>(DisagreementCounts(batch));
      const Words patterns = RandomPatterns(kMatrices, batch, 5);
      std::vector<std::int32_t> stops(kMatrices);
      AlignedFloats units(kMatrices);
      for (std::int32_t m = 0; m < kMatrices; ++m) {
        stops[static_cast<std::size_t>(m)] = m + 1;
        units.data()[m] = static_cast<float>(16 * (m + 1));
      }
      Words matrices(kMatrices * counts);
      Disagreements(patterns.data(), {stops.data(), kMatrices}, batch, nullptr, matrices.data());
      AlignedFloats scratch(static_cast<std::size_t>(LogDeterminantScratch(batch)));
      std::vector<double> logarithms(kMatrices);
      LogDeterminants(matrices.data(), units.data(), batch, scratch.data(), logarithms.data());
      int singular = 0;
      for (std::size_t m = 0; m < kMatrices; ++m) {
        const std::uint16_t *const matrix = matrices.data() + m * counts;
        const double truth = SlowLogDeterminant(matrix, double{units.data()[m]}, batch);
        if (std::isinf(truth)) {
          ++singular;
          EXPECT_EQ(logarithms[m], truth);
        } else {
          EXPECT_NEAR(logarithms[m], truth, 2e-6 * truth) << m;
          EXPECT_NEAR(LogDeterminant(matrix, double{units.data()[m]}, batch), truth, 1e-9 * truth);
        }
      }
      EXPECT_EQ(singular > 0, batch > 16) << singular;
    }
  });
}

TEST(LogDeterminants, KnowEqualSamplesAndASingleOne) {
  const std::int32_t batch = 3;
  Words patterns(static_cast<std::size_t>(PatternWords(batch)));
  patterns[0] = patterns[3] = 5;
  patterns[1] = patterns[4] = 6;
  patterns[2] = patterns[5] = 5;
  const std::int32_t stop = 1;
  Words counts(static_cast<std::size_t>(DisagreementCounts(batch)));
  Disagreements(patterns.data(), {&stop, 1}, batch, nullptr, counts.data());
  EXPECT_EQ(counts[0], 2);
  EXPECT_EQ(counts[1], 2);
  EXPECT_EQ(counts[2], 0);
  EXPECT_EQ(LogDeterminant(counts.data(), 16, batch), -INFINITY);
  EXPECT_DOUBLE_EQ(LogDeterminant(nullptr, 24, 1), std::log(24));
}

}  // namespace
}  // namespace trails::kernels
