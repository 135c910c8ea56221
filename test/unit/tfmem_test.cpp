// TFMEMs against the definitions they are closed forms of, and against the expectations of their
// distributions. The golden program compares single nets with the published numbers.
#include "core/filtering/tfmem.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <stop_token>
#include <utility>
#include <vector>

#include "core/random.h"
#include "trails/error.h"

namespace trails {
namespace {

constexpr int kOnesRows = 4;

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
          output[unit] +=
              static_cast<double>(std::fabs(weights.weight[layer][unit * input.size() + i])) *
              input[i];
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
  for (std::vector<float> &layer : weights.weight) {
    for (float &weight : layer) {
      const float kept = std::exchange(weight, 0.0f);
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
  const InitialWeights weights{{1, 1, 1}, {{-3.0f}, {2.0f}}, {{5.0f}, {-1.0f}}};
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
  const InitialWeights weights{{2, 1, 1}, {{3.0f, -4.0f}, {-2.0f}}, {{9.0f}, {9.0f}}};
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
    for (const float weight : weights.weight[layer]) {
      EXPECT_LE(std::fabs(weight), static_cast<float>(std::sqrt(6.0 / weights.dims[layer])));
    }
    for (const float bias : weights.bias[layer]) {
      EXPECT_LE(std::fabs(bias), static_cast<float>(1 / std::sqrt(weights.dims[layer])));
    }
  }
}

TEST(ScoreCandidate, EqualsTheFunctionsOverDrawnWeightsBitForBit) {
  for (const HiddenWidths &hidden : {HiddenWidths{8, 16, 32, 64}, HiddenWidths{1}, HiddenWidths{13},
                                     HiddenWidths{7, 3, 5, 11, 2, 9, 4, 6}}) {
    const InitialWeights weights = DrawWeights(hidden, 43, 2, 99);
    EXPECT_EQ(ScoreCandidate(Tfmem::kSynflow, hidden, 43, 2, 99), Synflow(weights));
    EXPECT_EQ(ScoreCandidate(Tfmem::kWeightNorm, hidden, 43, 2, 99), WeightNorm(weights));
    EXPECT_EQ(ScoreCandidate(Tfmem::kParams, hidden, 43, 2, 99),
              static_cast<double>(CountParameters(hidden, 43, 2)));
  }
}

TEST(ScoreCandidate, HasThePublishedExpectation) {
  // 100 inputs, 8-16-32-64, 2 outputs. SynFlow: 5.64e5 in closed form, 5.3e4 standard deviation
  // (published: 5.66e5 over 20 seeds). weight_norm: the sum of sqrt(2 width) and 2, 30.97, with a
  // variance of 0.4 / fan_in a layer (published: 30.92 over 20 seeds, one deviation below).
  constexpr int kSeeds = 400;
  double synflow = 0, synflow_squares = 0, weight_norm = 0;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const double score = ScoreCandidate(Tfmem::kSynflow, {8, 16, 32, 64}, 100, 2, seed);
    synflow += score / kSeeds;
    synflow_squares += score * score / kSeeds;
    weight_norm += ScoreCandidate(Tfmem::kWeightNorm, {8, 16, 32, 64}, 100, 2, seed) / kSeeds;
  }
  EXPECT_NEAR(synflow, 5.64e5, 4 * 5.3e4 / std::sqrt(kSeeds));
  EXPECT_NEAR(std::sqrt(synflow_squares - synflow * synflow), 5.3e4, 1e4);
  EXPECT_NEAR(weight_norm, 30.97, 4 * 0.3126 / std::sqrt(kSeeds));
  EXPECT_NEAR(weight_norm, 30.92, 2 * 0.3126 / std::sqrt(20));
}

TEST(ScoreCandidate, OfAWideNetHasThePublishedExpectation) {
  double synflow = 0, weight_norm = 0;
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    synflow += ScoreCandidate(Tfmem::kSynflow, {512, 512, 512, 512}, 100, 2, seed) / 3;
    weight_norm += ScoreCandidate(Tfmem::kWeightNorm, {512, 512, 512, 512}, 100, 2, seed) / 3;
  }
  EXPECT_NEAR(synflow, 2.90e8, 1.0e7);
  EXPECT_NEAR(weight_norm, 130.01, 0.1);
}

TEST(ScoreCandidate, RandomIsAFunctionOfSeedAndWidths) {
  std::set<double> seen;
  double sum = 0;
  for (std::int32_t a = 1; a <= 20; ++a) {
    for (std::int32_t b = 1; b <= 20; ++b) {
      for (std::uint64_t seed = 0; seed < 5; ++seed) {
        const double score = ScoreCandidate(Tfmem::kRandom, {a, b}, 10, 2, seed);
        ASSERT_GE(score, 0);
        ASSERT_LT(score, 1);
        ASSERT_EQ(score, ScoreCandidate(Tfmem::kRandom, {a, b}, 99, 1, seed));
        seen.insert(score);
        sum += score;
      }
    }
  }
  EXPECT_EQ(seen.size(), 2000u);
  EXPECT_NEAR(sum / 2000, 0.5, 4 * std::sqrt(1.0 / 12 / 2000));
}

TEST(ScoreCandidate, ObeysAStopInTheMiddleOfACandidate) {
  std::stop_source source;
  source.request_stop();
  for (const Tfmem tfmem : {Tfmem::kSynflow, Tfmem::kWeightNorm}) {
    try {
      ScoreCandidate(tfmem, {4096, 4096}, 10, 2, 1, source.get_token());
      FAIL();
    } catch (const Error &error) {
      EXPECT_EQ(error.kind(), ErrorKind::kCancelled);
    }
  }
}

}  // namespace
}  // namespace trails
