// The three products of a layer against sums written out.
#include "core/card/batched_products.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/random.h"

namespace trails {
namespace {

constexpr std::int64_t kMembers = 3, kRows = 21, kInputs = 24, kOutputs = 16;

std::vector<float> Draw(std::int64_t count, std::uint64_t seed) {
  RandomStream random(seed);
  std::vector<float> numbers(static_cast<std::size_t>(count));
  for (float &number : numbers) number = random.Symmetric(1);
  return numbers;
}

class BatchedProductsTest : public testing::TestWithParam<std::pair<Precision, double>> {
 protected:
  BatchedProductsTest() { products_.Use(stream_, workspace_.data()); }

  CardArray<float> OnCard(const std::vector<float> &from) {
    CardArray<float> to(std::ssize(from));
    to.Upload(from, stream_);
    return to;
  }
  // The largest error, relative to the largest sum. sum(member, row, column): in double.
  template <typename Sum>
  double Error(const CardArray<float> &found, std::int64_t rows, std::int64_t columns,
               const Sum &sum) {
    const std::vector<float> numbers = found.Download(stream_);
    double error = 0, largest = 0;
    std::size_t i = 0;
    for (std::int64_t m = 0; m < kMembers; ++m) {
      for (std::int64_t r = 0; r < rows; ++r) {
        for (std::int64_t c = 0; c < columns; ++c) {
          const double expected = sum(m, r, c);
          error = std::max(error, std::abs(numbers[i++] - expected));
          largest = std::max(largest, std::abs(expected));
        }
      }
    }
    return error / largest;
  }

  const std::vector<float> x_ = Draw(kMembers * kRows * kInputs, 1);
  const std::vector<float> weight_ = Draw(kMembers * kOutputs * kInputs, 2);
  const std::vector<float> y_ = Draw(kMembers * kRows * kOutputs, 3);
  double X(std::int64_t m, std::int64_t r, std::int64_t i) const {
    return x_[static_cast<std::size_t>((m * kRows + r) * kInputs + i)];
  }
  double W(std::int64_t m, std::int64_t o, std::int64_t i) const {
    return weight_[static_cast<std::size_t>((m * kOutputs + o) * kInputs + i)];
  }
  double Y(std::int64_t m, std::int64_t r, std::int64_t o) const {
    return y_[static_cast<std::size_t>((m * kRows + r) * kOutputs + o)];
  }

  static constexpr ProductShape kShape{kMembers, kRows, kInputs, kOutputs};
  const CardStream stream_;
  const CardBytes workspace_{BatchedProducts::kWorkspaceBytes};
  BatchedProducts products_;
};

TEST_P(BatchedProductsTest, AreTheSums) {
  const auto [precision, tolerance] = GetParam();
  const CardArray<float> x = OnCard(x_), weight = OnCard(weight_), y = OnCard(y_);
  const CardArray<float> forward(y.size()), input(x.size()), gradient(weight.size());
  products_.Forward(precision, kShape, x.data(), weight.data(), forward.data());
  products_.InputGradient(precision, kShape, y.data(), weight.data(), input.data());
  products_.WeightGradient(precision, kShape, y.data(), x.data(), gradient.data());
  EXPECT_LT(Error(forward, kRows, kOutputs,
                  [&](std::int64_t m, std::int64_t r, std::int64_t o) {
                    double sum = 0;
                    for (std::int64_t i = 0; i < kInputs; ++i) sum += X(m, r, i) * W(m, o, i);
                    return sum;
                  }),
            tolerance);
  EXPECT_LT(Error(input, kRows, kInputs,
                  [&](std::int64_t m, std::int64_t r, std::int64_t i) {
                    double sum = 0;
                    for (std::int64_t o = 0; o < kOutputs; ++o) sum += Y(m, r, o) * W(m, o, i);
                    return sum;
                  }),
            tolerance);
  EXPECT_LT(Error(gradient, kOutputs, kInputs,
                  [&](std::int64_t m, std::int64_t o, std::int64_t i) {
                    double sum = 0;
                    for (std::int64_t r = 0; r < kRows; ++r) sum += Y(m, r, o) * X(m, r, i);
                    return sum;
                  }),
            tolerance);
}

// Factors of 24, 11 and 8 bits of mantissa, sums of two dozen terms.
INSTANTIATE_TEST_SUITE_P(Precisions, BatchedProductsTest,
                         testing::Values(std::pair{Precision::kFp32, 1e-6},
                                         std::pair{Precision::kTf32, 1e-3},
                                         std::pair{Precision::kBf16, 1e-2}));

}  // namespace
}  // namespace trails
