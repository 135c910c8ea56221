// What free threads do beside and after the rungs.
#include "core/coordinator/reseeding.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "sample_field.h"

namespace trails {
namespace {

constexpr std::int64_t kEpoch = 100;
constexpr std::int64_t kShortest = 200;
constexpr std::int64_t kNoCap = 1'000'000;

double WidthIsMerit(const Contender &contender, std::int64_t steps) {
  return contender.widths.front() + static_cast<double>(steps) / 1e6;
}

// `count` candidates {8}, {16}, ... that were trained for `steps`, a look an epoch, and dropped.
void Train(SampleField *field, std::int32_t count, std::int64_t steps) {
  for (std::int32_t i = 1; i <= count; ++i) {
    const std::int32_t number = field->Enter({.widths = {8 * i}, .dropout = 0.4f, .origin = -1});
    for (std::int64_t until = kEpoch; until <= steps; until += kEpoch) {
      const Assignment work{.contender = number, .until = until};
      field->Begin(work);
      field->End(work);
    }
    field->Drop(number);
  }
}

// Gives and carries out chunks one after the other until a new contender's comes up or none does.
std::optional<Assignment> NextNew(Reseeding *reseeding, SampleField *field) {
  for (int chunk = 0; chunk < 1000; ++chunk) {
    const std::optional<Assignment> work = reseeding->Next(field, kShortest);
    if (!work) return work;
    const bool is_new = field->contenders()[static_cast<std::size_t>(work->contender)].steps == 0;
    field->Begin(*work);
    field->End(*work);
    if (is_new) return work;
  }
  ADD_FAILURE() << "does not end";
  return std::nullopt;
}

TEST(Reseeding, WaitsForTheFirstMerit) {
  SampleField field(1, kEpoch, WidthIsMerit);
  SampleProposer proposer(10, /*learns=*/true);
  Reseeding reseeding(&proposer, kNoCap);
  EXPECT_FALSE(reseeding.Next(&field, kShortest));
  field.Enter({.widths = {8}});
  EXPECT_FALSE(reseeding.Next(&field, kShortest));
  EXPECT_FALSE(reseeding.IsWorthwhile(field, kShortest));
  EXPECT_EQ(field.contenders().size(), 1u);
}

TEST(Reseeding, TakesTurnsAmongTheBestFour) {
  SampleField field(1, kEpoch, WidthIsMerit);
  Train(&field, 6, 300);
  SampleProposer proposer(10);  // does not learn: new seeds only
  Reseeding reseeding(&proposer, kNoCap);
  std::vector<std::int32_t> origins;
  for (int i = 0; i < 5; ++i) {
    const std::optional<Assignment> work = NextNew(&reseeding, &field);
    ASSERT_TRUE(work);
    EXPECT_EQ(work->stage, Stage::kSeeds);
    const Contender &seed = field.contenders()[static_cast<std::size_t>(work->contender)];
    const Contender &origin = field.contenders()[static_cast<std::size_t>(seed.origin)];
    EXPECT_EQ(seed.widths, origin.widths);
    EXPECT_EQ(seed.dropout, origin.dropout);
    origins.push_back(seed.origin);
  }
  EXPECT_EQ(origins, (std::vector<std::int32_t>{5, 4, 3, 2, 5}));
  EXPECT_TRUE(proposer.told.empty());
}

// A candidate is best after 400 mini-batches, its new seeds never stop.
double OnlySeedsGetBetter(const Contender &contender, std::int64_t steps) {
  if (contender.origin >= 0) return static_cast<double>(steps);
  return -std::abs(static_cast<double>(steps) - 400);
}

TEST(Reseeding, TrainsASeedAQuarterLongerThanItsOriginNeeded) {
  SampleField field(1, kEpoch, OnlySeedsGetBetter);
  Train(&field, 1, 600);
  Reseeding reseeding(nullptr, kNoCap);
  ASSERT_TRUE(NextNew(&reseeding, &field));
  ASSERT_TRUE(NextNew(&reseeding, &field));
  EXPECT_EQ(field.contenders()[1].steps, 500);
  EXPECT_TRUE(field.contenders()[1].dropped);
  EXPECT_FALSE(field.contenders()[2].dropped);

  Reseeding capped(nullptr, 450);
  ASSERT_TRUE(NextNew(&capped, &field));
  ASSERT_TRUE(NextNew(&capped, &field));
  EXPECT_EQ(field.contenders()[3].steps, 450);
}

TEST(Reseeding, TrainsLongerOnceAMeanHasAllItsMembers) {
  SampleField field(1, kEpoch, OnlySeedsGetBetter);
  Train(&field, 1, 600);
  Reseeding reseeding(nullptr, kNoCap);
  for (int seed = 1; seed <= 14; ++seed) ASSERT_TRUE(NextNew(&reseeding, &field));
  EXPECT_EQ(field.contenders()[12].steps, 500);
  EXPECT_EQ(field.contenders()[13].steps, 625);
}

TEST(Reseeding, StopsASeedWithoutANewBest) {
  SampleField field(1, kEpoch, [](const Contender &contender, std::int64_t steps) {
    const double best = contender.origin < 0 ? 2000 : 300;
    return -std::abs(static_cast<double>(steps) - best);
  });
  Train(&field, 1, 2000);
  Reseeding reseeding(nullptr, kNoCap);
  ASSERT_TRUE(NextNew(&reseeding, &field));
  ASSERT_TRUE(NextNew(&reseeding, &field));
  // Looks each 312 mini-batches, an eighth of 2,500; two epochs and a third of its life after 312.
  EXPECT_EQ(field.contenders()[1].steps, 624);
}

TEST(Reseeding, ProposesInTurnAndTellsOnceAtTheShortest) {
  SampleField field(1, kEpoch, WidthIsMerit);
  Train(&field, 4, 600);
  SampleProposer proposer(20, /*learns=*/true);
  Reseeding reseeding(&proposer, kNoCap);
  std::vector<bool> is_seed;
  for (int i = 0; i < 6; ++i) {
    const std::optional<Assignment> work = NextNew(&reseeding, &field);
    ASSERT_TRUE(work);
    is_seed.push_back(field.contenders()[static_cast<std::size_t>(work->contender)].origin >= 0);
  }
  EXPECT_EQ(is_seed, (std::vector<bool>{false, true, false, true, false, true}));
  ASSERT_EQ(proposer.told.size(), 3u);
  for (const auto &[proposal, merit] : proposer.told) {
    EXPECT_DOUBLE_EQ(merit, proposal.widths.front() + kShortest / 1e6);
  }
}

TEST(Reseeding, DropsAProposalBelowTheMedianAndTrainsTheOthersAsLongAsTheBest) {
  // Proposals are {8}, {16}, ...: the first two are worse than the median of 16, 24, ..., 80.
  SampleField field(1, kEpoch, WidthIsMerit);
  for (std::int32_t i = 2; i <= 10; ++i) {
    const std::int32_t number = field.Enter({.widths = {8 * i}});
    for (std::int64_t until = kEpoch; until <= 600; until += kEpoch) {
      field.Begin({.contender = number, .until = until});
      field.End({.contender = number, .until = until});
    }
  }
  SampleProposer proposer(12, /*learns=*/true);
  Reseeding reseeding(&proposer, kNoCap);
  while (proposer.told.size() < 12) ASSERT_TRUE(NextNew(&reseeding, &field));
  ASSERT_TRUE(NextNew(&reseeding, &field));
  std::map<std::int32_t, std::int64_t> steps;
  for (std::size_t i = 9; i < field.contenders().size(); ++i) {
    const Contender &contender = field.contenders()[i];
    if (contender.origin < 0) steps[contender.widths.front()] = contender.steps;
  }
  EXPECT_EQ(steps[8], kShortest);
  EXPECT_EQ(steps[16], kShortest);
  EXPECT_EQ(steps[32], kShortest);
  EXPECT_EQ(steps[88], 600);
}

TEST(Reseeding, TellsOfAProposalThatDiverged) {
  SampleField field(1, kEpoch, [](const Contender &contender, std::int64_t steps) {
    return contender.number == 3 ? std::nan("") : WidthIsMerit(contender, steps);
  });
  Train(&field, 3, 300);
  SampleProposer proposer(5, /*learns=*/true);
  Reseeding reseeding(&proposer, kNoCap);
  ASSERT_TRUE(NextNew(&reseeding, &field));
  ASSERT_TRUE(NextNew(&reseeding, &field));
  ASSERT_EQ(proposer.told.size(), 1u);
  EXPECT_TRUE(std::isnan(proposer.told[0].second));
  EXPECT_TRUE(field.contenders()[3].dropped);
}

TEST(Reseeding, KeepsAPromisingProposalForTheNextRung) {
  SampleField field(1, kEpoch, [](const Contender &contender, std::int64_t steps) {
    return WidthIsMerit(contender, steps) + (contender.number == 4 ? 1000 : 0);
  });
  Train(&field, 4, 300);
  SampleProposer proposer(20, /*learns=*/true);
  Reseeding reseeding(&proposer, kNoCap);
  ASSERT_TRUE(NextNew(&reseeding, &field));
  ASSERT_TRUE(NextNew(&reseeding, &field));
  EXPECT_EQ(field.contenders()[4].steps, 300);
  EXPECT_FALSE(field.contenders()[4].dropped);
  EXPECT_EQ(reseeding.proposed(field), std::vector<std::int32_t>{4});
  reseeding.Release(4);
  EXPECT_TRUE(reseeding.proposed(field).empty());
}

TEST(Reseeding, GivesThePromisingUpWhenMemoryIsShort) {
  SampleField field(1, kEpoch, [](const Contender &contender, std::int64_t steps) {
    return WidthIsMerit(contender, steps) + (contender.number == 4 ? 1000 : 0);
  });
  Train(&field, 4, 300);
  field.fits = [](const SampleField &f, const HiddenWidths &) { return f.alive() < 1; };
  SampleProposer proposer(20, /*learns=*/true);
  Reseeding reseeding(&proposer, kNoCap);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(NextNew(&reseeding, &field));
  EXPECT_TRUE(field.contenders()[4].dropped);
}

TEST(Reseeding, HasNoUseForLessTimeThanAFirstLook) {
  SampleField field(1, kEpoch, WidthIsMerit);
  Train(&field, 4, 1000);
  Reseeding reseeding(nullptr, kNoCap);
  field.seconds_left = 0.099;  // a mini-batch takes 1 ms
  EXPECT_FALSE(reseeding.Next(&field, kShortest));
  EXPECT_EQ(field.contenders().size(), 4u);
  field.seconds_left = 0.25;
  EXPECT_FALSE(reseeding.IsWorthwhile(field, kShortest));
  EXPECT_TRUE(NextNew(&reseeding, &field));
  field.seconds_left = 0.7;
  EXPECT_TRUE(reseeding.IsWorthwhile(field, kShortest));
}

TEST(Reseeding, PrefersASeedThatCanEndInTime) {
  SampleField field(1, kEpoch, WidthIsMerit);
  field.step_seconds = [](const HiddenWidths &widths) { return 1e-4 * widths.front(); };
  Train(&field, 4, 800);  // {32} is the best, and needs 3.2 s for 1,000 mini-batches
  field.seconds_left = 2;
  Reseeding reseeding(nullptr, kNoCap);
  const std::optional<Assignment> work = NextNew(&reseeding, &field);
  ASSERT_TRUE(work);
  EXPECT_EQ(field.contenders()[static_cast<std::size_t>(work->contender)].widths, HiddenWidths{16});
}

TEST(ChunkEnd, IsAnEpochOrAnEighthOfTheWay) {
  const SampleField field(1, kEpoch, WidthIsMerit);
  EXPECT_EQ(ChunkEnd(field, 0, 0, 400), 100);
  EXPECT_EQ(ChunkEnd(field, 0, 0, 1600), 200);
  EXPECT_EQ(ChunkEnd(field, 2000, 800, 2400), 2200);
  EXPECT_EQ(ChunkEnd(field, 0, 0, 30), 30);
  // Half a chunk would be left, and less.
  EXPECT_EQ(ChunkEnd(field, 100, 0, 250), 200);
  EXPECT_EQ(ChunkEnd(field, 100, 0, 249), 249);
  // On a long way, a quarter of what is behind.
  EXPECT_EQ(ChunkEnd(field, 0, 0, 1'000'000), 100);
  EXPECT_EQ(ChunkEnd(field, 4'000, 0, 1'000'000), 5'000);
}

TEST(CutToTime, LeavesTimeForTheLook) {
  class LookingField final : public ContenderField {
   public:
    const std::vector<Contender> &contenders() const override { return none_; }
    std::int32_t Enter(const Proposal &) override { return 0; }
    void Drop(std::int32_t) override {}
    double SecondsLeft() const override { return 1; }
    double StepSeconds(const HiddenWidths &) const override { return 0.01; }
    double LookSeconds(const HiddenWidths &) const override { return look_seconds; }
    bool Fits(const HiddenWidths &) const override { return true; }
    std::int32_t threads() const override { return 1; }
    std::int64_t epoch_steps() const override { return kEpoch; }
    double look_seconds = 0.2;

   private:
    std::vector<Contender> none_;
  };
  LookingField field;
  Contender contender;
  contender.steps = 10;
  EXPECT_EQ(CutToTime(field, contender, 50), 50);
  EXPECT_EQ(CutToTime(field, contender, 500), 10 + 80);
  field.look_seconds = 0.995;
  EXPECT_EQ(CutToTime(field, contender, 500), std::nullopt);
}

TEST(HasStopped, AfterAThirdOfItsLifeAndThePatience) {
  Contender contender;
  contender.steps = 900;
  contender.best_steps = 600;
  EXPECT_TRUE(HasStopped(contender, 300));
  EXPECT_FALSE(HasStopped(contender, 301));
  contender.best_steps = 601;
  EXPECT_FALSE(HasStopped(contender, 100));
}

TEST(Patience, IsHalfTheFirstRungAndTwoEpochs) {
  const SampleField field(1, kEpoch, WidthIsMerit);
  EXPECT_EQ(Patience(field, 100), 200);
  EXPECT_EQ(Patience(field, 1000), 500);
}

TEST(RanksBefore, PutsNothingLastAndTheEarlierFirst) {
  Contender good, bad, none, late;
  good.merit = late.merit = 2;
  bad.merit = 1;
  late.number = 7;
  EXPECT_TRUE(RanksBefore(good, bad));
  EXPECT_FALSE(RanksBefore(bad, good));
  EXPECT_TRUE(RanksBefore(bad, none));
  EXPECT_FALSE(RanksBefore(none, bad));
  EXPECT_TRUE(RanksBefore(good, late));
  EXPECT_FALSE(RanksBefore(late, good));
  EXPECT_FALSE(RanksBefore(none, none));
}

}  // namespace
}  // namespace trails
