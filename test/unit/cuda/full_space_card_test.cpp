// The full-space scorer of a card against that of the CPU, from the same bank.
#include "core/card/full_space_card.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
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

SpaceScores OnCard(const SearchSpace &space, const std::vector<Tfmem> &tfmems,
                   const ScoringBatch &batch, Clock::time_point until = Clock::time_point::max()) {
  ControlledRun run;
  return ScoreFullSpaceCard(space, tfmems, batch, batch.inputs, 2, kSeed, 1, until, run.control);
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

}  // namespace
}  // namespace trails
