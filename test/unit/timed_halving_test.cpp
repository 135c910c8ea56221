// Successive halving against the clock, carried out over contenders that train by counting.
#include "core/coordinator/timed_halving.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "sample_field.h"

namespace trails {
namespace {

constexpr std::int64_t kEpoch = 100;

// Each candidate has a merit of its own, the best somewhere in the middle, and gets better slowly.
double Talent(const HiddenWidths &widths) {
  return static_cast<double>((widths.front() / 8 * 37) % 101);
}
double GetsBetter(const Contender &contender, std::int64_t steps) {
  const auto behind = static_cast<double>(steps);
  return Talent(contender.widths) + behind / (behind + 1000);
}
// Best after three epochs, then worse.
double Overfits(const Contender &contender, std::int64_t steps) {
  return Talent(contender.widths) - std::abs(static_cast<double>(steps) - 3 * kEpoch) / 1e6;
}

struct Outcome {
  std::vector<Carried> all;
  std::unique_ptr<Strategy> strategy;

  std::vector<std::int32_t> MembersOf(std::int32_t rung) const {
    std::set<std::int32_t> members;
    for (const Carried &carried : all) {
      if (carried.work.stage == Stage::kRung && carried.work.rung == rung) {
        members.insert(carried.work.contender);
      }
    }
    return {members.begin(), members.end()};
  }
  std::int32_t LastRung() const {
    std::int32_t last = 0;
    for (const Carried &carried : all) last = std::max(last, carried.work.rung);
    return last;
  }
  // Thread seconds inside the time.
  double Used(double seconds) const {
    double used = 0;
    for (const Carried &c : all) used += (std::min(c.end, seconds) - c.begin) * c.work.threads;
    return used;
  }
};

Outcome Halve(SampleField *field, Proposer *proposer, double seconds,
              const SelectionOptions &options = {}) {
  field->seconds_left = seconds;
  Outcome outcome;
  outcome.strategy = MakeTimedHalving(options, proposer);
  outcome.all = CarryOut(outcome.strategy.get(), field);
  return outcome;
}

TEST(TimedHalving, GivesAThirdOfTheTimeToTwentyFour) {
  SampleField field(1, kEpoch, GetsBetter);
  SampleProposer proposer(100);
  const Outcome outcome = Halve(&field, &proposer, 14.4);
  EXPECT_EQ(outcome.strategy->first_candidates(), 24);
  EXPECT_EQ(outcome.strategy->first_steps(), 200);  // 14.4 s / 3 / 24 / 1 ms
  EXPECT_EQ(outcome.MembersOf(0).size(), 24u);
}

TEST(TimedHalving, GivesFourEpochsAtMost) {
  SampleField field(1, kEpoch, GetsBetter);
  SampleProposer proposer(100);
  SelectionOptions options;
  options.max_epochs = 64;
  const Outcome outcome = Halve(&field, &proposer, 1000, options);
  EXPECT_EQ(outcome.strategy->first_steps(), 4 * kEpoch);
}

TEST(TimedHalving, RatherTakesFewerThanTrainsLessThanHalfAnEpoch) {
  SampleField field(1, kEpoch, GetsBetter);
  SampleProposer proposer(100);
  const Outcome outcome = Halve(&field, &proposer, 2.7);  // 0.9 s for the first rung
  EXPECT_EQ(outcome.strategy->first_candidates(), 18);
  EXPECT_EQ(outcome.strategy->first_steps(), kEpoch / 2);
}

TEST(TimedHalving, TakesAWholeNumberOfCandidatesForEachThread) {
  SampleField field(16, kEpoch, GetsBetter);
  SampleProposer proposer(100);
  EXPECT_EQ(Halve(&field, &proposer, 5).strategy->first_candidates(), 32);
}

TEST(TimedHalving, KeepsTheBestOfEachRung) {
  SampleField field(2, kEpoch, GetsBetter);
  SampleProposer proposer(100);
  const Outcome outcome = Halve(&field, &proposer, 60);
  ASSERT_GE(outcome.LastRung(), 3);
  const std::size_t sizes[] = {24, 8, 4, 4};
  for (std::int32_t rung = 0; rung < 4; ++rung) {
    const std::vector<std::int32_t> members = outcome.MembersOf(rung);
    ASSERT_EQ(members.size(), sizes[rung]) << "rung " << rung;
    if (rung == 0) continue;
    double worst = 1e9;
    for (const std::int32_t kept : members) {
      worst = std::min(worst, Talent(field.contenders()[static_cast<std::size_t>(kept)].widths));
    }
    for (const std::int32_t before : outcome.MembersOf(rung - 1)) {
      if (std::find(members.begin(), members.end(), before) != members.end()) continue;
      EXPECT_LT(Talent(field.contenders()[static_cast<std::size_t>(before)].widths), worst);
    }
  }
}

TEST(TimedHalving, ResumesAndDoublesTheLength) {
  SampleField field(2, kEpoch, GetsBetter);
  SampleProposer proposer(100);
  const Outcome outcome = Halve(&field, &proposer, 60);
  std::map<std::int32_t, std::int64_t> ends;  // of each rung but the last
  std::map<std::int32_t, std::int64_t> behind;
  for (const Carried &carried : outcome.all) {
    EXPECT_EQ(carried.from, behind[carried.work.contender]);
    behind[carried.work.contender] = carried.work.until;
    if (carried.work.stage == Stage::kRung) {
      ends[carried.work.rung] = std::max(ends[carried.work.rung], carried.work.until);
    }
  }
  for (std::int32_t rung = 1; rung < outcome.LastRung(); ++rung) {
    EXPECT_EQ(ends[rung], 2 * ends[rung - 1]);
  }
}

TEST(TimedHalving, FillsTheTimeAndTrainsTheLastEquallyLong) {
  for (const std::int32_t threads : {1, 2, 3, 16}) {
    for (const double seconds : {2.0, 10.0, 61.0, 300.0}) {
      SCOPED_TRACE(testing::Message() << threads << " threads, " << seconds << " s");
      SampleField field(threads, kEpoch, GetsBetter);
      field.step_seconds = [](const HiddenWidths &widths) { return 4e-6 * widths.front(); };
      SampleProposer proposer(100);
      const Outcome outcome = Halve(&field, &proposer, seconds);
      EXPECT_GE(outcome.Used(seconds), 0.95 * seconds * threads);
      for (const Carried &carried : outcome.all) EXPECT_LE(carried.end, seconds * (1 + 1e-9));

      const std::vector<std::int32_t> last = outcome.MembersOf(outcome.LastRung());
      std::set<std::int64_t> lengths;
      for (const std::int32_t member : last) {
        lengths.insert(field.contenders()[static_cast<std::size_t>(member)].steps);
      }
      EXPECT_LE(*lengths.rbegin() - *lengths.begin(), *lengths.rbegin() / 50);
    }
  }
}

// The mean of k contenders after t epochs is worth -training/t - 1/k: doubling t to its present
// value has bought training/t, doubling k from half of four has bought 1/4.
std::int32_t LastRungWhenTrainingBuys(double training) {
  SampleField field(2, kEpoch, GetsBetter);
  field.mean_merit = [training](const SampleField &all, std::span<const std::int32_t> members) {
    double epochs = std::numeric_limits<double>::infinity();
    for (const std::int32_t member : members) {
      const Contender &contender = all.contenders()[static_cast<std::size_t>(member)];
      epochs = std::min(epochs, static_cast<double>(contender.steps) / kEpoch);
    }
    return -training / epochs - 1 / static_cast<double>(members.size());
  };
  SampleProposer proposer(40);
  const Outcome outcome = Halve(&field, &proposer, 100);
  EXPECT_GE(outcome.Used(100), 0.95 * 2 * 100);
  return outcome.LastRung();
}

TEST(TimedHalving, DoublesTheTrainingOnlyWhileMoreMembersBuyLess) {
  // Rungs end after 4, 8, 16, 32, 64 epochs; from the third on four are in it.
  EXPECT_EQ(LastRungWhenTrainingBuys(3), 2);
  EXPECT_EQ(LastRungWhenTrainingBuys(5), 3);
  EXPECT_EQ(LastRungWhenTrainingBuys(12), 4);
}

TEST(TimedHalving, LeavesOverfittersAndSowsNewSeeds) {
  SampleField field(2, kEpoch, Overfits);
  SampleProposer proposer(40);
  const Outcome outcome = Halve(&field, &proposer, 60);
  std::set<HiddenWidths> seeded;
  std::int64_t seeds = 0;
  for (const Contender &contender : field.contenders()) {
    // Three epochs, and a third of life, at least two, without a new best.
    EXPECT_LE(contender.steps, 6 * kEpoch);
    if (contender.origin < 0) continue;
    ++seeds;
    seeded.insert(contender.widths);
  }
  EXPECT_GT(seeds, 50);
  EXPECT_EQ(seeded.size(), 4u);  // of the best four
  EXPECT_GE(outcome.Used(60), 0.95 * 2 * 60);
}

TEST(TimedHalving, EndsWhenAllDiverge) {
  for (const std::int32_t threads : {1, 16}) {
    SampleField field(threads, kEpoch,
                      [](const Contender &, std::int64_t) { return std::nan(""); });
    SampleProposer proposer(30);
    const Outcome outcome = Halve(&field, &proposer, 60);
    EXPECT_EQ(field.contenders().size(), outcome.strategy->first_candidates());
    EXPECT_EQ(proposer.told.size(), field.contenders().size());
    for (const auto &[proposal, merit] : proposer.told) EXPECT_TRUE(std::isnan(merit));
    EXPECT_EQ(field.alive(), 0);
  }
}

TEST(TimedHalving, GoesOnWithoutThoseThatDiverge) {
  SampleField field(2, kEpoch, [](const Contender &contender, std::int64_t steps) {
    return contender.widths.front() % 16 == 0 ? std::nan("") : GetsBetter(contender, steps);
  });
  SampleProposer proposer(100);
  const Outcome outcome = Halve(&field, &proposer, 20);
  EXPECT_GE(outcome.LastRung(), 2);
  for (const std::int32_t member : outcome.MembersOf(1)) {
    EXPECT_NE(field.contenders()[static_cast<std::size_t>(member)].widths.front() % 16, 0);
  }
  EXPECT_GE(outcome.Used(20), 0.95 * 2 * 20);
}

TEST(TimedHalving, TrainsTheEightCheapestWhenAllAreTooDear) {
  SampleField field(1, kEpoch, GetsBetter);
  field.step_seconds = [](const HiddenWidths &widths) { return 1e-3 * widths.front(); };
  SampleProposer proposer(4680);
  const Outcome outcome = Halve(&field, &proposer, 10);  // an epoch of the cheapest takes 0.8 s
  EXPECT_EQ(outcome.strategy->first_candidates(), 8);
  EXPECT_LT(outcome.strategy->first_steps(), kEpoch);
  for (const Contender &contender : field.contenders()) EXPECT_LE(contender.widths.front(), 64);
  EXPECT_GE(outcome.LastRung(), 1);
}

TEST(TimedHalving, TellsALearningProposerOfEachFirstRungOnce) {
  SampleField field(3, kEpoch, GetsBetter);
  SampleProposer proposer(400, /*learns=*/true);
  const Outcome outcome = Halve(&field, &proposer, 30);
  const auto first = static_cast<std::int64_t>(outcome.strategy->first_steps());
  std::set<HiddenWidths> told;
  for (const auto &[proposal, merit] : proposer.told) {
    EXPECT_TRUE(told.insert(proposal.widths).second) << ArchitectureName(proposal.widths);
    EXPECT_FLOAT_EQ(proposal.dropout, 0.2f);
    // After as many mini-batches for all of them.
    Contender contender;
    contender.widths = proposal.widths;
    EXPECT_DOUBLE_EQ(merit, GetsBetter(contender, first));
  }
  for (const std::int32_t member : outcome.MembersOf(0)) {
    EXPECT_EQ(told.count(field.contenders()[static_cast<std::size_t>(member)].widths), 1u);
  }
  EXPECT_GT(told.size(), outcome.MembersOf(0).size()) << "no thread asked for further ones";
  // Those after the first eight are asked for one by one.
  EXPECT_EQ(proposer.told_at_proposal[7], 0u);
  EXPECT_GT(proposer.told_at_proposal[12], 0u);
}

TEST(TimedHalving, TakesProposalsAsGoodAsItsBestIntoTheNextRung) {
  SampleField field(3, kEpoch, [](const Contender &contender, std::int64_t steps) {
    const auto behind = static_cast<double>(steps);
    return contender.widths.front() + behind / (behind + 1000);  // the later, the better
  });
  SampleProposer proposer(400, /*learns=*/true);
  const Outcome outcome = Halve(&field, &proposer, 60);
  const std::vector<std::int32_t> first = outcome.MembersOf(0);
  const std::vector<std::int32_t> last = outcome.MembersOf(outcome.LastRung());
  const auto joined = std::count_if(last.begin(), last.end(), [&](std::int32_t member) {
    return std::find(first.begin(), first.end(), member) == first.end();
  });
  EXPECT_GE(joined, 2);
}

TEST(TimedHalving, RespectsKAndUAndEtaAndMaxEpochs) {
  SampleField field(2, kEpoch, GetsBetter);
  SampleProposer proposer(100, /*learns=*/true);
  SelectionOptions options;
  options.k = 12;
  options.u = 3;
  options.eta = 2;
  options.max_epochs = 10;
  const Outcome outcome = Halve(&field, &proposer, 100, options);
  EXPECT_EQ(outcome.strategy->first_candidates(), 12);
  EXPECT_EQ(outcome.strategy->first_steps(), 3 * kEpoch);
  EXPECT_EQ(outcome.MembersOf(1).size(), 6u);
  std::int64_t most = 0;
  std::int64_t candidates = 0;
  for (const Contender &contender : field.contenders()) {
    most = std::max(most, contender.steps);
    candidates += contender.origin < 0 ? 1 : 0;
  }
  EXPECT_EQ(most, 10 * kEpoch);
  EXPECT_EQ(candidates, 12) << "k is the number of candidates that are trained";
}

TEST(TimedHalving, FindsTheNumberOfCandidatesForAGivenU) {
  SampleField field(1, kEpoch, GetsBetter);
  SampleProposer proposer(100);
  SelectionOptions options;
  options.u = 2;
  const Outcome outcome = Halve(&field, &proposer, 9, options);  // 3 s for 0.2 s each
  EXPECT_EQ(outcome.strategy->first_candidates(), 15);
  EXPECT_EQ(outcome.strategy->first_steps(), 2 * kEpoch);
}

TEST(TimedHalving, TrainsTheCheapestFirstWhenThereIsAGoodEnough) {
  SampleField field(1, kEpoch, GetsBetter);
  field.step_seconds = [](const HiddenWidths &widths) { return 1.0 / (100 * widths.front()); };
  SampleProposer proposer(100);
  SelectionOptions options;
  options.stop_at = 0.9;
  const Outcome outcome = Halve(&field, &proposer, 60, options);
  std::int32_t before = 1 << 20;
  for (const std::int32_t member : outcome.MembersOf(0)) {
    const std::int32_t width = field.contenders()[static_cast<std::size_t>(member)].widths.front();
    EXPECT_LT(width, before);
    before = width;
  }
}

TEST(TimedHalving, PassesCandidatesThroughAMemoryForSix) {
  SampleField field(2, kEpoch, GetsBetter);
  field.fits = [](const SampleField &f, const HiddenWidths &) { return f.alive() < 6; };
  SampleProposer proposer(100);
  const Outcome outcome = Halve(&field, &proposer, 60);
  EXPECT_EQ(outcome.MembersOf(0).size(), 24u);
  // The best of them is still there at the end.
  double best = 0;
  for (const Contender &c : field.contenders()) best = std::max(best, Talent(c.widths));
  double last = 0;
  for (const std::int32_t member : outcome.MembersOf(outcome.LastRung())) {
    last = std::max(last, Talent(field.contenders()[static_cast<std::size_t>(member)].widths));
  }
  EXPECT_EQ(last, best);
}

TEST(TimedHalving, KeepsTheSurvivorsOfAShortList) {
  SampleField field(1, kEpoch, GetsBetter);
  SampleProposer proposer(6);
  const Outcome outcome = Halve(&field, &proposer, 20);
  EXPECT_EQ(outcome.strategy->first_candidates(), 6);
  EXPECT_EQ(outcome.MembersOf(1).size(), 4u);
}

TEST(TimedHalving, EndsALateFirstRungWithThoseItHas) {
  SampleField field(1, kEpoch, GetsBetter);
  // Three times as slow as it seemed: 24 would take all the time.
  field.step_seconds = [&](const HiddenWidths &) {
    return field.seconds_left < 60 ? 0.015 : 0.005;
  };
  SampleProposer proposer(100);
  const Outcome outcome = Halve(&field, &proposer, 60);
  EXPECT_EQ(outcome.strategy->first_steps(), 167);
  EXPECT_EQ(outcome.strategy->first_candidates(), 11);  // 2.5 s each, begun before 25 s are over
  ASSERT_GE(outcome.LastRung(), 1);
}

TEST(TimedHalving, SharesMiniBatchesOnlyWhenNothingElseUsesTheThreads) {
  SampleField field(4, kEpoch, GetsBetter);
  SampleProposer proposer(1);
  const Outcome outcome = Halve(&field, &proposer, 20);
  ASSERT_GE(outcome.all.size(), 3u);
  EXPECT_EQ(outcome.all[0].work.threads, 4);  // nobody to draw new seeds of
  EXPECT_EQ(outcome.all[1].work.threads, 1);
  EXPECT_EQ(outcome.all[2].work.stage, Stage::kSeeds);
}

TEST(TimedHalving, LeavesTinyMiniBatchesToOneThread) {
  SampleField field(4, kEpoch, GetsBetter);
  field.step_seconds = [](const HiddenWidths &) { return 1e-5; };
  SampleProposer proposer(1);
  for (const Carried &carried : Halve(&field, &proposer, 0.1).all) {
    EXPECT_EQ(carried.work.threads, 1);
  }
}

TEST(TimedHalving, DoesNothingWithoutTime) {
  SampleField field(1, kEpoch, GetsBetter);
  SampleProposer proposer(30);
  EXPECT_TRUE(Halve(&field, &proposer, 1e-6).all.empty());
}

}  // namespace
}  // namespace trails
