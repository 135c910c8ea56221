#include "core/coordinator/asynchronous_halving.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "sample_field.h"

namespace trails {
namespace {

constexpr std::int64_t kEpoch = 50;  // mini-batches

// A random-looking order of the candidates that stays as they train.
double Merit(const Contender &contender, std::int64_t steps) {
  const double place = std::fmod((contender.widths[0] / 8) * 0.6180339887, 1.0);
  return place - 0.1 / static_cast<double>(steps);
}

double Diverge(const Contender &, std::int64_t) {
  return std::nan("");
}

SelectionOptions Asha() {
  SelectionOptions options;
  options.refinement = Refinement::kAsynchronousHalving;
  return options;
}

SelectionOptions Asha(std::int64_t k, std::int64_t u) {
  SelectionOptions options = Asha();
  options.n = 100;
  options.k = k;
  options.u = u;
  return options;
}

// Contenders that ended a rung of `steps` mini-batches, the best first.
std::vector<std::int32_t> RankedAt(const SampleField &field, std::int64_t steps) {
  std::vector<std::pair<double, std::int32_t>> ranked;
  for (const Contender &contender : field.contenders()) {
    if (contender.steps >= steps) ranked.emplace_back(-contender.merit, contender.number);
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::int32_t> numbers;
  for (const auto &[merit, number] : ranked) numbers.push_back(number);
  return numbers;
}

// Whoever is promoted is, at that moment, among the best one in three of those that ended the rung
// and nobody better waits. `all` is in the order of the beginnings, on one thread.
void ExpectPromotionsOfTheBest(const std::vector<Carried> &all, std::int64_t first_steps) {
  std::map<std::int32_t, std::vector<std::pair<double, std::int32_t>>> ended;  // [rung]
  std::map<std::int32_t, std::set<std::int32_t>> promoted;
  int promotions = 0;
  for (const Carried &each : all) {
    const std::int32_t rung = each.work.rung;
    const std::int32_t number = each.work.contender;
    const auto rung_end = static_cast<std::int64_t>(first_steps * std::pow(3, rung));
    if (rung > 0 && each.from == rung_end / 3) {
      ++promotions;
      auto &below = ended[rung - 1];
      std::sort(below.rbegin(), below.rend());
      const auto place = std::find_if(below.begin(), below.end(),
                                      [&](const auto &other) { return other.second == number; });
      EXPECT_LT(place - below.begin(), std::ssize(below) / 3);
      for (auto better = below.begin(); better != place; ++better) {
        EXPECT_TRUE(promoted[rung - 1].contains(better->second));
      }
      EXPECT_TRUE(promoted[rung - 1].insert(number).second) << "promoted twice";
    }
    if (each.work.until == rung_end) {
      Contender contender;
      contender.widths = {8 * (number + 1)};
      ended[rung].emplace_back(Merit(contender, rung_end), number);
    }
  }
  // Nobody was forgotten but those whom the end of the time kept.
  for (auto &[rung, ranked] : ended) {
    EXPECT_GE(std::ssize(promoted[rung]), std::ssize(ranked) / 3 - 1);
  }
  EXPECT_GT(promotions, 0);
}

TEST(AsynchronousHalving, PromotesTheBestOneInEta) {
  SampleProposer proposer(200);
  SampleField field(1, kEpoch, Merit);
  field.seconds_left = 40;
  const auto strategy = MakeStrategy(Asha(), &proposer);
  const std::vector<Carried> all = CarryOut(strategy.get(), &field);
  // A 60th of the time would be 667 mini-batches; four epochs are fewer.
  EXPECT_EQ(strategy->first_steps(), 4 * kEpoch);
  EXPECT_GT(strategy->first_candidates(), 27);
  ExpectPromotionsOfTheBest(all, 4 * kEpoch);
}

TEST(AsynchronousHalving, IsSuccessiveHalvingOnceAllHaveEntered) {
  for (const std::int32_t threads : {1, 4}) {
    SampleProposer proposer(50);
    SampleField field(threads, kEpoch, Merit);
    const auto strategy = MakeStrategy(Asha(27, 1), &proposer);
    const std::vector<Carried> all = CarryOut(strategy.get(), &field);
    EXPECT_EQ(strategy->first_candidates(), 27);
    EXPECT_EQ(strategy->first_steps(), kEpoch);
    // Rungs of one, three, nine and 27 epochs; a few may be promoted before better ones came.
    EXPECT_GE(RankedAt(field, 3 * kEpoch).size(), 9U);
    EXPECT_GE(RankedAt(field, 9 * kEpoch).size(), 3U);
    EXPECT_GE(RankedAt(field, 27 * kEpoch).size(), 1U);
    const std::vector<std::int32_t> ranked = RankedAt(field, kEpoch);
    const std::vector<std::int32_t> longer = RankedAt(field, 3 * kEpoch);
    for (std::size_t i = 0; i < 9; ++i) {
      EXPECT_TRUE(std::find(longer.begin(), longer.end(), ranked[i]) != longer.end());
    }
    EXPECT_EQ(RankedAt(field, 27 * kEpoch)[0], ranked[0]);
    for (const Carried &each : all) EXPECT_EQ(each.work.stage, Stage::kRung);
  }
}

TEST(AsynchronousHalving, PromotesFromTheHighestRungFirst) {
  SampleProposer proposer(12);
  SampleField field(12, kEpoch, Merit);
  const auto strategy = MakeStrategy(Asha(12, 1), &proposer);
  std::vector<Assignment> running;
  const auto begin = [&](int count) {
    for (int i = 0; i < count; ++i) {
      running.push_back(strategy->Next(&field).value());
      field.Begin(running.back());
    }
  };
  const auto end_all = [&] {
    for (const Assignment &work : running) field.End(work);
    running.clear();
  };
  begin(12);
  end_all();
  // Three of the four that may go on; a rung of three epochs takes two chunks.
  begin(3);
  while (!running.empty()) {
    const std::vector<Assignment> before = running;
    end_all();
    for (const Assignment &work : before) {
      EXPECT_EQ(work.rung, 1);
      if (work.until < 3 * kEpoch) begin(1);
    }
  }
  EXPECT_EQ(strategy->Next(&field).value().rung, 2);
}

TEST(AsynchronousHalving, ForgetsTheMeritOfWhoDiverged) {
  SampleProposer proposer(6);
  SampleField field(1, kEpoch, [](const Contender &contender, std::int64_t steps) {
    if (contender.number == 4 && steps == 4 * kEpoch) return std::nan("");
    return contender.number == 4 ? 2.0 : Merit(contender, steps);
  });
  const std::vector<Carried> all = CarryOut(MakeStrategy(Asha(6, 4), &proposer).get(), &field);
  EXPECT_FALSE(std::isnan(field.contenders()[4].merit));
  EXPECT_TRUE(std::isnan(proposer.told.at(4).second));
  std::set<std::int32_t> promoted;
  for (const Carried &each : all) {
    if (each.work.rung == 1) promoted.insert(each.work.contender);
  }
  EXPECT_EQ(promoted.size(), 2U);  // one in three of six
  EXPECT_FALSE(promoted.contains(4));
}

TEST(AsynchronousHalving, GivesTheLastOneAllThreads) {
  SampleProposer proposer(9);
  SampleField field(4, kEpoch, Merit);
  const std::vector<Carried> all = CarryOut(MakeStrategy(Asha(9, 1), &proposer).get(), &field);
  EXPECT_EQ(all.back().work.rung, 2);
  EXPECT_EQ(all.back().work.threads, 4);
  EXPECT_EQ(all.front().work.threads, 1);
}

TEST(AsynchronousHalving, IsTheSameOnOneThread) {
  std::vector<std::vector<std::pair<std::int32_t, std::int64_t>>> runs;
  for (int run = 0; run < 2; ++run) {
    SampleProposer proposer(30);
    SampleField field(1, kEpoch, Merit);
    if (run == 1) field.step_seconds = [](const HiddenWidths &widths) { return widths[0] * 1e-4; };
    runs.emplace_back();
    for (const Carried &each : CarryOut(MakeStrategy(Asha(20, 2), &proposer).get(), &field)) {
      runs.back().emplace_back(each.work.contender, each.work.until);
    }
  }
  EXPECT_EQ(runs[0], runs[1]);
}

TEST(AsynchronousHalving, TrainsNobodyPastTheCap) {
  SelectionOptions options = Asha(30, 2);
  options.max_epochs = 5;
  SampleProposer proposer(30);
  SampleField field(3, kEpoch, Merit);
  CarryOut(MakeStrategy(options, &proposer).get(), &field);
  std::int64_t most = 0;
  for (const Contender &contender : field.contenders()) most = std::max(most, contender.steps);
  EXPECT_EQ(most, 5 * kEpoch);
}

TEST(AsynchronousHalving, KeepsNoThreadWaiting) {
  for (const std::int32_t threads : {1, 2, 4}) {
    SampleProposer proposer(1000);
    SampleField field(threads, kEpoch, Merit);
    field.seconds_left = 30;
    // Candidates of very different cost.
    field.step_seconds = [](const HiddenWidths &widths) { return 1e-4 * (1 + widths[0] % 56); };
    double used = 0;
    for (const Carried &each : CarryOut(MakeStrategy(Asha(), &proposer).get(), &field)) {
      used += std::min(each.end, 30.0) - each.begin;
    }
    EXPECT_GT(used, 0.99 * 30 * threads) << threads;
  }
}

bool HasSeeds(const std::vector<Carried> &all) {
  return std::any_of(all.begin(), all.end(),
                     [](const Carried &each) { return each.work.stage == Stage::kSeeds; });
}

// Eight candidates for a minute: the best four train on as long as they get better.
TEST(AsynchronousHalving, TrainsTheBestOnInTheTimeLeft) {
  for (const std::int32_t threads : {1, 2, 4}) {
    SampleProposer proposer(8);
    SampleField field(threads, kEpoch, Merit);
    field.seconds_left = 60;
    const auto strategy = MakeStrategy(Asha(), &proposer);
    const std::vector<Carried> all = CarryOut(strategy.get(), &field);
    EXPECT_EQ(strategy->first_candidates(), 8);
    EXPECT_FALSE(HasSeeds(all)) << threads;
    double used = 0;
    for (const Carried &each : all) used += std::min(each.end, 60.0) - each.begin;
    EXPECT_GT(used, 0.99 * 60 * threads) << threads;
    const std::vector<std::int32_t> ranked = RankedAt(field, 1);
    std::int64_t of_the_best = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const auto number = static_cast<std::size_t>(ranked[i]);
      of_the_best += field.contenders()[number].steps;
      EXPECT_GE(field.contenders()[number].steps, 36 * kEpoch) << threads << " " << i;
    }
    EXPECT_GT(static_cast<double>(of_the_best), 0.85 * 60'000 * threads) << threads;
  }
}

TEST(AsynchronousHalving, GoesOnWithSeedsWhenNobodyGetsBetter) {
  SampleProposer proposer(4);
  SampleField field(2, kEpoch, [](const Contender &contender, std::int64_t steps) {
    return Merit(contender, std::min(steps, 6 * kEpoch));
  });
  field.seconds_left = 60;
  const auto strategy = MakeStrategy(Asha(), &proposer);
  const std::vector<Carried> all = CarryOut(strategy.get(), &field);
  EXPECT_EQ(strategy->first_candidates(), 4);
  EXPECT_TRUE(HasSeeds(all));
  // Best after six epochs, and a third of a life without a new best at nine.
  for (const Contender &contender : field.contenders()) {
    EXPECT_TRUE(contender.origin >= 0 || contender.steps <= 9 * kEpoch) << contender.number;
  }
}

TEST(AsynchronousHalving, EndsWhenAllDiverge) {
  for (const std::int32_t threads : {1, 4}) {
    SampleProposer proposer(30);
    SampleField field(threads, kEpoch, Diverge);
    field.seconds_left = 60;
    const std::vector<Carried> all = CarryOut(MakeStrategy(Asha(), &proposer).get(), &field);
    EXPECT_EQ(all.size(), 30U);
    EXPECT_EQ(field.alive(), 0);
    ASSERT_EQ(proposer.told.size(), 30U);
    for (const auto &[proposal, merit] : proposer.told) EXPECT_TRUE(std::isnan(merit));
  }
}

TEST(AsynchronousHalving, TellsEachResultOnceAtTheEndOfTheFirstRung) {
  SampleProposer proposer(12, true);
  SampleField field(1, kEpoch, Merit);
  CarryOut(MakeStrategy(Asha(12, 2), &proposer).get(), &field);
  ASSERT_EQ(proposer.told.size(), 12U);
  for (std::size_t i = 0; i < 12; ++i) {
    EXPECT_EQ(proposer.told[i].first.widths, field.contenders()[i].widths);
    EXPECT_EQ(proposer.told[i].second, Merit(field.contenders()[i], 2 * kEpoch));
    EXPECT_EQ(proposer.told_at_proposal[i], i);
  }
}

TEST(AsynchronousHalving, DropsTheWorstForANewOneWhenMemoryIsShort) {
  SampleProposer proposer(30);
  SampleField field(2, kEpoch, Merit);
  field.fits = [](const SampleField &full, const HiddenWidths &) { return full.alive() < 5; };
  const auto strategy = MakeStrategy(Asha(30, 1), &proposer);
  CarryOut(strategy.get(), &field);
  EXPECT_EQ(strategy->first_candidates(), 30);
  EXPECT_GE(RankedAt(field, 9 * kEpoch).size(), 1U);
}

TEST(AsynchronousHalving, LeavesOutWhatMemoryNeverHolds) {
  SampleProposer proposer(30);
  SampleField field(1, kEpoch, Merit);
  field.fits = [](const SampleField &, const HiddenWidths &widths) { return widths[0] <= 80; };
  const auto strategy = MakeStrategy(Asha(30, 1), &proposer);
  CarryOut(strategy.get(), &field);
  EXPECT_EQ(strategy->first_candidates(), 10);
}

TEST(RegularisedEvolution, TrainsEveryoneForTheFirstRungOnly) {
  SelectionOptions options;
  options.refinement = Refinement::kEvolution;
  options.k = 40;
  SampleProposer proposer(100, true);
  SampleField field(2, kEpoch, Merit);
  const auto strategy = MakeStrategy(options, &proposer);
  for (const Carried &each : CarryOut(strategy.get(), &field)) EXPECT_EQ(each.work.rung, 0);
  EXPECT_EQ(strategy->first_candidates(), 40);
  EXPECT_EQ(proposer.told.size(), 40U);
  for (const Contender &contender : field.contenders()) {
    EXPECT_EQ(contender.steps, 4 * kEpoch);
    EXPECT_TRUE(contender.dropped);
  }
}

}  // namespace
}  // namespace trails
