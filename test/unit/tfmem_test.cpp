// TFMEMs against the definitions they are closed forms of, and against the expectations of their
// distributions and simulations. The golden program compares single nets with the published
// numbers.
#include "core/filtering/tfmem.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include "core/random.h"
#include "trails/error.h"

namespace trails {
namespace {

// SynFlow's R: four rows of ones through |W|, |b| with ReLU, all outputs of all rows added.
double SumOfOutputs(const InitialWeights &weights) {
  double sum = 0;
  for (int row = 0; row < kOnesRows; ++row) {
    std::vector<double> input(static_cast<std::size_t>(weights.dims[0]), 1.0);
    for (std::size_t layer = 0; layer < weights.weight.size(); ++layer) {
      std::vector<double> output(weights.bias[layer].size());
      for (std::size_t unit = 0; unit < output.size(); ++unit) {
        output[unit] = std::fabs(weights.bias[layer][unit]);
        for (std::size_t i = 0; i < input.size(); ++i) {
          output[unit] += std::fabs(weights.weight[layer][unit * input.size() + i]) * input[i];
        }
        if (layer + 1 < weights.weight.size()) output[unit] = std::max(output[unit], 0.0);
      }
      input = std::move(output);
    }
    for (const double output : input) sum += output;
  }
  return sum;
}

// sum over all weights of |w dR/dw|, each derivative as a difference of two forward passes: R is
// linear in every single |w|, so |w| dR/d|w| is R(w) - R(0) without truncation error.
double SynflowBySilencingEachWeight(InitialWeights weights) {
  double score = 0;
  const double whole = SumOfOutputs(weights);
  for (std::vector<double> &layer : weights.weight) {
    for (double &weight : layer) {
      const double kept = std::exchange(weight, 0.0);
      score += std::fabs(whole - SumOfOutputs(weights));
      weight = kept;
    }
  }
  return score;
}

TEST(Synflow, EqualsItsDefinition) {
  for (const HiddenWidths &hidden :
       {HiddenWidths{3}, HiddenWidths{8, 5}, HiddenWidths{4, 9, 2, 6}, HiddenWidths{1, 1, 1}}) {
    for (const std::int32_t outputs : {1, 3}) {
      const InitialWeights weights = DrawWeights(hidden, 11, outputs, 7);
      const double expected = SynflowBySilencingEachWeight(weights);
      EXPECT_NEAR(Synflow(weights) / expected, 1, 1e-11) << ArchitectureName(hidden);
    }
  }
}

TEST(Synflow, ByHand) {
  // R = 4 (2 (3 + 5) + 1): the first layer's weight carries 6 of it a row, the second's 16.
  const InitialWeights weights{{1, 1, 1}, {{-3.0}, {2.0}}, {{5.0}, {-1.0}}};
  EXPECT_EQ(SumOfOutputs(weights), 4 * 17);
  EXPECT_EQ(Synflow(weights), 4 * (6 + 16));
}

TEST(Synflow, SilentUnitsCarryOnlyTheirBias) {
  InitialWeights weights = DrawWeights({6, 4}, 5, 2, 3);
  for (std::size_t i = 0; i < 5; ++i) weights.weight[0][i] = 0;
  weights.bias[0][0] = -1;
  EXPECT_NEAR(Synflow(weights) / SynflowBySilencingEachWeight(weights), 1, 1e-11);
}

TEST(WeightNorm, ByHand) {
  const InitialWeights weights{{2, 1, 1}, {{3.0, -4.0}, {-2.0}}, {{9.0}, {9.0}}};
  EXPECT_EQ(WeightNorm(weights), 5 + 2);
}

TEST(DrawWeights, KeepsToItsBoundsAndShapes) {
  const InitialWeights weights = DrawWeights({7, 20}, 33, 3, 42);
  ASSERT_EQ(weights.dims, (std::vector<std::int32_t>{33, 7, 20, 3}));
  for (std::size_t layer = 0; layer < 3; ++layer) {
    const auto in = static_cast<std::size_t>(weights.dims[layer]);
    const auto out = static_cast<std::size_t>(weights.dims[layer + 1]);
    ASSERT_EQ(weights.weight[layer].size(), in * out);
    ASSERT_EQ(weights.bias[layer].size(), out);
    RandomStream stream(42 * 1000 + 11 + layer);
    EXPECT_EQ(weights.weight[layer][0], stream.Symmetric(std::sqrt(6.0 / weights.dims[layer])));
    for (const double weight : weights.weight[layer]) {
      EXPECT_LE(std::fabs(weight), static_cast<float>(std::sqrt(6.0 / weights.dims[layer])));
    }
    for (const double bias : weights.bias[layer]) {
      EXPECT_LE(std::fabs(bias), static_cast<float>(1 / std::sqrt(weights.dims[layer])));
    }
  }
}

TEST(DrawPerturbation, IsNearlyNormal) {
  const std::vector<float> perturbation = DrawPerturbation(2500, 3);
  ASSERT_EQ(perturbation.size(), 10'000u);
  EXPECT_EQ(perturbation, DrawPerturbation(2500, 3));
  EXPECT_NE(perturbation, DrawPerturbation(2500, 4));
  double sum = 0, squares = 0;
  for (const float entry : perturbation) {
    ASSERT_LT(std::fabs(entry), 6);
    sum += entry;
    squares += static_cast<double>(entry) * entry;
  }
  EXPECT_NEAR(sum / 1e4, 0, 4 / std::sqrt(1e4));
  EXPECT_NEAR(squares / 1e4, 1, 4 * std::sqrt(2 / 1e4));
}

TEST(DrawnWeights, HaveThePublishedExpectation) {
  // 100 inputs, 8-16-32-64, 2 outputs. SynFlow: 5.64e5 in closed form, 5.3e4 standard deviation
  // (published: 5.66e5 over 20 seeds). weight_norm: the sum of sqrt(2 width) and 2, 30.97, with a
  // variance of 0.4 / fan_in a layer (published: 30.92 over 20 seeds, one deviation below).
  constexpr int kSeeds = 400;
  double synflow = 0, synflow_squares = 0, weight_norm = 0;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const InitialWeights weights = DrawWeights({8, 16, 32, 64}, 100, 2, seed);
    const double score = Synflow(weights);
    synflow += score / kSeeds;
    synflow_squares += score * score / kSeeds;
    weight_norm += WeightNorm(weights) / kSeeds;
  }
  EXPECT_NEAR(synflow, 5.64e5, 4 * 5.3e4 / std::sqrt(kSeeds));
  EXPECT_NEAR(std::sqrt(synflow_squares - synflow * synflow), 5.3e4, 1e4);
  EXPECT_NEAR(weight_norm, 30.97, 4 * 0.3126 / std::sqrt(kSeeds));
  EXPECT_NEAR(weight_norm, 30.92, 2 * 0.3126 / std::sqrt(20));
}

TEST(DrawnWeights, OfAWideNetHaveThePublishedExpectation) {
  double synflow = 0, weight_norm = 0;
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    const InitialWeights weights = DrawWeights({512, 512, 512, 512}, 100, 2, seed);
    synflow += Synflow(weights) / 3;
    weight_norm += WeightNorm(weights) / 3;
  }
  EXPECT_NEAR(synflow, 2.90e8, 1.0e7);
  EXPECT_NEAR(weight_norm, 130.01, 0.1);
}

TEST(ClosedFormScore, OfThePublishedNets) {
  const HiddenWidths hidden{8, 16, 32, 64};
  EXPECT_EQ(ClosedFormScore(Tfmem::kParams, hidden, 100, 2, 0),
            static_cast<double>(CountParameters(hidden, 100, 2)));
  EXPECT_EQ(ClosedFormScore(Tfmem::kFlops, hidden, 100, 2, 0),
            2 * (100 * 8 + 8 * 16 + 16 * 32 + 32 * 64 + 64 * 2));
  EXPECT_NEAR(ClosedFormScore(Tfmem::kExpectedSynflow, hidden, 100, 2, 0), 5.64e5, 0.01e5);
  EXPECT_NEAR(ClosedFormScore(Tfmem::kExpectedWeightNorm, hidden, 100, 2, 0), 30.97, 0.005);
  EXPECT_NEAR(ClosedFormScore(Tfmem::kExpectedSynflow, HiddenWidths(4, 384), 390, 2, 0), 3.210e8,
              0.001e8);
  EXPECT_NEAR(ClosedFormScore(Tfmem::kExpectedWeightNorm, HiddenWidths(4, 384), 390, 2, 0), 112.85,
              0.005);
}

// [layer] the squared length of the perturbation of four rows after each hidden layer.
std::vector<double> SquaredLengths(const InitialWeights &weights,
                                   const std::vector<float> &perturbation) {
  std::vector<double> squares(weights.weight.size() - 1);
  const auto inputs = static_cast<std::size_t>(weights.dims[0]);
  for (std::size_t row = 0; row < kOnesRows; ++row) {
    std::vector<double> from(
        perturbation.begin() + static_cast<std::ptrdiff_t>(row * inputs),
        perturbation.begin() + static_cast<std::ptrdiff_t>((row + 1) * inputs));
    for (std::size_t layer = 0; layer < squares.size(); ++layer) {
      std::vector<double> to(weights.bias[layer].size());
      for (std::size_t unit = 0; unit < to.size(); ++unit) {
        for (std::size_t i = 0; i < from.size(); ++i) {
          to[unit] += std::fabs(weights.weight[layer][unit * from.size() + i]) * from[i];
        }
        squares[layer] += to[unit] * to[unit];
      }
      from = std::move(to);
    }
  }
  return squares;
}

// 4 outputs prod sqrt(1.5 w_l) sum_l (w_l / len_l) / sum_l (1 / len_l), with simulated lengths.
double ExpressFlowOfSimulatedLengths(const HiddenWidths &hidden, std::int32_t inputs,
                                     std::int32_t outputs) {
  constexpr int kSeeds = 3000;
  std::vector<double> squares(hidden.size());
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const auto drawn =
        SquaredLengths(DrawWeights(hidden, inputs, outputs, seed), DrawPerturbation(inputs, seed));
    for (std::size_t l = 0; l < squares.size(); ++l) squares[l] += drawn[l] / kSeeds;
  }
  double flow = kOnesRows * outputs * std::sqrt(1.5 * inputs), weighted = 0, total = 0;
  for (std::size_t l = 0; l < squares.size(); ++l) {
    flow *= std::sqrt(1.5 * hidden[l]);
    weighted += hidden[l] / std::sqrt(squares[l]);
    total += 1 / std::sqrt(squares[l]);
  }
  return flow * weighted / total;
}

