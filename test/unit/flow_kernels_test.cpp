// The kernels of the flows against plain loops in long double, on every target of this CPU.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <vector>
#include <boost/align/aligned_allocator.hpp>

#include "core/random.h"
#include "forced_targets.h"
#include "kernels/blocked.h"
#include "kernels/flow_product.h"
#include "kernels/flow_sums.h"
#include "kernels/squared_sums.h"

namespace trails::kernels {
namespace {

template <typename T>
using Aligned = std::vector<T, boost::alignment::aligned_allocator<T, 64>>;

constexpr double kTolerance = 1e-14;  // of the sum of the terms' sizes

template <typename T>
Aligned<T> Draw(std::size_t count, std::uint64_t seed) {
  RandomStream stream(seed);
  Aligned<T> values(count);
  for (T &value : values) value = static_cast<T>(2.0 * stream.Uniform() - 1.0);
  return values;
}

// Entry [s][c][i] of the product, and the sum of the sizes of its terms.
struct Sum {
  long double value = 0;
  long double size = 0;

  void Add(long double term) {
    value += term;
    size += std::fabs(term);
  }
  bool Matches(double computed) const { return std::fabs(computed - value) <= kTolerance * size; }
};

TEST(FlowProduct, EqualsPlainLoopsForEveryNumberOfColumns) {
  const std::vector<std::int32_t> stops = {1, 2, 5, 6};
  constexpr std::int64_t kStride = 112;  // longer than the last stop
  const Aligned<float> panel = Draw<float>(kStride * kBlock, 1);
  const Aligned<double> x = Draw<double>(kMaxFlowColumns * kStride, 2);
  test::ForEachTarget([&] {
    for (std::int32_t columns = 1; columns <= kMaxFlowColumns; ++columns) {
      Aligned<double> y(stops.size() * static_cast<std::size_t>(columns) * kBlock, -7.0);
      FlowProduct(panel.data(), x.data(), columns, kStride,
                  {.blocks = stops.data(), .count = static_cast<std::int32_t>(stops.size())},
                  y.data());
      std::size_t at = 0;
      for (const std::int32_t stop : stops) {
        for (std::int32_t c = 0; c < columns; ++c) {
          for (std::int32_t i = 0; i < kBlock; ++i, ++at) {
            Sum sum;
            for (std::int32_t k = 0; k < stop * kBlock; ++k) {
              sum.Add(std::fabs(static_cast<long double>(
                          panel[static_cast<std::size_t>(k * kBlock + i)])) *
                      x[static_cast<std::size_t>(c * kStride + k)]);
            }
            ASSERT_TRUE(sum.Matches(y[at])) << columns << " columns, stop " << stop << ", column "
                                            << c << ", row " << i << ": " << y[at];
          }
        }
      }
    }
  });
}

// Sums over all row blocks of y [block][stops][columns][16] in the order of AddFlowSums.
std::vector<Sum> PlainFlowSums(const std::vector<Aligned<double>> &y,
                               const std::vector<Aligned<double>> &outflow, std::int32_t stops,
                               std::int32_t columns, bool perturbed) {
  std::vector<Sum> sums(static_cast<std::size_t>(stops * FlowSumCount(columns, perturbed)));
  for (std::size_t block = 0; block < y.size(); ++block) {
    std::size_t first = 0;
    std::size_t at = 0;
    for (std::int32_t s = 0; s < stops;
         ++s, first += static_cast<std::size_t>(FlowSumCount(columns, perturbed))) {
      for (std::int32_t c = 0; c < columns; ++c) {
        const bool plain = !perturbed || c < columns - kPerturbedColumns;
        const std::size_t flow = plain ? static_cast<std::size_t>(c)
                                       : static_cast<std::size_t>(columns - kPerturbedColumns);
        for (std::size_t i = 0; i < kBlock; ++i, ++at) {
          const long double entry = y[block][at];
          sums[first + flow].Add(entry * outflow[block][i]);
          if (!plain) sums[first + flow + 1].Add(entry * entry);
        }
      }
    }
  }
  return sums;
}

TEST(FlowSums, EqualPlainLoopsOverSeveralRowBlocks) {
  constexpr std::int32_t kStops = 3;
  constexpr std::size_t kBlocks = 5;
  struct Case {
    std::int32_t columns;
    bool perturbed;
  };
  test::ForEachTarget([&] {
    for (const Case shape : {Case{1, false}, Case{2, false}, Case{5, true}, Case{8, true},
                             Case{kMaxFlowColumns, true}}) {
      SCOPED_TRACE(shape.columns);
      const auto count = static_cast<std::size_t>(FlowSumCount(shape.columns, shape.perturbed));
      std::vector<Aligned<double>> y;
      std::vector<Aligned<double>> outflow;
      Aligned<double> running(kStops * count * kSumParts);
      for (std::size_t block = 0; block < kBlocks; ++block) {
        y.push_back(
            Draw<double>(kStops * static_cast<std::size_t>(shape.columns) * kBlock, 10 + block));
        outflow.push_back(Draw<double>(kBlock, 20 + block));
        AddFlowSums(y[block].data(), kStops, shape.columns, shape.perturbed, outflow[block].data(),
                    running.data());
      }
      std::vector<double> sums(kStops * count);
      ReadFlowSums(running.data(), static_cast<std::int64_t>(sums.size()), sums.data());
      const std::vector<Sum> plain =
          PlainFlowSums(y, outflow, kStops, shape.columns, shape.perturbed);
      ASSERT_EQ(plain.size(), sums.size());
      for (std::size_t n = 0; n < sums.size(); ++n) {
        ASSERT_TRUE(plain[n].Matches(sums[n])) << "sum " << n << ": " << sums[n];
      }
    }
  });
}

TEST(SquaredSums, EqualPlainLoopsAndAddUp) {
  const std::vector<std::int32_t> stops = {1, 3, 4};
  const Aligned<float> panel = Draw<float>(4 * kBlock * kBlock, 3);
  test::ForEachTarget([&] {
    std::vector<double> sums = {100.0, 200.0, 300.0};
    AddSquaredSums(panel.data(),
                   {.blocks = stops.data(), .count = static_cast<std::int32_t>(stops.size())},
                   sums.data());
    for (std::size_t s = 0; s < stops.size(); ++s) {
      Sum sum;
      sum.Add(100.0 * static_cast<double>(s + 1));
      for (std::size_t at = 0; at < static_cast<std::size_t>(stops[s] * kBlock * kBlock); ++at) {
        sum.Add(static_cast<long double>(panel[at]) * panel[at]);
      }
      EXPECT_TRUE(sum.Matches(sums[s])) << sums[s];
    }
  });
}

}  // namespace
}  // namespace trails::kernels
