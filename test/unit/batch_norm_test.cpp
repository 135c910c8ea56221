#include "kernels/batch_norm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/random.h"

namespace trails::kernels {
namespace {

// One layer of `rows` x `width` random numbers.
struct Layer {
  Layer(std::int64_t rows_of_it, std::int64_t width_of_it, std::uint64_t seed)
      : rows(rows_of_it), width(width_of_it) {
    RandomStream random(seed);
    const auto fill = [&](std::vector<float> *numbers, std::int64_t count, double size) {
      numbers->resize(static_cast<std::size_t>(count));
      for (float &number : *numbers) number = random.Symmetric(size);
    };
    fill(&z, rows * width, 2);
    fill(&dh, rows * width, 1);
    fill(&gamma, width, 1.5);
    fill(&beta, width, 0.5);
    for (std::int64_t j = 0; j < width; ++j) {
      for (std::int64_t i = 0; i < rows; ++i) {
        z[static_cast<std::size_t>(i * width + j)] += static_cast<float>(j % 7);  // uneven means
      }
    }
    mean.resize(static_cast<std::size_t>(width));
    inv.resize(static_cast<std::size_t>(width));
    h.resize(z.size());
  }
  BatchNormState State() { return {gamma.data(), beta.data(), mean.data(), inv.data()}; }
  // In pieces of 7 rows, of which the last may have fewer.
  BatchPieces Pieces() const { return {rows, 7}; }
  void Forward(float dropout, std::uint32_t seed) {
    const BatchPieces pieces = Pieces();
    std::vector<float> moments(static_cast<std::size_t>(pieces.count() * 2 * width));
    for (std::int64_t p = 0; p < pieces.count(); ++p) {
      BatchNormMomentsCpu(z.data() + pieces.first(p) * width, pieces.rows_of(p), width,
                          moments.data() + p * 2 * width);
    }
    BatchNormCombineCpu(moments.data(), pieces, width, State());
    for (std::int64_t p = 0; p < pieces.count(); ++p) {
      const std::int64_t at = pieces.first(p) * width;
      BatchNormReluForwardCpu(z.data() + at, h.data() + at, pieces.first(p), pieces.rows_of(p),
                              width, State(), dropout, seed);
    }
  }
  // dh becomes dL/dz.
  void Backward(float dropout) {
    const BatchPieces pieces = Pieces();
    std::vector<float> sums(static_cast<std::size_t>(pieces.count() * 2 * width));
    for (std::int64_t p = 0; p < pieces.count(); ++p) {
      const std::int64_t at = pieces.first(p) * width;
      BatchNormReluBackwardSumsCpu(dh.data() + at, z.data() + at, h.data() + at, pieces.rows_of(p),
                                   width, dropout, sums.data() + p * 2 * width);
    }
    gamma_gradient.resize(gamma.size());
    beta_gradient.resize(beta.size());
    AddPiecesCpu(sums.data(), pieces.count(), 2 * width, width, gamma_gradient.data());
    AddPiecesCpu(sums.data() + width, pieces.count(), 2 * width, width, beta_gradient.data());
    for (std::int64_t p = 0; p < pieces.count(); ++p) {
      const std::int64_t at = pieces.first(p) * width;
      BatchNormBackwardCpu(dh.data() + at, z.data() + at, pieces.rows_of(p), width, rows, State(),
                           gamma_gradient.data(), beta_gradient.data());
    }
  }