TEST(ClosedFormScore, ExpectedExpressFlowFollowsItsRecursion) {
  for (const HiddenWidths &hidden :
       {HiddenWidths{16}, HiddenWidths{8, 16, 32, 64}, HiddenWidths{4, 3, 20}}) {
    const double simulated = ExpressFlowOfSimulatedLengths(hidden, 20, 3);
    const double expected = ClosedFormScore(Tfmem::kExpectedExpressFlow, hidden, 20, 3, 0);
    EXPECT_NEAR(expected / simulated, 1, 0.03) << ArchitectureName(hidden);
  }
}

TEST(ClosedFormScore, ExpectedExpressFlowIsNearThePublishedMeans) {
  // Means over seeds. The closed form leaves the biases out and takes the root of a mean for the
  // mean of a root; both matter most for narrow networks.
  struct Published {
    HiddenWidths hidden;
    std::int32_t inputs;
    double mean, tolerance;
  };
  for (const Published &each : {Published{{8, 16, 32, 64}, 100, 1.17e6, 0.15},
                                Published{{512, 512, 512, 512}, 100, 2.98e10, 0.03},
                                Published{{64, 128, 64, 32}, 430, 1.30e8, 0.08},
                                Published{{384, 384, 384, 384}, 390, 2.47e10, 0.03},
                                Published{{144, 16, 176, 48}, 390, 2.29e8, 0.10}}) {
    const double expected =
        ClosedFormScore(Tfmem::kExpectedExpressFlow, each.hidden, each.inputs, 2, 0);
    EXPECT_NEAR(expected / each.mean, 1, each.tolerance) << ArchitectureName(each.hidden);
  }
}

