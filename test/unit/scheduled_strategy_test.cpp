#include "core/coordinator/scheduled_strategy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <vector>

#include "sample_field.h"
#include "trails/error.h"

namespace trails {
namespace {

constexpr std::int64_t kEpoch = 50;  // mini-batches

// Later contenders are better, and each gets better as it trains.
double ByNumber(const Contender &contender, std::int64_t steps) {
  return contender.number + 1 - 1.0 / static_cast<double>(steps);
}

double Diverge(const Contender &, std::int64_t) {
  return std::nan("");
}

SelectionOptions FixedPlan(Refinement kind, std::int64_t k, std::int64_t u) {
  SelectionOptions options;
  options.refinement = kind;
  options.n = 100;
  options.k = k;
  options.u = u;
  return options;
}

// Mini-batches of each contender.
std::map<std::int32_t, std::int64_t> StepsOf(const SampleField &field) {
  std::map<std::int32_t, std::int64_t> steps;
  for (const Contender &contender : field.contenders()) {
    steps[contender.number] = contender.steps;
  }
  return steps;
}

std::int64_t MostSteps(const SampleField &field) {
  std::int64_t most = 0;
  for (const Contender &contender : field.contenders()) most = std::max(most, contender.steps);
  return most;
}

TEST(ScheduledStrategy, CarriesOutHalvingAndTrainsTheWinnerOn) {
  SampleProposer proposer(20);
  SampleField field(2, kEpoch, ByNumber);
  const auto strategy = MakeStrategy(FixedPlan(Refinement::kHalving, 9, 2), &proposer);
  const std::vector<Carried> all = CarryOut(strategy.get(), &field);
  EXPECT_EQ(strategy->first_candidates(), 9);
  EXPECT_EQ(strategy->first_steps(), 2 * kEpoch);
  std::map<std::int32_t, std::int64_t> expected;
  for (std::int32_t c = 0; c < 6; ++c) expected[c] = 2 * kEpoch;
  expected[6] = expected[7] = 6 * kEpoch;
  expected[8] = 18 * kEpoch;
  EXPECT_EQ(StepsOf(field), expected);
  std::map<Stage, std::set<std::int32_t>> rungs;
  for (const Carried &each : all) rungs[each.work.stage].insert(each.work.rung);
  EXPECT_EQ(rungs[Stage::kRung], (std::set<std::int32_t>{0, 1}));
  EXPECT_EQ(rungs[Stage::kFinal], (std::set<std::int32_t>{2}));
  EXPECT_EQ(field.alive(), 1);
}

TEST(ScheduledStrategy, CarriesOutRejectAndUniform) {
  {
    // Rounds of 1, 2 and 3 epochs with 6, 3 and 2 left; then three times as long.
    SampleProposer proposer(6);
    SampleField field(1, kEpoch, ByNumber);
    CarryOut(MakeStrategy(FixedPlan(Refinement::kReject, 6, 1), &proposer).get(), &field);
    EXPECT_EQ(StepsOf(field), (std::map<std::int32_t, std::int64_t>{{0, 1 * kEpoch},
                                                                    {1, 1 * kEpoch},
                                                                    {2, 1 * kEpoch},
                                                                    {3, 2 * kEpoch},
                                                                    {4, 3 * kEpoch},
                                                                    {5, 9 * kEpoch}}));
  }
  SampleProposer proposer(3);
  SampleField field(1, kEpoch, ByNumber);
  CarryOut(MakeStrategy(FixedPlan(Refinement::kUniform, 3, 4), &proposer).get(), &field);
  EXPECT_EQ(StepsOf(field), (std::map<std::int32_t, std::int64_t>{
                                {0, 4 * kEpoch}, {1, 4 * kEpoch}, {2, 12 * kEpoch}}));
}

TEST(ScheduledStrategy, TrainsNobodyPastTheCap) {
  for (const Refinement kind : {Refinement::kHalving, Refinement::kReject, Refinement::kUniform}) {
    for (const std::int64_t u : {2, 9}) {
      SelectionOptions options = FixedPlan(kind, 12, u);
      options.max_epochs = 5;
      SampleProposer proposer(12);
      SampleField field(4, kEpoch, ByNumber);
      const auto strategy = MakeStrategy(options, &proposer);
      CarryOut(strategy.get(), &field);
      EXPECT_EQ(MostSteps(field), 5 * kEpoch);
      EXPECT_EQ(strategy->first_steps(), std::min<std::int64_t>(u, 5) * kEpoch);
    }
  }
}

// What is trained, and by how many threads each mini-batch, is the same whatever the threads'
// speed.
TEST(ScheduledStrategy, IsTheSameWhateverTakesHowLong) {
  using Work = std::tuple<std::int32_t, std::int64_t, std::int64_t, std::int32_t, std::int32_t>;
  std::vector<std::set<Work>> plans;
  for (const double slow : {0.0, 1.0, 30.0}) {
    SampleProposer proposer(18, true);
    SampleField field(4, kEpoch, ByNumber);
    field.step_seconds = [slow](const HiddenWidths &widths) {
      return 0.001 * (1 + slow * ((widths[0] / 8) % 5));
    };
    std::set<Work> works;
    for (const Carried &each :
         CarryOut(MakeStrategy(FixedPlan(Refinement::kHalving, 18, 3), &proposer).get(), &field)) {
      works.insert(
          {each.work.contender, each.from, each.work.until, each.work.rung, each.work.threads});
    }
    plans.push_back(works);
  }
  EXPECT_EQ(plans[0], plans[1]);
  EXPECT_EQ(plans[0], plans[2]);
}

TEST(ScheduledStrategy, FreesWhoIsLeftBehindBeforeTheNextRound) {
  SampleProposer proposer(9);
  SampleField field(1, kEpoch, ByNumber);
  const auto strategy = MakeStrategy(FixedPlan(Refinement::kHalving, 9, 1), &proposer);
  std::optional<Assignment> work = strategy->Next(&field);
  for (; work && work->rung == 0; work = strategy->Next(&field)) {
    EXPECT_EQ(field.alive(), 9);
    field.Begin(*work);
    field.End(*work);
  }
  ASSERT_TRUE(work.has_value());
  EXPECT_EQ(field.alive(), 3);
}

TEST(ScheduledStrategy, LetsAllThreadsShareTheLastOnes) {
  SampleProposer proposer(9);
  SampleField field(6, kEpoch, ByNumber);
  for (const Carried &each :
       CarryOut(MakeStrategy(FixedPlan(Refinement::kHalving, 9, 1), &proposer).get(), &field)) {
    EXPECT_EQ(each.work.threads, each.work.stage == Stage::kFinal ? 6
                                 : each.work.rung == 0            ? 1
                                                                  : 2);
  }
}

// The budget may end a fixed plan at any moment: each candidate has its share then.
TEST(ScheduledStrategy, TrainsByTurnsTheCheapestFirst) {
  SampleProposer proposer(4);
  SampleField field(1, kEpoch, ByNumber);
  field.step_seconds = [](const HiddenWidths &widths) { return 1.0 + (widths[0] * 3) % 40; };
  const std::vector<Carried> all =
      CarryOut(MakeStrategy(FixedPlan(Refinement::kUniform, 4, 3), &proposer).get(), &field);
  ASSERT_GE(all.size(), 12U);
  // 8, 16, 24 and 32 units take 25, 9, 33 and 17 s.
  const std::vector<std::int32_t> cheapest_first = {1, 3, 0, 2};
  for (std::size_t i = 0; i < 12; ++i) {
    EXPECT_EQ(all[i].work.contender, cheapest_first[i % 4]) << i;
    EXPECT_EQ(all[i].work.until, static_cast<std::int64_t>(i / 4 + 1) * kEpoch) << i;
  }
}

// Begun last, the dearest would end alone: one thread begins with it, the others with the cheapest.
TEST(ScheduledStrategy, GivesOneOfSeveralThreadsTheLongestWay) {
  SampleProposer proposer(5);
  SampleField field(3, kEpoch, ByNumber);
  field.step_seconds = [](const HiddenWidths &widths) { return widths[0] == 24 ? 10.0 : 1.0; };
  const std::vector<Carried> all =
      CarryOut(MakeStrategy(FixedPlan(Refinement::kUniform, 5, 2), &proposer).get(), &field);
  EXPECT_EQ(all[0].work.contender, 2);
  EXPECT_EQ(all[1].work.contender, 0);
  EXPECT_EQ(all[2].work.contender, 1);
  for (const Carried &each : all) {
    // The others have ended both of their epochs long before the second one of contender 2 begins.
    if (each.work.stage != Stage::kRung) continue;
    EXPECT_LE(each.end, each.work.contender == 2 ? 1000 : 200);
  }
}

TEST(TimedSchedule, StartsWithTheLongestWayToGo) {
  SelectionOptions options;
  options.refinement = Refinement::kUniform;
  options.k = 4;
  SampleProposer proposer(4);
  SampleField field(1, kEpoch, ByNumber);
  field.seconds_left = 60;
  field.step_seconds = [](const HiddenWidths &widths) { return widths[0] == 24 ? 0.02 : 0.01; };
  const auto strategy = MakeStrategy(options, &proposer);
  EXPECT_EQ(strategy->Next(&field)->contender, 2);
}

TEST(ScheduledStrategy, TakesAsManyAsThereAre) {
  SampleProposer proposer(4);
  SampleField field(1, kEpoch, ByNumber);
  const auto strategy = MakeStrategy(FixedPlan(Refinement::kHalving, 30, 1), &proposer);
  CarryOut(strategy.get(), &field);
  EXPECT_EQ(strategy->first_candidates(), 4);
  EXPECT_EQ(MostSteps(field), 3 * kEpoch);
}

TEST(ScheduledStrategy, TrainsASingleCandidate) {
  for (const Refinement kind : {Refinement::kHalving, Refinement::kReject, Refinement::kUniform}) {
    SampleProposer proposer(4);
    SampleField field(3, kEpoch, ByNumber);
    for (const Carried &each :
         CarryOut(MakeStrategy(FixedPlan(kind, 1, 2), &proposer).get(), &field)) {
      EXPECT_EQ(each.work.threads, 3);
    }
    EXPECT_EQ(StepsOf(field), (std::map<std::int32_t, std::int64_t>{{0, 6 * kEpoch}}));
    EXPECT_EQ(proposer.told.size(), 1U);
  }
}

TEST(ScheduledStrategy, TrainsASingleCandidateThatDivergesNoFurther) {
  SampleProposer proposer(1);
  SampleField field(1, kEpoch, [](const Contender &contender, std::int64_t steps) {
    return steps > kEpoch ? std::nan("") : ByNumber(contender, steps);
  });
  CarryOut(MakeStrategy(FixedPlan(Refinement::kHalving, 1, 3), &proposer).get(), &field);
  EXPECT_EQ(field.alive(), 0);
  EXPECT_TRUE(std::isnan(proposer.told.at(0).second));
}

TEST(ScheduledStrategy, EndsWithoutCandidates) {
  SampleProposer proposer(0);
  SampleField field(1, kEpoch, ByNumber);
  const auto strategy = MakeStrategy(FixedPlan(Refinement::kHalving, 3, 1), &proposer);
  EXPECT_TRUE(CarryOut(strategy.get(), &field).empty());
  EXPECT_EQ(strategy->first_candidates(), 0);
}

TEST(ScheduledStrategy, EndsWhenAllDiverge) {
  for (const Refinement kind : {Refinement::kHalving, Refinement::kReject, Refinement::kUniform}) {
    for (const std::int32_t threads : {1, 4}) {
      for (const bool learns : {false, true}) {
        SampleProposer proposer(9, learns);
        SampleField field(threads, kEpoch, Diverge);
        EXPECT_EQ(CarryOut(MakeStrategy(FixedPlan(kind, 9, 2), &proposer).get(), &field).size(),
                  9U);
        EXPECT_EQ(field.alive(), 0);
        ASSERT_EQ(proposer.told.size(), 9U);
        for (const auto &[proposal, merit] : proposer.told) EXPECT_TRUE(std::isnan(merit));
      }
    }
  }
}

// Contender 8 is the best until it diverges in the second round; 7 wins.
TEST(ScheduledStrategy, ForgetsTheMeritOfWhoDiverged) {
  SampleProposer proposer(9);
  SampleField field(2, kEpoch, [](const Contender &contender, std::int64_t steps) {
    return contender.number == 8 && steps > kEpoch ? std::nan("") : ByNumber(contender, steps);
  });
  const std::vector<Carried> all =
      CarryOut(MakeStrategy(FixedPlan(Refinement::kHalving, 9, 1), &proposer).get(), &field);
  EXPECT_EQ(all.back().work.stage, Stage::kFinal);
  EXPECT_EQ(all.back().work.contender, 7);
}

TEST(ScheduledStrategy, ProposesTheSecondHalfFromTheFirst) {
  SampleProposer proposer(20, true);
  SampleField field(2, kEpoch, ByNumber);
  field.step_seconds = [](const HiddenWidths &widths) { return 1.0 / widths[0]; };
  CarryOut(MakeStrategy(FixedPlan(Refinement::kHalving, 9, 1), &proposer).get(), &field);
  const std::vector<std::size_t> expected = {0, 0, 0, 0, 0, 5, 5, 5, 5};
  EXPECT_EQ(proposer.told_at_proposal, expected);
  ASSERT_EQ(proposer.told.size(), 9U);
  for (std::size_t i = 0; i < proposer.told.size(); ++i) {
    EXPECT_EQ(proposer.told[i].first.widths, HiddenWidths({8 * (static_cast<int>(i) + 1)}));
    EXPECT_EQ(proposer.told[i].second, field.contenders()[i].looks[0].merit);
  }
}

TEST(ScheduledStrategy, EntersWhatMemoryHolds) {
  SampleProposer proposer(20);
  SampleField field(2, kEpoch, ByNumber);
  // Room for three; never for the first candidate.
  field.fits = [](const SampleField &full, const HiddenWidths &widths) {
    return widths[0] != 8 && full.alive() < 3;
  };
  const auto strategy = MakeStrategy(FixedPlan(Refinement::kHalving, 9, 1), &proposer);
  CarryOut(strategy.get(), &field);
  EXPECT_EQ(strategy->first_candidates(), 3);
  EXPECT_EQ(field.contenders()[0].widths, HiddenWidths({16}));
  EXPECT_EQ(MostSteps(field), 3 * kEpoch);
}

// ---- against the clock

SelectionOptions Timed(Refinement kind) {
  SelectionOptions options;
  options.refinement = kind;
  return options;
}

// Of all threads.
double SecondsUsed(const std::vector<Carried> &all, double deadline) {
  double used = 0;
  for (const Carried &each : all) {
    used += (std::min(each.end, deadline) - each.begin) * each.work.threads;
  }
  return used;
}

TEST(TimedSchedule, UsesTheTimeOfAllThreads) {
  for (const Refinement kind : {Refinement::kReject, Refinement::kUniform}) {
    for (const std::int32_t threads : {1, 2, 4}) {
      for (const bool learns : {false, true}) {
        for (const double seconds : {2.0, 60.0}) {
          SampleProposer proposer(200, learns);
          SampleField field(threads, kEpoch, ByNumber);
          field.seconds_left = seconds;
          const auto strategy = MakeStrategy(Timed(kind), &proposer);
          const std::vector<Carried> all = CarryOut(strategy.get(), &field);
          EXPECT_EQ(strategy->first_candidates(), 24);
          EXPECT_GT(SecondsUsed(all, seconds), 0.95 * seconds * threads)
              << Name(kind) << " " << threads << " " << learns << " " << seconds;
        }
      }
    }
  }
}

TEST(TimedSchedule, TakesFewerCandidatesInLessTime) {
  SampleProposer proposer(200);
  SampleField field(2, kEpoch, ByNumber);
  field.seconds_left = 15 * 0.001 * kEpoch / 2;  // an epoch for 15
  const auto strategy = MakeStrategy(Timed(Refinement::kUniform), &proposer);
  CarryOut(strategy.get(), &field);
  EXPECT_EQ(strategy->first_candidates(), 15);
}

// Best after three epochs.
double StopsEarly(const Contender &contender, std::int64_t steps) {
  return ByNumber(contender, std::min(steps, 3 * kEpoch));
}

// Those that the schedule was over for have some way to go, then all train equally long.
TEST(TimedSchedule, TrainsTheBestOnInTheTimeLeft) {
  for (const Refinement kind : {Refinement::kReject, Refinement::kUniform}) {
    for (const std::int32_t threads : {1, 2, 4}) {
      SelectionOptions options = Timed(kind);
      options.k = 6;
      options.u = 1;
      SampleProposer proposer(200);
      SampleField field(threads, kEpoch, ByNumber);
      field.seconds_left = 20;
      const std::vector<Carried> all = CarryOut(MakeStrategy(options, &proposer).get(), &field);
      EXPECT_GT(SecondsUsed(all, 20), 0.99 * 20 * threads) << Name(kind) << " " << threads;
      EXPECT_LE(field.contenders()[0].steps, kEpoch);
      EXPECT_LE(field.contenders()[1].steps, kind == Refinement::kReject ? 60 : kEpoch);
      for (std::size_t c = 2; c < 6; ++c) {
        const Contender &contender = field.contenders()[c];
        EXPECT_NEAR(static_cast<double>(contender.steps), 5000 * threads, 150 * threads)
            << Name(kind) << " " << threads << " " << c;
      }
    }
  }
}

// The best four by merit, whatever place the schedule left them in; and it leaves out who stopped.
TEST(TimedSchedule, GoesOnWithWhoGetsBetter) {
  SelectionOptions options = Timed(Refinement::kReject);
  options.k = 6;
  options.u = 4;
  SampleProposer proposer(200);
  SampleField field(1, kEpoch, [](const Contender &contender, std::int64_t steps) {
    return contender.number == 5 ? StopsEarly(contender, steps) : ByNumber(contender, steps);
  });
  field.seconds_left = 30;
  CarryOut(MakeStrategy(options, &proposer).get(), &field);
  EXPECT_TRUE(field.contenders()[5].dropped);
  EXPECT_EQ(field.contenders()[5].steps, 12 * kEpoch);  // as the schedule wants it
  EXPECT_GT(field.contenders()[4].steps, 12 * kEpoch);
  EXPECT_EQ(field.contenders()[1].steps, 4 * kEpoch + kEpoch * 4 / 5);
}

// Two of three contenders are on a thread each, then the third one alone: the other thread begins
// the next round with who is certain to be in it.
TEST(TimedSchedule, BeginsTheNextRoundInsteadOfWaiting) {
  SelectionOptions options = Timed(Refinement::kReject);
  options.k = 3;
  options.u = 1;
  SampleProposer proposer(200);
  SampleField field(2, kEpoch, ByNumber);
  field.seconds_left = 0.4;
  const std::vector<Carried> all = CarryOut(MakeStrategy(options, &proposer).get(), &field);
  ASSERT_GE(all.size(), 6U);
  const auto ahead =
      std::find_if(all.begin(), all.end(), [](const Carried &each) { return each.work.rung == 1; });
  ASSERT_NE(ahead, all.end());
  EXPECT_EQ(ahead->work.contender, 1);
  EXPECT_EQ(ahead->from, kEpoch);
  EXPECT_EQ(ahead->work.until, 3 * kEpoch / 2);
  EXPECT_EQ(ahead->begin, 0.05);
  EXPECT_GT(SecondsUsed(all, 0.4), 0.9 * 2 * 0.4);
  // With costs of all kinds and a clock that is up before the schedule is through, too.
  for (const std::int32_t threads : {2, 3, 4}) {
    SampleProposer others(200);
    SampleField varied(threads, kEpoch, ByNumber);
    varied.seconds_left = 10;
    varied.step_seconds = [](const HiddenWidths &widths) { return 1e-4 * (1 + widths[0] % 56); };
    EXPECT_GT(
        SecondsUsed(CarryOut(MakeStrategy(Timed(Refinement::kReject), &others).get(), &varied), 10),
        (threads == 2 ? 0.95 : 0.9) * 10 * threads)
        << threads;
  }
}

// A seed between the rounds of sr would delay the next one.
TEST(TimedSchedule, DrawsSeedsAfterTheLastRound) {
  SampleProposer proposer(200);
  SampleField field(4, kEpoch, StopsEarly);
  field.seconds_left = 20;
  const std::vector<Carried> all =
      CarryOut(MakeStrategy(Timed(Refinement::kReject), &proposer).get(), &field);
  bool seeds = false;
  for (const Carried &each : all) {
    seeds = seeds || each.work.stage == Stage::kSeeds;
    EXPECT_EQ(each.work.stage == Stage::kSeeds, seeds);
  }
  EXPECT_TRUE(seeds);
}

// No candidate ends an epoch in an eighth of the time but three at the list's end.
TEST(TimedSchedule, PrefersWhoEndsAnEpochAndFillsUpWithOthers) {
  SampleProposer proposer(200);
  SampleField field(1, kEpoch, ByNumber);
  field.seconds_left = 8;
  field.step_seconds = [](const HiddenWidths &widths) {
    return widths[0] > 8 * 197 ? 0.001 : 0.03;
  };
  const auto strategy = MakeStrategy(Timed(Refinement::kReject), &proposer);
  CarryOut(strategy.get(), &field);
  EXPECT_EQ(strategy->first_candidates(), 8);
  EXPECT_EQ(field.contenders()[2].widths, HiddenWidths({8 * 200}));
  EXPECT_EQ(field.contenders()[3].widths, HiddenWidths({8}));
  EXPECT_LT(strategy->first_steps(), kEpoch);
  EXPECT_GT(strategy->first_steps(), 1);
}

TEST(TimedSchedule, KeepsToWhatIsFixed) {
  SelectionOptions options = Timed(Refinement::kReject);
  options.k = 5;
  options.u = 3;
  options.max_epochs = 6;
  SampleProposer proposer(200);
  SampleField field(2, kEpoch, ByNumber);
  field.seconds_left = 30;
  const auto strategy = MakeStrategy(options, &proposer);
  CarryOut(strategy.get(), &field);
  EXPECT_EQ(strategy->first_candidates(), 5);
  EXPECT_EQ(strategy->first_steps(), 3 * kEpoch);
  EXPECT_EQ(MostSteps(field), 6 * kEpoch);
}

// Without a deadline the schedule's end is the end.
TEST(TimedSchedule, EndsWithoutADeadline) {
  SelectionOptions options = Timed(Refinement::kUniform);
  options.u = 3;
  options.k = 4;
  SampleProposer proposer(200);
  SampleField field(2, kEpoch, ByNumber);
  CarryOut(MakeStrategy(options, &proposer).get(), &field);
  EXPECT_EQ(field.contenders().size(), 4U);
  options.u.reset();
  SampleProposer others(200);
  SampleField empty(2, kEpoch, ByNumber);
  const auto strategy = MakeStrategy(options, &others);
  EXPECT_THROW(strategy->Next(&empty), Error);
}

TEST(TimedSchedule, EndsWhenAllDiverge) {
  for (const Refinement kind : {Refinement::kReject, Refinement::kUniform}) {
    SampleProposer proposer(200);
    SampleField field(2, kEpoch, Diverge);
    field.seconds_left = 60;
    CarryOut(MakeStrategy(Timed(kind), &proposer).get(), &field);
    EXPECT_EQ(field.contenders().size(), 24U);
  }
}

TEST(LongestFirstRound, FillsTheTime) {
  // Uniform: 6 candidates on 2 threads, a second a mini-batch: 3 s for each.
  const ScheduleShape shape{.k = 6, .u = 1, .eta = 3, .cap = {}};
  EXPECT_EQ(LongestFirstRound(Refinement::kUniform, shape, 2, 31, 1, 0, 50), 10);
  // A look after every five: 12 s for five with their look.
  EXPECT_EQ(LongestFirstRound(Refinement::kUniform, shape, 2, 36, 1, 1, 5), 10);
  EXPECT_EQ(LongestFirstRound(Refinement::kUniform, shape, 2, 0.5, 1, 0, 50), 1);
  ScheduleShape capped = shape;
  capped.cap = 4;
  EXPECT_EQ(LongestFirstRound(Refinement::kUniform, capped, 2, 1000, 1, 0, 50), 4);
  // Reject: 6 U + 5 (6/5 - 1) U + ..., all in whole mini-batches.
  const std::int64_t u = LongestFirstRound(Refinement::kReject, shape, 2, 1000, 1, 0, 50);
  const auto takes = [&](std::int64_t first) {
    ScheduleShape other = shape;
    other.u = first;
    std::int64_t before = 0;
    double total = 0;
    for (const RoundSize &round : RoundSizes(Refinement::kReject, other)) {
      total += static_cast<double>(round.candidates * (round.length - before)) / 2;
      before = round.length;
    }
    return total;
  };
  EXPECT_LE(takes(u), 1000);
  EXPECT_GT(takes(u + 1), 1000);
}

}  // namespace
}  // namespace trails
