// DirectScore against hand calculation, differences of plain double loops, and its stated edges.
// The golden program compares it with the published numbers.
#include "core/tfmem/direct.h"

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include "core/filtering/trie_pass.h"
#include "core/random.h"
#include "core/tfmem/integer_determinant.h"
#include "trails/error.h"

namespace trails {
namespace {

constexpr Tfmem kOfGradients[] = {Tfmem::kGradNorm, Tfmem::kGradPlain, Tfmem::kNtkCondNum,
                                  Tfmem::kNtkTrace, Tfmem::kFisher,    Tfmem::kNtkTraceApprox,
                                  Tfmem::kGrasp,    Tfmem::kSnip};

// Rows with normal inputs; regression for outputs = 1.
ScoringBatch DrawBatch(std::int32_t rows, std::int32_t inputs, std::int32_t outputs,
                       std::uint64_t seed) {
  RandomStream stream(seed);
  ScoringBatch batch;
  batch.rows = rows;
  batch.inputs = inputs;
  batch.outputs = outputs;
  batch.regression = outputs == 1;
  for (std::int32_t i = 0; i < rows * inputs; ++i) {
    batch.x.push_back(static_cast<float>(stream.Normal()));
  }
  for (std::int32_t row = 0; row < rows; ++row) {
    if (batch.regression) batch.targets.push_back(static_cast<float>(stream.Normal()));
    if (!batch.regression) batch.labels.push_back(static_cast<std::int32_t>(stream.Below(outputs)));
  }
  return batch;
}

double Score(Tfmem tfmem, const InitialWeights &weights, const ScoringBatch &batch,
             bool batch_norm = true, bool double_precision = true) {
  DirectOptions options;
  options.batch_norm = batch_norm;
  options.double_precision = double_precision;
  return DirectScore(tfmem, weights, batch, options);
}

class DirectScoreTest : public testing::Test {
 protected:
  // As in the engine: networks this small gain nothing from more threads.
  static void SetUpTestSuite() { at::set_num_threads(1); }
};

TEST_F(DirectScoreTest, OfOneUnitByHand) {
  // x = 2, a_1 = 7, f = -13.5, target 1: dL/df = -29, g_2 = -203, d_1 = 58, g_1 = 116.
  const InitialWeights weights{{1, 1, 1}, {{3.0f}, {-2.0f}}, {{1.0f}, {0.5f}}};
  const ScoringBatch batch{1, 1, 1, true, {2.0f}, {}, {1.0f}};
  EXPECT_DOUBLE_EQ(Score(Tfmem::kGradNorm, weights, batch, false), 116 + 203);
  EXPECT_DOUBLE_EQ(Score(Tfmem::kGradPlain, weights, batch, false), 3 * 116 + 2 * 203);
  EXPECT_DOUBLE_EQ(Score(Tfmem::kSnip, weights, batch, false), 3 * 116 + 2 * 203);
  EXPECT_DOUBLE_EQ(Score(Tfmem::kFisher, weights, batch, false),
                   0.5 * (7 * 58) * (7 * 58) + 0.5 * (13.5 * 29) * (13.5 * 29));
  EXPECT_DOUBLE_EQ(Score(Tfmem::kNtkTraceApprox, weights, batch, false),
                   (116.0 * 116 + 58 * 58 + 203 * 203 + 29 * 29) / 4);
  // D_1 = -2, D_2 = 1: T = 4 (4 + 1) + 1 (49 + 1).
  EXPECT_DOUBLE_EQ(Score(Tfmem::kNtkTrace, weights, batch, false), std::sqrt(70.0));
  EXPECT_DOUBLE_EQ(Score(Tfmem::kNtkCondNum, weights, batch, false), 1);
  // H = [[32, -114], [-114, 98]] of L(W_1, W_2) = (W_2 (2 W_1 + 1) - 0.5)^2.
  EXPECT_DOUBLE_EQ(Score(Tfmem::kGrasp, weights, batch, false), -(3 * 26854.0 + 2 * 33118.0));
}

// The loss of direct.h in plain loops, for differences.
double PlainLoss(const InitialWeights &weights, const ScoringBatch &batch, bool batch_norm) {
  std::vector<std::vector<double>> rows;
  for (std::int32_t row = 0; row < batch.rows; ++row) {
    const auto first = batch.x.begin() + row * batch.inputs;
    rows.emplace_back(first, first + batch.inputs);
  }
  for (std::size_t layer = 0; layer < weights.weight.size(); ++layer) {
    const std::vector<double> &bias = weights.bias[layer];
    for (std::vector<double> &row : rows) {
      std::vector<double> next(bias.begin(), bias.end());
      for (std::size_t i = 0; i < next.size() * row.size(); ++i) {
        next[i / row.size()] += weights.weight[layer][i] * row[i % row.size()];
      }
      row = std::move(next);
    }
    if (layer + 1 == weights.weight.size()) break;
    for (std::size_t unit = 0; unit < bias.size(); ++unit) {
      double mean = 0, variance = 0;
      for (const auto &row : rows) mean += row[unit] / batch.rows;
      for (const auto &row : rows) {
        variance += (row[unit] - mean) * (row[unit] - mean) / batch.rows;
      }
      for (auto &row : rows) {
        if (batch_norm) row[unit] = (row[unit] - mean) / std::sqrt(variance + 1e-5);
        row[unit] = std::max(row[unit], 0.0);
      }
    }
  }
  double loss = 0;
  for (std::size_t n = 0; n < rows.size(); ++n) {
    if (batch.regression) {
      loss += std::pow(rows[n][0] - static_cast<double>(batch.targets[n]), 2);
    } else {
      double sum = 0;
      for (const double logit : rows[n]) sum += std::exp(logit);
      loss += std::log(sum) - rows[n][static_cast<std::size_t>(batch.labels[n])];
    }
  }
  return loss / batch.rows;
}

// [layer] dL/dW_l by central differences.
std::vector<std::vector<double>> Differences(InitialWeights weights, const ScoringBatch &batch,
                                             bool batch_norm) {
  std::vector<std::vector<double>> gradients;
  for (std::vector<double> &layer : weights.weight) {
    gradients.emplace_back();
    for (double &weight : layer) {
      const double kept = weight;
      weight = kept + 1e-4;
      const double step_up = weight - kept;
      const double up = PlainLoss(weights, batch, batch_norm);
      weight = kept - 1e-4;
      const double step_down = kept - weight;
      const double down = PlainLoss(weights, batch, batch_norm);
      weight = kept;
      gradients.back().push_back((up - down) / (step_up + step_down));
    }
  }
  return gradients;
}

TEST_F(DirectScoreTest, FollowsTheDifferencesOfThePlainLoss) {
  for (const std::int32_t outputs : {1, 3}) {
    for (const bool batch_norm : {true, false}) {
      const InitialWeights weights = DrawWeights({5, 4}, 3, outputs, 17);
      const ScoringBatch batch = DrawBatch(12, 3, outputs, 23);
      double norm = 0, plain = 0, snip = 0;
      const auto gradients = Differences(weights, batch, batch_norm);
      for (std::size_t layer = 0; layer < gradients.size(); ++layer) {
        double squares = 0;
        for (std::size_t i = 0; i < gradients[layer].size(); ++i) {
          const double product = weights.weight[layer][i] * gradients[layer][i];
          squares += gradients[layer][i] * gradients[layer][i];
          plain += product;
          snip += std::fabs(product);
        }
        norm += std::sqrt(squares);
      }
      EXPECT_NEAR(Score(Tfmem::kGradNorm, weights, batch, batch_norm), norm, 1e-5 * norm);
      EXPECT_NEAR(Score(Tfmem::kSnip, weights, batch, batch_norm), snip, 1e-5 * snip);
      EXPECT_NEAR(Score(Tfmem::kGradPlain, weights, batch, batch_norm), plain, 1e-5 * snip);
    }
  }
}

TEST_F(DirectScoreTest, NasWotByHand) {
  // Patterns 11, 10, 01 without batch normalisation: K = 2 on the diagonal, 1 1 0 beside it.
  const InitialWeights weights{{2, 2, 1}, {{1, 0, 0, 1}, {1, 1}}, {{0, 0}, {0}}};
  const ScoringBatch batch{3, 2, 1, true, {1, 1, 1, -1, -1, 1}, {}, {0, 0, 0}};
  EXPECT_NEAR(Score(Tfmem::kNasWotPlain, weights, batch), std::log(2 * 4 - 2 - 2), 1e-15);
  // A pre-activation of 0 is not active: the third row is now 01 as well as the fourth.
  const ScoringBatch tied{4, 2, 1, true, {1, 1, 1, -1, -1, 1, 0, 1}, {}, {0, 0, 0, 0}};
  EXPECT_EQ(Score(Tfmem::kNasWotPlain, weights, tied), kInvalidScore);
}

TEST_F(DirectScoreTest, FlowsFollowTheirPlainForms) {
  for (const HiddenWidths &hidden : {HiddenWidths{7}, HiddenWidths{9, 3, 6, 2}}) {
    const InitialWeights weights = DrawWeights(hidden, 10, 3, 5);
    EXPECT_NEAR(Score(Tfmem::kSynflow, weights, {}) / Synflow(weights), 1, 1e-13);
    EXPECT_NEAR(Score(Tfmem::kWeightNorm, weights, {}) / WeightNorm(weights), 1, 1e-14);
  }
}

TEST_F(DirectScoreTest, ExpressFlowByHand) {
  // One row of ones moves by z: h_1 = |W_1| 1 + |b_1| = 3.5, dR/dh_1 = 4, len_1 = ||W_1 z||.
  const InitialWeights weights{{2, 1, 1}, {{-1, 2}, {-4}}, {{0.5f}, {9}}};
  DirectOptions options;
  options.perturbation = {1, 0, 0, 1, 1, 1, -1, 0};
  const double expected = 4 * (4 * 3.5 + 1e-5 * (1 + 2 + 3 - 1));  // one layer: its weight is 1
  EXPECT_NEAR(DirectScore(Tfmem::kExpressFlow, weights, {}, options) / expected, 1, 1e-12);
  options.perturbation.pop_back();
  EXPECT_THROW(DirectScore(Tfmem::kExpressFlow, weights, {}, options), Error);
}

TEST_F(DirectScoreTest, ExpressFlowDrawsItsPerturbationBySeed) {
  const InitialWeights weights = DrawWeights({8, 4}, 10, 2, 5);
  DirectOptions drawn, given, other;
  drawn.perturbation_seed = 3;
  other.perturbation_seed = 4;
  given.perturbation = DrawPerturbation(10, 3);
  const double score = DirectScore(Tfmem::kExpressFlow, weights, {}, drawn);
  EXPECT_EQ(score, DirectScore(Tfmem::kExpressFlow, weights, {}, given));
  EXPECT_NE(score, DirectScore(Tfmem::kExpressFlow, weights, {}, other));
}

TEST_F(DirectScoreTest, TakesAnyDepthAndNumberOfOutputs) {
  for (const std::int32_t outputs : {1, 2, 1000}) {
    for (const HiddenWidths &hidden : {HiddenWidths{24}, HiddenWidths(8, 12)}) {
      const InitialWeights weights = DrawWeights(hidden, 9, outputs, 2);
      const ScoringBatch batch = DrawBatch(200, 9, outputs, 8);
      const ScoringBatch few = DrawBatch(6, 9, outputs, 8);
      for (std::size_t i = 0; i < kTfmems; ++i) {
        const auto tfmem = static_cast<Tfmem>(i);
        const bool of_few =
            tfmem == Tfmem::kNasWot || tfmem == Tfmem::kNasWotPlain || tfmem == Tfmem::kNtkCondNum;
        const double score = Score(tfmem, weights, of_few ? few : batch);
        if (tfmem == Tfmem::kJacflow) {
          EXPECT_EQ(score, kInvalidScore);
        } else {
          EXPECT_TRUE(std::isfinite(score)) << Name(tfmem) << ' ' << outputs;
          EXPECT_NE(score, 0) << Name(tfmem) << ' ' << outputs;
        }
      }
    }
  }
}

TEST_F(DirectScoreTest, HasNoValueWhereRowsDoNotDiffer) {
  const InitialWeights weights = DrawWeights({8, 6}, 5, 2, 2);
  ScoringBatch batch = DrawBatch(7, 5, 2, 8);
  for (std::size_t i = 5; i < batch.x.size(); ++i) batch.x[i] = batch.x[i - 5];
  for (const Tfmem tfmem : kOfGradients) {
    EXPECT_EQ(Score(tfmem, weights, batch), kInvalidScore) << Name(tfmem);
    // Without batch normalisation the gradients have a value, but T has rank 2 at most.
    EXPECT_EQ(Score(tfmem, weights, batch, false) == kInvalidScore, tfmem == Tfmem::kNtkCondNum)
        << Name(tfmem);
  }
  EXPECT_EQ(Score(Tfmem::kNasWot, weights, batch), kInvalidScore);
  EXPECT_EQ(Score(Tfmem::kNasWotPlain, weights, batch), kInvalidScore);
  EXPECT_EQ(Score(Tfmem::kGradNorm, weights, DrawBatch(1, 5, 2, 8)), kInvalidScore);
  EXPECT_NE(Score(Tfmem::kGradNorm, weights, DrawBatch(2, 5, 2, 8)), kInvalidScore);
}

TEST_F(DirectScoreTest, OfADeadLayerIsZero) {
  InitialWeights weights = DrawWeights({8, 6}, 5, 2, 2);
  std::fill(weights.weight[1].begin(), weights.weight[1].end(), 0.0f);
  std::fill(weights.bias[1].begin(), weights.bias[1].end(), -1.0f);
  const ScoringBatch batch = DrawBatch(7, 5, 2, 8);
  for (const Tfmem tfmem : {Tfmem::kGradNorm, Tfmem::kSnip, Tfmem::kGrasp, Tfmem::kGradPlain}) {
    EXPECT_EQ(Score(tfmem, weights, batch), 0) << Name(tfmem);
  }
  EXPECT_DOUBLE_EQ(Score(Tfmem::kNtkTrace, weights, batch), 1);
  EXPECT_EQ(Score(Tfmem::kNtkCondNum, weights, batch), kInvalidScore);
}

TEST_F(DirectScoreTest, HasNoValueWhereNothingIsFinite) {
  InitialWeights weights = DrawWeights({8, 6}, 5, 2, 2);
  weights.weight[1][3] = std::numeric_limits<float>::quiet_NaN();
  const ScoringBatch batch = DrawBatch(7, 5, 2, 8);
  for (const Tfmem tfmem : kOfGradients) {
    EXPECT_EQ(Score(tfmem, weights, batch), kInvalidScore) << Name(tfmem);
  }
  for (const Tfmem tfmem : {Tfmem::kSynflow, Tfmem::kWeightNorm, Tfmem::kExpressFlow}) {
    EXPECT_EQ(Score(tfmem, weights, batch), kInvalidScore) << Name(tfmem);
  }
}

TEST_F(DirectScoreTest, KnasNeedsItsRows) {
  const InitialWeights weights = DrawWeights({8, 10}, 12, 2, 2);
  EXPECT_EQ(Score(Tfmem::kKnas, weights, DrawBatch(199, 12, 2, 8)), kInvalidScore);
  ScoringBatch batch = DrawBatch(200, 12, 2, 8);
  EXPECT_TRUE(std::isfinite(Score(Tfmem::kKnas, weights, batch)));
  // Rows 100 to 103, one mini-batch, are made equal.
  for (std::size_t i = 101 * 12; i < 104 * 12; ++i) batch.x[i] = batch.x[i - 12];
  EXPECT_EQ(Score(Tfmem::kKnas, weights, batch), kInvalidScore);
  EXPECT_TRUE(std::isfinite(Score(Tfmem::kKnas, weights, batch, false)));
  // No tensor has 50 entries.
  EXPECT_EQ(Score(Tfmem::kKnas, DrawWeights({7, 7}, 7, 2, 2), DrawBatch(200, 7, 2, 8)),
            kInvalidScore);
}

TEST_F(DirectScoreTest, InFloatIsNearTheScoreInDouble) {
  const InitialWeights weights = DrawWeights({16, 8}, 10, 3, 2);
  const ScoringBatch batch = DrawBatch(24, 10, 3, 8);
  for (const Tfmem tfmem : {Tfmem::kGradNorm, Tfmem::kSnip, Tfmem::kFisher, Tfmem::kNtkTrace,
                            Tfmem::kSynflow, Tfmem::kExpressFlow}) {
    const double exact = Score(tfmem, weights, batch, true, true);
    const double rounded = Score(tfmem, weights, batch, true, false);
    EXPECT_NEAR(rounded / exact, 1, 1e-5) << Name(tfmem);
    EXPECT_NE(rounded, exact) << Name(tfmem);  // else the precision was not looked at
  }
}

TEST_F(DirectScoreTest, IsTheSameInThreadsAndInferenceMode) {
  const InitialWeights weights = DrawWeights({16, 8}, 10, 3, 2);
  const ScoringBatch batch = DrawBatch(24, 10, 3, 8);
  const double alone = Score(Tfmem::kGrasp, weights, batch);
  std::vector<double> scores(4);
  {
    std::vector<std::jthread> threads;
    for (double &score : scores) {
      threads.emplace_back([&] {
        const c10::InferenceMode inference;
        score = Score(Tfmem::kGrasp, weights, batch);
      });
    }
  }
  EXPECT_EQ(scores, std::vector<double>(4, alone));
}

TEST_F(DirectScoreTest, RefusesABatchThatDoesNotFit) {
  const InitialWeights weights = DrawWeights({8}, 5, 2, 2);
  EXPECT_THROW(Score(Tfmem::kGradNorm, weights, {}), Error);
  EXPECT_THROW(Score(Tfmem::kGradNorm, weights, DrawBatch(7, 6, 2, 8)), Error);
  EXPECT_THROW(Score(Tfmem::kNasWot, weights, DrawBatch(7, 5, 3, 8)), Error);
  ScoringBatch short_of_labels = DrawBatch(7, 5, 2, 8);
  short_of_labels.labels.pop_back();
  EXPECT_THROW(Score(Tfmem::kGradNorm, weights, short_of_labels), Error);
}

TEST_F(DirectScoreTest, OfAClosedFormIsTheClosedForm) {
  const InitialWeights weights = DrawWeights({8, 4}, 5, 2, 2);
  DirectOptions options;
  options.perturbation_seed = 77;
  for (std::size_t i = 0; i < kTfmems; ++i) {
    const auto tfmem = static_cast<Tfmem>(i);
    if (Traits(tfmem).cost != TfmemCost::kClosedForm) continue;
    EXPECT_EQ(DirectScore(tfmem, weights, {}, options), ClosedFormScore(tfmem, {8, 4}, 5, 2, 77));
  }
}

TEST(LogDeterminant, OfSingularGramMatricesIsNone) {
  // Gram matrices A A' of n vectors in n - 1 dimensions. Their floating-point determinants are
  // rounding noise, mostly not 0.
  RandomStream stream(5);
  for (const std::int64_t n : {2, 5, 16, 32, 64}) {
    std::vector<std::int64_t> vectors(static_cast<std::size_t>(n * (n - 1)));
    for (std::int64_t &entry : vectors) entry = stream.Below(200) - 100;
    const auto gram = [&](std::int64_t extra) {
      std::vector<std::int64_t> matrix;
      for (std::int64_t i = 0; i < n * n; ++i) {
        const auto a = vectors.begin() + (i / n) * (n - 1), b = vectors.begin() + (i % n) * (n - 1);
        matrix.push_back(std::inner_product(a, a + (n - 1), b, std::int64_t{0}));
      }
      matrix[0] += extra;  // the first vector gets an entry of its own
      return matrix;
    };
    EXPECT_FALSE(LogDeterminant(gram(0), n).has_value()) << n;
    EXPECT_TRUE(LogDeterminant(gram(1), n).has_value()) << n;
  }
}

TEST(LogDeterminant, TellsNearlySingularFromSingular) {
  // Consecutive Fibonacci numbers: F(n+1) F(n-1) - F(n)^2 = 1 for even n, condition number 10^17.
  std::int64_t before = 0, number = 1, after = 1;
  for (int n = 1; n < 40; ++n) {
    before = std::exchange(number, after);
    after = before + number;
  }
  const auto log = LogDeterminant({after, number, number, before}, 2);
  ASSERT_TRUE(log.has_value());
  EXPECT_NEAR(*log, 0, 0.1);
  EXPECT_FALSE(LogDeterminant({after, after, after, after}, 2).has_value());
}

TEST(LogDeterminant, ByHand) {
  EXPECT_NEAR(*LogDeterminant({4, 1, 2, 1, 5, 3, 2, 3, 6}, 3), std::log(70.0), 1e-15);
  EXPECT_FALSE(IsSingular({0, 1, 1, 0}, 2));  // a pivot of 0 that a row swap cures
  EXPECT_TRUE(IsSingular({-3, 6, 6, -12}, 2));
}

}  // namespace
}  // namespace trails
