// What the full-space scorer takes of a card's memory, and that it leaves nothing behind when the
// card fails, on an emulated card whose memory can be counted.
#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "core/card/full_space_card.h"
#include "core/random.h"
#include "cuda_runtime.h"
#include "emulation.h"
#include "trails/error.h"

namespace trails {
namespace {

constexpr std::size_t kMemory = std::size_t{1} << 30;  // of the emulated card, at first
const SearchSpace kSpace{"small", {8, 20, 40}, 1, 4};
const SearchSpace kTiny{"tiny", {8}, 1, 3};
const std::vector<Tfmem> kForward{Tfmem::kSynflow, Tfmem::kExpressFlow, Tfmem::kWeightNorm,
                                  Tfmem::kNasWot};

ScoringBatch RandomBatch() {
  RandomStream random(9);
  ScoringBatch batch;
  batch.rows = 8;
  batch.inputs = 20;
  for (std::int32_t i = 0; i < batch.rows * batch.inputs; ++i) {
    batch.x.push_back(static_cast<float>(random.Normal()));
  }
  return batch;
}

SpaceScores Score(const SearchSpace &space) {
  Progress progress;
  RunControl control;
  control.progress = &progress;
  return ScoreFullSpaceCard(space, kForward, RandomBatch(), 20, 2, 3, 0, Clock::time_point::max(),
                            control);
}

// The kind of the error that ends it, if one does.
std::optional<ErrorKind> KindOfFailure(const SearchSpace &space) {
  try {
    Score(space);
  } catch (const Error &error) {
    return error.kind();
  }
  return std::nullopt;
}

class FullSpaceMemory : public testing::Test {
 protected:
  ~FullSpaceMemory() override {
    emulation::SetMemory(kMemory);
    emulation::FailAfter(0, cudaSuccess);
  }
};

TEST_F(FullSpaceMemory, IsWhatWasForetoldAndGivenBack) {
  constexpr std::size_t kSmallArrays = 20'000;  // widths, scales, a tile's prefixes
  const std::size_t live = emulation::LiveBytes();
  const auto bytes = static_cast<std::size_t>(FullSpaceCardBytes(kSpace, 20, 8, kForward));
  emulation::SetMemory(live + bytes + kSmallArrays);
  EXPECT_TRUE(Score(kSpace).complete);
  EXPECT_EQ(emulation::LiveBytes(), live);
  emulation::SetMemory(live + bytes * 9 / 10);
  EXPECT_EQ(KindOfFailure(kSpace), ErrorKind::kOutOfMemory);
  EXPECT_EQ(emulation::LiveBytes(), live);
}

// Whichever call fails, but for those that free what is no longer needed; after it all works again.
TEST_F(FullSpaceMemory, IsGivenBackWhereverTheCardFails) {
  const std::vector<std::vector<double>> scores = Score(kTiny).scores;
  std::int32_t failures = 0;
  for (std::int64_t call = 1; call <= 400; call += 2) {
    SCOPED_TRACE(call);
    const std::size_t live = emulation::LiveBytes();
    emulation::FailAfter(call, cudaErrorLaunchFailure);
    const std::optional<ErrorKind> kind = KindOfFailure(kTiny);
    emulation::FailAfter(0, cudaSuccess);
    if (!kind) continue;
    ++failures;
    EXPECT_EQ(*kind, ErrorKind::kDevice);
    EXPECT_EQ(emulation::LiveBytes(), live);
  }
  EXPECT_GE(failures, 50);
  EXPECT_EQ(Score(kTiny).scores, scores);
}

}  // namespace
}  // namespace trails
