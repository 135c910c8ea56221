// The full-space scorer of a card against that of the CPU, from the same bank.
#include "core/card/full_space_card.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/filtering/full_space.h"
#include "core/random.h"
#include "trails/error.h"

namespace trails {
namespace {

constexpr std::uint64_t kSeed = 5;
const std::vector<Tfmem> kForward{Tfmem::kSynflow, Tfmem::kExpressFlow, Tfmem::kWeightNorm,
                                  Tfmem::kNasWot,  Tfmem::kNasWotPlain, Tfmem::kJacflow};

ScoringBatch RandomBatch(std::int32_t rows, std::int32_t inputs) {
  RandomStream random(9);
  ScoringBatch batch;
  batch.rows = rows;
  batch.inputs = inputs;
  batch.outputs = 2;
  for (std::int32_t i = 0; i < rows * inputs; ++i) {
    batch.x.push_back(static_cast<float>(random.Normal()));
  }
  batch.labels.assign(static_cast<std::size_t>(rows), 0);
  return batch;
}

struct ControlledRun {
  Progress progress;
  std::stop_source stop;
  RunControl control;

  ControlledRun() {
    control.stop = stop.get_token();
    control.progress = &progress;
  }
};

constexpr TileLimits kOnePrefix{.bytes = 1, .work = 1};

SpaceScores OnCard(const SearchSpace &space, const std::vector<Tfmem> &tfmems,
                   const ScoringBatch &batch, const TileLimits &limits = {}) {
  ControlledRun run;
  return ScoreFullSpaceCard(space, tfmems, batch, batch.inputs, 2, kSeed, 1,
                            Clock::time_point::max(), run.control, limits);
}

double Tolerance(Tfmem tfmem) {
  switch (tfmem) {
    case Tfmem::kSynflow:
    case Tfmem::kExpressFlow: return 1e-12;
    case Tfmem::kNasWot:
    case Tfmem::kNasWotPlain: return 1e-5;
    default: return 0;  // the host's own
  }
}

// All six scores of all candidates. That the patterns are the same bit for bit is what
// TrieActivations' own test shows; a single one that was not would change a determinant by far more
// than the tolerance.
void ExpectCardEqualsCpu(const SearchSpace &space, std::int32_t rows, std::int32_t inputs,
                         const std::vector<Tfmem> &tfmems = kForward) {
  ControlledRun run;
  const ScoringBatch batch = RandomBatch(rows, inputs);
  const SpaceScores cpu = ScoreFullSpace(space, tfmems, batch, inputs, 2, kSeed, 1, 1,
                                         Clock::time_point::max(), run.control);
  const SpaceScores card = OnCard(space, tfmems, batch);
  EXPECT_TRUE(card.complete);
  ASSERT_EQ(card.tfmems, cpu.tfmems);
  for (const Tfmem tfmem : cpu.tfmems) {
    for (std::int64_t i = 0; i < SpaceSize(space); ++i) {
      const double expected = cpu.of(tfmem)[static_cast<std::size_t>(i)];
      const double score = card.of(tfmem)[static_cast<std::size_t>(i)];
      const std::string name = ArchitectureName(CandidateAt(space, i));
      if (tfmem == Tfmem::kJacflow) continue;
      if (!std::isfinite(expected)) {
        EXPECT_EQ(score, expected) << Name(tfmem) << " " << name;
      } else {
        EXPECT_NEAR(score, expected, Tolerance(tfmem) * std::fabs(expected) + 1e-9)
            << Name(tfmem) << " " << name;
      }
    }
  }
}

TEST(FullSpaceCard, EqualsTheCpuInSpacesOfEveryDepth) {
  ExpectCardEqualsCpu({"one", {5, 16, 40}, 1, 1}, 7, 20);
  ExpectCardEqualsCpu({"two", {8, 24, 33}, 1, 2}, 32, 17);
  ExpectCardEqualsCpu({"three", {16, 50, 100}, 1, 3}, 32, 20);
  ExpectCardEqualsCpu({"four", {8, 24}, 4, 4}, 16, 33);
  ExpectCardEqualsCpu({"five", {3, 30, 31}, 2, 5}, 7, 8, {Tfmem::kSynflow, Tfmem::kExpressFlow});
  ExpectCardEqualsCpu({"six", {24}, 6, 6}, 16, 33);
  ExpectCardEqualsCpu({"eight", {10}, 1, 8}, 16, 20);
}

TEST(FullSpaceCard, TakesBatchesOfOneAndOfMoreThan32Rows) {
  ExpectCardEqualsCpu({"small", {8, 20}, 1, 3}, 1, 10, {Tfmem::kNasWot, Tfmem::kNasWotPlain});
  ExpectCardEqualsCpu({"small", {50, 100}, 2, 2}, 64, 30, {Tfmem::kNasWot, Tfmem::kNasWotPlain});
  ExpectCardEqualsCpu({"small", {70, 100}, 2, 2}, 33, 30, {Tfmem::kNasWot, Tfmem::kNasWotPlain});
}

TEST(FullSpaceCard, GivesWhatIsAskedForAlone) {
  const SearchSpace space{"small", {8, 20}, 1, 3};
  for (const Tfmem tfmem : kForward) ExpectCardEqualsCpu(space, 16, 10, {tfmem});
  const SpaceScores scores = OnCard(space, {Tfmem::kJacflow}, RandomBatch(16, 10));
  EXPECT_EQ(scores.tfmems, (std::vector<Tfmem>{Tfmem::kJacflow, Tfmem::kNasWot, Tfmem::kSynflow}));
  EXPECT_THROW(OnCard(space, {Tfmem::kGradNorm}, RandomBatch(16, 10)), Error);
  EXPECT_THROW(OnCard(space, {Tfmem::kNasWot}, RandomBatch(0, 10)), Error);
}

TEST(FullSpaceCard, GivesTheSameBitsInTilesOfAnySize) {
  const ScoringBatch batch = RandomBatch(32, 20);
  for (const SearchSpace &space :
       {SearchSpace{"all", {16, 21, 40}, 1, 3}, {"deep", {5, 21}, 3, 4}}) {
    const SpaceScores whole = OnCard(space, kForward, batch);
    EXPECT_EQ(whole.scores, OnCard(space, kForward, batch).scores);
    EXPECT_EQ(whole.scores, OnCard(space, kForward, batch, kOnePrefix).scores);
    EXPECT_EQ(whole.scores, OnCard(space, kForward, batch, {.bytes = 200'000}).scores);
  }
}

// What is done when the time is up before the start is one tile of each pass; progress counts it.
TEST(FullSpaceCard, FinishesOneTileWhateverTheClock) {
  const SearchSpace space{"three", {16, 21, 64}, 1, 4};
  ControlledRun run;
  const SpaceScores scores =
      ScoreFullSpaceCard(space, {Tfmem::kNasWot, Tfmem::kSynflow}, RandomBatch(32, 20), 20, 2,
                         kSeed, 0, Clock::time_point::min(), run.control, kOnePrefix);
  EXPECT_FALSE(scores.complete);
  const TriePrefix first = FairPrefixes(space, kSeed).front();
  EXPECT_EQ(run.progress.candidates_scored, CandidatesOf(first, space));
  for (const Tfmem tfmem : scores.tfmems) {
    const auto scored = std::count_if(scores.of(tfmem).begin(), scores.of(tfmem).end(),
                                      [](double score) { return !std::isnan(score); });
    EXPECT_EQ(scored, CandidatesOf(first, space)) << Name(tfmem);
  }
}

TEST(FullSpaceCard, CountsEveryCandidateOnce) {
  const SearchSpace space{"two", {8, 20}, 1, 3};
  for (const auto &tfmems : {std::vector<Tfmem>{Tfmem::kWeightNorm}, kForward}) {
    ControlledRun run;
    ScoreFullSpaceCard(space, tfmems, RandomBatch(8, 10), 10, 2, kSeed, 0, Clock::time_point::max(),
                       run.control, kOnePrefix);
    EXPECT_EQ(run.progress.candidates_scored, SpaceSize(space));
  }
}

TEST(FullSpaceCard, StopsAfterACancel) {
  ControlledRun run;
  run.stop.request_stop();
  try {
    ScoreFullSpaceCard({"two", {8, 20}, 1, 3}, {Tfmem::kNasWot}, RandomBatch(8, 10), 10, 2, kSeed,
                       0, Clock::time_point::max(), run.control);
    FAIL() << "it was not cancelled";
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::kCancelled);
  }
}

TEST(FullSpaceCard, CallsNetworksOfEqualRowsSingular) {
  const SearchSpace space{"small", {8, 20, 64}, 1, 3};
  ScoringBatch batch = RandomBatch(32, 10);
  std::copy_n(batch.x.begin(), batch.inputs, batch.x.begin() + 20 * batch.inputs);
  const SpaceScores scores = OnCard(space, {Tfmem::kNasWot, Tfmem::kNasWotPlain}, batch);
  for (const auto &column : scores.scores) {
    for (const double score : column) EXPECT_EQ(score, kInvalidScore);
  }
}

TEST(FullSpaceCard, KeepsWithinAGigabyte) {
  const SearchSpace mlp20{
      "mlp20",
      {8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 384, 512},
      4,
      4};
  EXPECT_TRUE(FitsFullSpaceCard(mlp20, 430, 2, kForward));
  EXPECT_FALSE(FitsFullSpaceCard(mlp20, 430, 2, {Tfmem::kGradNorm}));
  EXPECT_FALSE(FitsFullSpaceCard(mlp20, 200'000, 2, kForward));
  EXPECT_LT(FullSpaceCardBytes(mlp20, 430, 32, kForward), 300'000'000);
  EXPECT_GT(FullSpaceCardBytes(mlp20, 430, 32, kForward),
            FullSpaceCardBytes(mlp20, 430, 32, kForward, kOnePrefix));
}

}  // namespace
}  // namespace trails
