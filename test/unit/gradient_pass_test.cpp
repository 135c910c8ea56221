#include "core/filtering/gradient_pass.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <stop_token>

#include "built_in_spaces.h"
#include "core/random.h"
#include "forced_targets.h"
#include "gradient_reference.h"

namespace trails {
namespace {

constexpr Tfmem kAll[] = {Tfmem::kGradNorm,   Tfmem::kGradPlain,     Tfmem::kSnip,
                          Tfmem::kFisher,     Tfmem::kGrasp,         Tfmem::kNtkTrace,
                          Tfmem::kNtkCondNum, Tfmem::kNtkTraceApprox};
using Scores = std::map<Tfmem, std::vector<double>>;

struct Setting {
  SearchSpace space;
  std::int32_t inputs;
  std::int32_t outputs;  // 1: regression
  std::int32_t rows;
  std::uint64_t seed = 1;
};

ScoringBatch RandomBatch(const Setting &setting) {
  RandomStream random(setting.seed + 100);
  ScoringBatch batch;
  batch.rows = setting.rows;
  batch.inputs = setting.inputs;
  batch.outputs = setting.outputs;
  batch.regression = setting.outputs == 1;
  for (std::int32_t i = 0; i < setting.rows * setting.inputs; ++i) {
    batch.x.push_back(random.Symmetric(1));
  }
  for (std::int32_t row = 0; row < setting.rows; ++row) {
    if (batch.regression) {
      batch.targets.push_back(random.Symmetric(2));
    } else {
      batch.labels.push_back(static_cast<std::int32_t>(random.Below(setting.outputs)));
    }
  }
  return batch;
}

GradientScores Into(Scores *scores) {
  GradientScores into;
  for (auto &[tfmem, values] : *scores) *into.Find(tfmem) = values;
  return into;
}

Scores NoScores(const SearchSpace &space, std::span<const Tfmem> tfmems) {
  Scores scores;
  const auto candidates = static_cast<std::size_t>(SpaceSize(space));
  for (const Tfmem tfmem : tfmems) scores[tfmem].assign(candidates, kNotScored);
  return scores;
}

Scores ScoreAll(const Setting &setting, const WeightBank &bank, const ScoringBatch &batch,
                std::span<const Tfmem> tfmems) {
  Scores scores = NoScores(setting.space, tfmems);
  const RunControl control;
  const Interrupt interrupt(control);
  GradientPass pass(bank, setting.space, batch, Into(&scores));
  pass.Prepare(interrupt);
  const auto scratch = pass.NewScratch();
  for (std::int32_t first = 0; first < bank.grid().count(); ++first) {
    if (setting.space.min_layers == 1) pass.Score(first, -1, scratch.get(), interrupt);
    if (setting.space.max_layers == 1) continue;
    for (std::int32_t second = 0; second < bank.grid().count(); ++second) {
      pass.Score(first, second, scratch.get(), interrupt);
    }
  }
  return scores;
}

WeightBank BankOf(const Setting &setting) {
  return WeightBank(setting.space, setting.inputs, setting.outputs, setting.seed, 0, true);
}

double ValueOf(const test::ReferenceScores &scores, Tfmem tfmem) {
  switch (tfmem) {
    case Tfmem::kGradNorm: return scores.grad_norm;
    case Tfmem::kGradPlain: return scores.grad_plain;
    case Tfmem::kSnip: return scores.snip;
    case Tfmem::kFisher: return scores.fisher;
    case Tfmem::kGrasp: return scores.grasp;
    case Tfmem::kNtkTrace: return scores.ntk_trace;
    case Tfmem::kNtkCondNum: return scores.ntk_cond_num;
    default: return scores.ntk_trace_approx;
  }
}

// What an error is relative to: differences to their terms, a condition number to what rounding of
// a kernel in float makes of it.
double ScaleOf(const test::ReferenceScores &scores, Tfmem tfmem) {
  switch (tfmem) {
    case Tfmem::kGradPlain: return scores.snip;
    case Tfmem::kGrasp: return scores.grasp_terms;
    case Tfmem::kNtkCondNum: return scores.ntk_cond_num * std::max(1.0, scores.ntk_cond_num / 100);
    default: return ValueOf(scores, tfmem);
  }
}

// Compares some candidates' scores with the reference; returns how many.
std::int32_t ExpectReference(const Setting &setting, const WeightBank &bank,
                             const ScoringBatch &batch, const Scores &scores,
                             const std::vector<std::int64_t> &candidates) {
  std::map<Tfmem, std::vector<double>> errors;
  for (const std::int64_t candidate : candidates) {
    const HiddenWidths widths = CandidateAt(setting.space, candidate);
    const InitialWeights weights = bank.Slice(widths);
    const test::ReferenceScores expected = test::ReferenceNetwork(weights, batch).Scores();
    // Float may see the other side of zero.
    if (expected.smallest_active < 2e-6) continue;
    for (const auto &[tfmem, values] : scores) {
      const double score = values[static_cast<std::size_t>(candidate)];
      if (tfmem == Tfmem::kNtkCondNum && !(std::abs(expected.ntk_cond_num) < 1e4)) continue;
      const double error = std::abs(score - ValueOf(expected, tfmem)) / ScaleOf(expected, tfmem);
      EXPECT_LE(error, 1e-5) << Name(tfmem) << " of " << ArchitectureName(widths) << ": " << score
                             << " instead of " << ValueOf(expected, tfmem);
      errors[tfmem].push_back(error);
    }
  }
  for (auto &[tfmem, of_tfmem] : errors) {
    if (of_tfmem.size() < 16) continue;
    const auto middle = of_tfmem.begin() + static_cast<std::ptrdiff_t>(of_tfmem.size() / 2);
    std::nth_element(of_tfmem.begin(), middle, of_tfmem.end());
    // A second derivative loses a digit where few rows make 1 / std large; each layer adds some.
    const double limit = tfmem == Tfmem::kGrasp ? 1e-6 : 5e-7;
    EXPECT_LE(*middle, limit * std::max(1.0, setting.space.max_layers / 4.0))
        << "median error of " << Name(tfmem);
  }
  return static_cast<std::int32_t>(errors[Tfmem::kGradNorm].size());
}

std::vector<std::int64_t> SomeCandidates(const SearchSpace &space, std::int64_t count) {
  RandomStream random(7);
  std::vector<std::int64_t> candidates;
  for (std::int64_t i = 0; i < count; ++i) candidates.push_back(random.Below(SpaceSize(space)));
  return candidates;
}

void ExpectReferenceEverywhere(const Setting &setting, std::int64_t count) {
  const WeightBank bank = BankOf(setting);
  const ScoringBatch batch = RandomBatch(setting);
  const Scores scores = ScoreAll(setting, bank, batch, kAll);
  for (const auto &[tfmem, values] : scores) {
    EXPECT_EQ(std::count_if(values.begin(), values.end(), [](double v) { return std::isnan(v); }),
              0)
        << Name(tfmem);
  }
  EXPECT_GE(ExpectReference(setting, bank, batch, scores, SomeCandidates(setting.space, count)),
            count * 3 / 4);
}

TEST(GradientPass, EqualsTheDefinitionsOnEveryTarget) {
  const Setting setting{{"odd", {5, 7, 19, 40}, 1, 3}, 13, 3, 6};
  test::ForEachTarget([&] { ExpectReferenceEverywhere(setting, 24); });
}

TEST(GradientPass, EqualsTheDefinitionsForTwoClassesAndThirtyTwoRows) {
  ExpectReferenceEverywhere({{"even", {8, 16, 24, 32, 48, 96}, 1, 4}, 20, 2, 32}, 40);
}

TEST(GradientPass, EqualsTheDefinitionsForANumber) {
  ExpectReferenceEverywhere({{"number", {8, 24, 56}, 1, 3}, 30, 1, 64}, 20);
}

TEST(GradientPass, EqualsTheDefinitionsForMoreOutputsThanABlock) {
  ExpectReferenceEverywhere({{"outputs", {12, 33}, 1, 2}, 16, 37, 33}, 6);
}

TEST(GradientPass, EqualsTheDefinitionsForEightLayers) {
  ExpectReferenceEverywhere({{"deep", {13, 22}, 7, 8}, 9, 2, 31}, 16);
}

TEST(GradientPass, EqualsTheDefinitionsForEveryBatch) {
  for (std::int32_t rows = 2; rows <= kernels::kMaxBatch; ++rows) {
    SCOPED_TRACE(rows);
    const Setting setting{{"batch", {10, 21}, 1, 2}, 6, 2, rows, static_cast<std::uint64_t>(rows)};
    const WeightBank bank = BankOf(setting);
    const ScoringBatch batch = RandomBatch(setting);
    ExpectReference(setting, bank, batch, ScoreAll(setting, bank, batch, kAll), {0, 1, 3, 4});
  }
}

TEST(GradientPass, EqualsTheDefinitionsForWideCandidatesOfMlp20) {
  const Setting setting{test::kMlp20, 100, 2, 32};
  const WeightBank bank = BankOf(setting);
  const ScoringBatch batch = RandomBatch(setting);
  Scores scores = NoScores(setting.space, kAll);
  const RunControl control;
  const Interrupt interrupt(control);
  GradientPass pass(bank, setting.space, batch, Into(&scores));
  pass.Prepare(interrupt);
  const auto scratch = pass.NewScratch();
  pass.Score(17, 18, scratch.get(), interrupt);
  const std::int64_t first = IndexOf(setting.space, {256, 384, 8, 8});
  EXPECT_GE(ExpectReference(setting, bank, batch, scores, {first + 7, first + 165, first + 310}),
            2);
  for (const double &score : scores[Tfmem::kGradNorm]) {
    const std::int64_t candidate = &score - scores[Tfmem::kGradNorm].data();
    EXPECT_EQ(std::isnan(score), candidate < first || candidate >= first + 400);
  }
}

TEST(GradientPass, ComputesEachTfmemAloneToTheSameValue) {
  const Setting setting{{"alone", {8, 20, 40}, 1, 3}, 10, 2, 16};
  const WeightBank bank = BankOf(setting);
  const ScoringBatch batch = RandomBatch(setting);
  const Scores together = ScoreAll(setting, bank, batch, kAll);
  for (const Tfmem tfmem : kAll) {
    const Scores alone = ScoreAll(setting, bank, batch, {&tfmem, 1});
    for (std::size_t i = 0; i < alone.at(tfmem).size(); ++i) {
      const double expected = together.at(tfmem)[i];
      EXPECT_NEAR(alone.at(tfmem)[i], expected, 1e-5 * std::abs(expected)) << Name(tfmem);
    }
  }
}

TEST(GradientPass, FindsTheScoresOfItsTfmemsAndOfNoOther) {
  GradientScores scores;
  std::vector<double> place(1);
  for (const Tfmem tfmem : kAll) {
    ASSERT_NE(scores.Find(tfmem), nullptr);
    EXPECT_TRUE(scores.Find(tfmem)->empty());
    *scores.Find(tfmem) = place;
  }
  EXPECT_EQ(scores.Find(Tfmem::kNasWot), nullptr);
  EXPECT_EQ(scores.Find(Tfmem::kKnas), nullptr);
}

TEST(GradientPass, HasNoScoreWhereAllRowsAreEqual) {
  for (const std::int32_t rows : {1, 12}) {
    const Setting setting{{"equal", {8, 20}, 1, 3}, 10, 2, rows};
    ScoringBatch batch = RandomBatch(setting);
    for (std::size_t i = 10; i < batch.x.size(); ++i) batch.x[i] = batch.x[i - 10];
    for (const auto &[tfmem, values] : ScoreAll(setting, BankOf(setting), batch, kAll)) {
      for (const double score : values) EXPECT_EQ(score, kInvalidScore) << Name(tfmem);
    }
  }
}

TEST(GradientPass, HasNoConditionNumberWhereTwoRowsAreEqual) {
  const Setting setting{{"twins", {8, 20}, 1, 3}, 10, 2, 12};
  ScoringBatch batch = RandomBatch(setting);
  std::copy_n(batch.x.begin(), 10, batch.x.begin() + 50);
  batch.labels[5] = batch.labels[0];
  const Scores scores = ScoreAll(setting, BankOf(setting), batch, kAll);
  for (const double score : scores.at(Tfmem::kNtkCondNum)) EXPECT_EQ(score, kInvalidScore);
  for (const double score : scores.at(Tfmem::kNtkTrace)) EXPECT_TRUE(std::isfinite(score));
}

TEST(GradientPass, StopsBetweenCandidates) {
  const Setting setting{{"stopped", {8, 20, 40}, 1, 3}, 10, 2, 16};
  const WeightBank bank = BankOf(setting);
  const ScoringBatch batch = RandomBatch(setting);
  Scores scores = NoScores(setting.space, kAll);
  std::stop_source stop;
  RunControl control;
  control.stop = stop.get_token();
  const Interrupt interrupt(control);
  GradientPass pass(bank, setting.space, batch, Into(&scores));
  pass.Prepare(interrupt);
  const auto scratch = pass.NewScratch();
  pass.Score(0, 0, scratch.get(), interrupt);
  stop.request_stop();
  EXPECT_THROW(pass.Score(0, 1, scratch.get(), interrupt), Error);
  const auto &values = scores[Tfmem::kSnip];
  EXPECT_FALSE(std::isnan(values[static_cast<std::size_t>(IndexOf(setting.space, {8, 8}))]));
  EXPECT_TRUE(std::isnan(values[static_cast<std::size_t>(IndexOf(setting.space, {8, 20}))]));
}

}  // namespace
}  // namespace trails
