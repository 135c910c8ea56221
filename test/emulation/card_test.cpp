// The card behind the engine's contract: how it opens and closes, and that it trains and scores as
// its parts do.
#include "core/placement/card.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "../unit/engine/generated_table.h"
#include "core/cohort/cohort.h"
#include "emulation.h"
#include "trails/error.h"

extern "C" trails::Card *trails_cuda_open(int contract_version);

namespace trails {
namespace {

std::unique_ptr<Card> OpenCard() {
  return std::unique_ptr<Card>(trails_cuda_open(kCardContractVersion));
}

TEST(Card, AnotherContractIsRefused) {
  EXPECT_EQ(trails_cuda_open(kCardContractVersion + 1), nullptr);
}

TEST(Card, SaysWhatItIs) {
  emulation::SetMemory(std::size_t{1} << 30);
  const std::unique_ptr<Card> card = OpenCard();
  const CardFacts facts = card->facts();
  EXPECT_FALSE(facts.name.empty());
  EXPECT_GE(facts.major, 8);
  EXPECT_GT(facts.multiprocessors, 0);
  EXPECT_EQ(facts.total_bytes, std::int64_t{1} << 30);
  EXPECT_GT(facts.runtime, 0);
}

TEST(Card, WithoutOneTheDriversWordsAreTold) {
  emulation::SetCard(false);
  try {
    (void)OpenCard();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::kDevice);
    EXPECT_STREQ(error.what(), "no CUDA device can be used");
    EXPECT_NE(error.detail().find("cudaErrorNoDevice"), std::string::npos) << error.detail();
    EXPECT_FALSE(error.hint().empty());
  }
  emulation::SetCard(true);
}

TEST(Card, ItsCohortTrainsAndNothingStays) {
  const Dataset data = test::GenerateDataset({.rows = 400});
  const kernels::FieldPlan plan = data.fields.Plan();
  const RunControl control;
  const Interrupt interrupt(control);
  {
    const std::unique_ptr<Card> card = OpenCard();
    const std::unique_ptr<Cohort> cohort = card->MakeCohort(data, plan, Precision::kFp32, 2);
    std::vector<std::int32_t> members;
    for (const HiddenWidths &widths : {HiddenWidths{8}, HiddenWidths{16}}) {
      TrainerOptions options;
      options.widths = widths;
      options.seed = 7;
      members.push_back(cohort->Enter(options));
    }
    const double first = cohort->Train(members, 1, interrupt).front().loss;
    const std::vector<CohortLoss> later =
        cohort->Train(members, 3 * cohort->steps_per_epoch(), interrupt);
    EXPECT_LT(later.front().loss, first);
    EXPECT_EQ(cohort->Steps(members.back()), 1 + 3 * cohort->steps_per_epoch());
    const std::vector<double> valid = cohort->Judge(members, interrupt);
    EXPECT_TRUE(std::all_of(valid.begin(), valid.end(), [](double v) { return std::isfinite(v); }));
    EXPECT_GT(emulation::LiveBytes(), 0U);
    EXPECT_LT(card->facts().free_bytes, card->facts().total_bytes);
  }
  EXPECT_EQ(emulation::LiveBytes(), 0U);
}

TEST(Card, ScoresASpaceAsTheCpuDoes) {
  const SearchSpace space{.name = "small", .widths = {8, 16}, .min_layers = 1, .max_layers = 2};
  const Dataset data = test::GenerateDataset({.rows = 200});
  const ScoringBatch batch = DrawScoringBatch(data, Encoding::kPiecewiseLinear, kScoringRows, 1);
  Progress progress;
  RunControl control;
  control.progress = &progress;
  const std::vector<Tfmem> tfmems = {Tfmem::kSynflow};
  const auto never = Clock::time_point::max();
  const SpaceScores there = OpenCard()->ScoreFullSpace(space, tfmems, batch, batch.inputs,
                                                       batch.outputs, 1, 0, never, control);
  const SpaceScores here =
      ScoreFullSpace(space, tfmems, batch, batch.inputs, batch.outputs, 1, 0, 1, never, control);
  ASSERT_EQ(there.of(Tfmem::kSynflow).size(), here.of(Tfmem::kSynflow).size());
  for (std::size_t i = 0; i < here.of(Tfmem::kSynflow).size(); ++i) {
    const double expected = here.of(Tfmem::kSynflow)[i];
    EXPECT_NEAR(there.of(Tfmem::kSynflow)[i], expected, 1e-9 * std::abs(expected));
  }
}

}  // namespace
}  // namespace trails