  std::int64_t rows, width;
  std::vector<float> z, h, dh, gamma, beta, mean, inv, gamma_gradient, beta_gradient;
};

// Which units a seed keeps: with gamma 0 and beta 1 every kept unit is 1 / (1 - dropout).
std::vector<float> KeepMask(std::int64_t rows, std::int64_t width, float dropout,
                            std::uint32_t seed) {
  Layer layer(rows, width, 1);
  std::fill(layer.gamma.begin(), layer.gamma.end(), 0.0f);
  std::fill(layer.beta.begin(), layer.beta.end(), 1.0f);
  layer.Forward(dropout, seed);
  return layer.h;
}

// h of the formulas in double; `mask` holds 0 or 1 / (1 - dropout).
std::vector<double> SlowForward(const std::vector<double> &z, const std::vector<double> &gamma,
                                const std::vector<double> &beta, const std::vector<float> &mask) {
  const std::size_t width = gamma.size();
  const std::size_t rows = z.size() / width;
  std::vector<double> h(z.size());
  for (std::size_t j = 0; j < width; ++j) {
    double mean = 0;
    double var = 0;
    for (std::size_t i = 0; i < rows; ++i) mean += z[i * width + j] / static_cast<double>(rows);
    for (std::size_t i = 0; i < rows; ++i) {
      var += std::pow(z[i * width + j] - mean, 2) / static_cast<double>(rows);
    }
    for (std::size_t i = 0; i < rows; ++i) {
      const double y =
          gamma[j] * (z[i * width + j] - mean) / std::sqrt(var + double{kBatchNormEps}) + beta[j];
      h[i * width + j] = std::max(y, 0.0) * mask[i * width + j];
    }
  }
  return h;
}

struct Shape {
  std::int64_t rows, width;
  float dropout;
};

class BatchNorm : public ::testing::TestWithParam<Shape> {};

TEST_P(BatchNorm, ForwardEqualsTheFormulas) {
  const auto [rows, width, dropout] = GetParam();
  Layer layer(rows, width, 3);
  const std::vector<double> z(layer.z.begin(), layer.z.end());
  layer.Forward(dropout, 77);
  const std::vector<double> slow =
      SlowForward(z, {layer.gamma.begin(), layer.gamma.end()},
                  {layer.beta.begin(), layer.beta.end()}, KeepMask(rows, width, dropout, 77));
  for (std::size_t i = 0; i < slow.size(); ++i) ASSERT_NEAR(layer.h[i], slow[i], 2e-5) << i;
}

// dL/dz, dL/dgamma, dL/dbeta of L = sum h dh against central differences in double.
TEST_P(BatchNorm, BackwardEqualsFiniteDifferences) {
  const auto [rows, width, dropout] = GetParam();
  Layer layer(rows, width, 5);
  const std::vector<float> mask = KeepMask(rows, width, dropout, 9);
  std::vector<double> z(layer.z.begin(), layer.z.end());
  std::vector<double> gamma(layer.gamma.begin(), layer.gamma.end());
  std::vector<double> beta(layer.beta.begin(), layer.beta.end());
  const std::vector<float> dh = layer.dh;
  const auto loss = [&] {
    const std::vector<double> h = SlowForward(z, gamma, beta, mask);
    double sum = 0;
    for (std::size_t i = 0; i < h.size(); ++i) sum += h[i] * dh[i];
    return sum;
  };
  const auto difference = [&](double *number) {
    constexpr double kStep = 1e-6;
    const double middle = *number;
    *number = middle + kStep;
    const double above = loss();
    *number = middle - kStep;
    const double below = loss();
    *number = middle;
    return (above - below) / (2 * kStep);
  };
  layer.Forward(dropout, 9);
  layer.Backward(dropout);
  // Steps of 1e-6 that cross a ReLU's corner happen with a chance below 1e-5 a unit: none here.
  for (std::size_t j = 0; j < gamma.size(); ++j) {
    ASSERT_NEAR(layer.gamma_gradient[j], difference(&gamma[j]), 1e-4) << j;
    ASSERT_NEAR(layer.beta_gradient[j], difference(&beta[j]), 1e-4) << j;
  }
  for (std::size_t i = 0; i < z.size(); ++i) {
    ASSERT_NEAR(layer.dh[i], difference(&z[i]), 1e-4) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, BatchNorm,
                         ::testing::Values(Shape{2, 1, 0}, Shape{16, 10, 0}, Shape{33, 17, 0},
                                           Shape{16, 10, 0.2f}, Shape{33, 17, 0.4f}),
                         [](const auto &test) {
                           return std::to_string(test.param.rows) + "x" +
                                  std::to_string(test.param.width) + "Drop" +
                                  std::to_string(static_cast<int>(100 * test.param.dropout));
                         });

TEST(BatchNormMoments, MeanAndInverseDeviationAreThoseOfTheBatch) {
  Layer layer(2, 1, 1);
  layer.z = {1, 5};
  layer.Forward(0, 0);
  EXPECT_FLOAT_EQ(layer.mean[0], 3);
  EXPECT_FLOAT_EQ(layer.inv[0], 1 / std::sqrt(4 + kBatchNormEps));  // variance biased
  EXPECT_FLOAT_EQ(layer.z[0], -2 * layer.inv[0]);
}

// A mean that is large beside the deviations: squares of the numbers themselves would drown them.
TEST(BatchNormMoments, PiecesFarFromZeroKeepTheirVariance) {
  Layer layer(64, 1, 1);
  for (std::size_t i = 0; i < layer.z.size(); ++i) {
    layer.z[i] = 10'000.0f + (i % 2 == 0 ? 0.25f : -0.25f) + (i < 32 ? 1.0f : -1.0f);
  }
  layer.Forward(0, 0);
  EXPECT_FLOAT_EQ(layer.mean[0], 10'000);
  // A float near 10,000 is exact to 5e-4, and so are the pieces' means.
  EXPECT_NEAR(layer.inv[0], 1 / std::sqrt(1.0625 + double{kBatchNormEps}), 1e-4);
}

TEST(BatchPieces, CoverTheBatch) {
  const BatchPieces uneven{.rows = 10, .piece_rows = 4};
  EXPECT_EQ(uneven.count(), 3);
  EXPECT_EQ(uneven.first(2), 8);
  EXPECT_EQ(uneven.rows_of(1), 4);
  EXPECT_EQ(uneven.rows_of(2), 2);
  const BatchPieces even{.rows = 8, .piece_rows = 4};
  EXPECT_EQ(even.count(), 2);
  EXPECT_EQ(even.rows_of(1), 4);
}

TEST(BatchNormMoments, AConstantUnitGivesItsBeta) {
  Layer layer(8, 3, 1);
  std::fill(layer.z.begin(), layer.z.end(), 7.0f);
  layer.Forward(0, 0);
  for (std::size_t i = 0; i < layer.h.size(); ++i) {
    EXPECT_EQ(layer.h[i], std::max(layer.beta[i % 3], 0.0f));
  }
}

TEST(Dropout, KeepsTheShareAndScalesIt) {
  constexpr std::int64_t kRows = 500;
  constexpr std::int64_t kWidth = 96;
  for (const float dropout : {0.2f, 0.4f}) {
    const std::vector<float> mask = KeepMask(kRows, kWidth, dropout, 12345);
    std::int64_t kept = 0;
    for (const float value : mask) {
      if (value == 0) continue;
      ++kept;
      ASSERT_FLOAT_EQ(value, 1 / (1 - dropout));
    }
    // 48,000 draws: a standard deviation is 0.0022 at most; five of them.
    EXPECT_NEAR(static_cast<double>(kept) / (kRows * kWidth), 1 - double{dropout}, 0.011);
    // Neither a row nor a unit is favoured: 96 or 500 draws, six standard deviations.
    for (std::int64_t i = 0; i < kRows; ++i) {
      const auto zeros =
          std::count(mask.begin() + i * kWidth, mask.begin() + (i + 1) * kWidth, 0.f);
      ASSERT_NEAR(static_cast<double>(zeros) / kWidth, double{dropout}, 0.30) << "row " << i;
    }
    for (std::int64_t j = 0; j < kWidth; ++j) {
      std::int64_t zeros = 0;
      for (std::int64_t i = 0; i < kRows; ++i) {
        zeros += mask[static_cast<std::size_t>(i * kWidth + j)] == 0;
      }
      ASSERT_NEAR(static_cast<double>(zeros) / kRows, double{dropout}, 0.132) << "unit " << j;
    }
  }
}

TEST(Dropout, IsRepeatableForASeedAndAnotherForAnotherSeed) {
  const std::vector<float> first = KeepMask(64, 32, 0.4f, 5);
  EXPECT_EQ(first, KeepMask(64, 32, 0.4f, 5));
  const std::vector<float> other = KeepMask(64, 32, 0.4f, 6'000'000);
  std::int64_t same = 0;
  for (std::size_t i = 0; i < first.size(); ++i) same += first[i] == other[i];
  // Independent masks agree in 0.6^2 + 0.4^2 = 52 % of 2,048 places; five standard deviations.
  EXPECT_NEAR(static_cast<double>(same) / 2048, 0.52, 0.056);
}

TEST(AddBias, WithAndWithoutTheMaximum) {
  const std::vector<float> bias = {1, -2, 0};
  const std::vector<float> y = {0, 1, -3, -5, 4, 2};
  std::vector<float> sum = y;
  AddBiasCpu(sum.data(), 2, 3, bias.data(), /*relu=*/false);
  EXPECT_EQ(sum, (std::vector<float>{1, -1, -3, -4, 2, 2}));
  std::vector<float> positive = y;
  AddBiasCpu(positive.data(), 2, 3, bias.data(), /*relu=*/true);
  EXPECT_EQ(positive, (std::vector<float>{1, 0, 0, 0, 2, 2}));
}

}  // namespace
}  // namespace trails::kernels