TEST(ClosedFormScore, RandomIsAFunctionOfSeedAndWidths) {
  std::set<double> seen;
  double sum = 0;
  for (std::int32_t a = 1; a <= 20; ++a) {
    for (std::int32_t b = 1; b <= 20; ++b) {
      for (std::uint64_t seed = 0; seed < 5; ++seed) {
        const double score = ClosedFormScore(Tfmem::kRandom, {a, b}, 10, 2, seed);
        ASSERT_GE(score, 0);
        ASSERT_LT(score, 1);
        ASSERT_EQ(score, ClosedFormScore(Tfmem::kRandom, {a, b}, 99, 1, seed));
        seen.insert(score);
        sum += score;
      }
    }
  }
  EXPECT_EQ(seen.size(), 2000u);
  EXPECT_NEAR(sum / 2000, 0.5, 4 * std::sqrt(1.0 / 12 / 2000));
}

TEST(ClosedFormScore, RefusesWhatLooksAtWeights) {
  for (std::size_t i = 0; i < kTfmems; ++i) {
    const auto tfmem = static_cast<Tfmem>(i);
    if (Traits(tfmem).cost == TfmemCost::kClosedForm) {
      EXPECT_GE(ClosedFormScore(tfmem, {8, 8}, 10, 1, 5), 0) << Name(tfmem);
    } else {
      EXPECT_THROW(ClosedFormScore(tfmem, {8, 8}, 10, 1, 5), Error) << Name(tfmem);
    }
  }
}

}  // namespace
}  // namespace trails
