// The full-space scorer against the definitions in LibTorch, on the slices of the same bank.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "controlled_run.h"
#include "core/filtering/full_space.h"
#include "core/random.h"
#include "core/refinement/multiply.h"
#include "core/tfmem/direct.h"

namespace trails {
namespace {

// Where the two may differ: rounding of double, or of the single precision of the kernels.
bool IsFlow(Tfmem tfmem) {
  return tfmem == Tfmem::kSynflow || tfmem == Tfmem::kExpressFlow || tfmem == Tfmem::kWeightNorm;
}

// Differences that are small beside what they are differences of: compared on that scale.
double ScaleOf(Tfmem tfmem, double direct, double snip) {
  if (tfmem == Tfmem::kGradPlain || tfmem == Tfmem::kGrasp) {
    return std::max(std::abs(direct), snip);
  }
  if (tfmem == Tfmem::kNtkCondNum) return direct * std::max(1.0, direct / 100);
  return std::abs(direct);
}

ScoringBatch RandomBatch(std::int32_t rows, std::int32_t inputs, std::int32_t outputs,
                         bool regression, std::uint64_t seed) {
  ScoringBatch batch{rows, inputs, outputs, regression, {}, {}, {}};
  RandomStream stream(seed);
  for (std::int32_t i = 0; i < rows * inputs; ++i) {
    batch.x.push_back(static_cast<float>(stream.Normal()));
  }
  for (std::int32_t row = 0; row < rows; ++row) {
    if (regression) {
      batch.targets.push_back(static_cast<float>(stream.Normal()));
    } else {
      batch.labels.push_back(static_cast<std::int32_t>(stream.Below(outputs)));
    }
  }
  return batch;
}

struct Setting {
  SearchSpace space;
  std::int32_t inputs, outputs;
  bool regression;
};

class FullSpaceAgainstDefinitions : public testing::TestWithParam<Setting> {};

TEST_P(FullSpaceAgainstDefinitions, AgreeOnTheSlicesOfABank) {
  constexpr std::int64_t kCandidates = 40;
  const EngineThreadScope scope;
  const auto &[space, inputs, outputs, regression] = GetParam();
  std::vector<Tfmem> tfmems;
  for (std::size_t i = 0; i < kTfmems; ++i) {
    const auto tfmem = static_cast<Tfmem>(i);
    if (Traits(tfmem).whole_space && tfmem != Tfmem::kJacflow) tfmems.push_back(tfmem);
  }
  for (const std::uint64_t seed : {1, 2}) {
    const ScoringBatch batch = RandomBatch(kScoringRows, inputs, outputs, regression, seed);
    const test::ControlledRun run;
    const SpaceScores whole = ScoreFullSpace(space, tfmems, batch, inputs, outputs, seed, 0, 2,
                                             Clock::time_point::max(), run.control);
    ASSERT_TRUE(whole.complete);
    const WeightBank bank(space, inputs, outputs, seed, 0, false);
    RandomStream draw(seed);
    DirectOptions options;
    options.perturbation_seed = seed;
    for (std::int64_t drawn = 0; drawn < kCandidates; ++drawn) {
      const std::int64_t candidate = draw.Below(SpaceSize(space));
      const HiddenWidths widths = CandidateAt(space, candidate);
      const InitialWeights slice = bank.Slice(widths);
      const double snip = DirectScore(Tfmem::kSnip, slice, batch, options);
      for (const Tfmem tfmem : tfmems) {
        const double direct = DirectScore(tfmem, slice, batch, options);
        const double fast = whole.of(tfmem)[static_cast<std::size_t>(candidate)];
        ASSERT_EQ(std::isfinite(fast), std::isfinite(direct))
            << Name(tfmem) << " of " << ArchitectureName(widths);
        if (!std::isfinite(direct)) continue;
        EXPECT_LE(std::abs(fast - direct),
                  (IsFlow(tfmem) ? 1e-9 : 1e-5) * ScaleOf(tfmem, direct, snip))
            << Name(tfmem) << " of " << ArchitectureName(widths) << ": " << fast << " and "
            << direct;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Spaces, FullSpaceAgainstDefinitions,
                         testing::Values(Setting{{"four", {8, 40, 96, 176}, 4, 4}, 100, 2, false},
                                         Setting{{"mixed", {12, 33, 64}, 1, 4}, 70, 5, false},
                                         Setting{{"number", {16, 50}, 1, 3}, 60, 1, true},
                                         Setting{{"deep", {9, 24}, 6, 8}, 40, 3, false}));

}  // namespace
}  // namespace trails
