#include "core/coordinator/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "trails/error.h"

namespace trails {
namespace {

using Candidates = std::vector<std::int32_t>;
using Rounds = std::vector<std::pair<Candidates, std::int64_t>>;
using ScoreOf = std::function<double(std::int32_t candidate, std::int64_t length)>;

const double kNan = std::nan("");

// Later candidates are better.
double ByNumber(std::int32_t candidate, std::int64_t) {
  return candidate;
}

Rounds CarryOut(Schedule *schedule, const ScoreOf &score) {
  Rounds rounds;
  while (const std::optional<Round> round = schedule->Next()) {
    rounds.emplace_back(round->candidates, round->length);
    std::vector<double> scores;
    for (const std::int32_t candidate : round->candidates) {
      scores.push_back(score(candidate, round->length));
    }
    schedule->Tell(scores);
  }
  return rounds;
}

TEST(Halving, KeepsOneInEtaForEtaTimesAsLong) {
  const auto schedule = MakeSchedule(Refinement::kHalving, {.k = 10, .u = 2, .eta = 3, .cap = {}});
  const Rounds expected = {{{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 2}, {{9, 8, 7}, 6}};
  EXPECT_EQ(CarryOut(schedule.get(), ByNumber), expected);
  EXPECT_EQ(schedule->left(), Candidates({9}));
  EXPECT_FALSE(schedule->Next().has_value());
}

TEST(Halving, EndsAtTheCapWithAllThatReachedIt) {
  const auto schedule = MakeSchedule(Refinement::kHalving, {.k = 9, .u = 2, .eta = 3, .cap = 5});
  const Rounds expected = {{{0, 1, 2, 3, 4, 5, 6, 7, 8}, 2}, {{8, 7, 6}, 5}};
  EXPECT_EQ(CarryOut(schedule.get(),
                     [](std::int32_t c, std::int64_t length) { return length == 5 ? -c : c; }),
            expected);
  EXPECT_EQ(schedule->left(), Candidates({6, 7, 8}));
}

TEST(Halving, TrainsOnceWhereUIsBeyondTheCap) {
  const auto schedule = MakeSchedule(Refinement::kHalving, {.k = 3, .u = 9, .eta = 3, .cap = 4});
  EXPECT_EQ(CarryOut(schedule.get(), ByNumber), (Rounds{{{0, 1, 2}, 4}}));
  EXPECT_EQ(schedule->left(), Candidates({2, 1, 0}));
}

TEST(Halving, DoesNotOverflow) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  const auto schedule =
      MakeSchedule(Refinement::kHalving, {.k = 9, .u = kMost / 2, .eta = 3, .cap = {}});
  const Rounds rounds = CarryOut(schedule.get(), ByNumber);
  ASSERT_EQ(rounds.size(), 2U);
  EXPECT_EQ(rounds[1].second, kMost);
}

// floor(6 / 6), (6 / 5), (6 / 4) = 1, (6 / 3) = 2, (6 / 2) = 3.
TEST(Reject, SkipsRoundsThatWouldNotTrainLonger) {
  const auto schedule = MakeSchedule(Refinement::kReject, {.k = 6, .u = 1, .eta = 3, .cap = {}});
  const Rounds expected = {{{0, 1, 2, 3, 4, 5}, 1}, {{5, 4, 3}, 2}, {{5, 4}, 3}};
  EXPECT_EQ(CarryOut(schedule.get(), ByNumber), expected);
  EXPECT_EQ(schedule->left(), Candidates({5}));
}

// floor(3 / 2) is no longer than floor(3 / 3): the second one goes without another round.
TEST(Reject, DropsByTheScoresAtHandAtTheEnd) {
  const auto schedule = MakeSchedule(Refinement::kReject, {.k = 3, .u = 1, .eta = 3, .cap = {}});
  EXPECT_EQ(CarryOut(schedule.get(), ByNumber), (Rounds{{{0, 1, 2}, 1}}));
  EXPECT_EQ(schedule->left(), Candidates({2}));
}

TEST(Reject, EndsAtTheCap) {
  const auto schedule = MakeSchedule(Refinement::kReject, {.k = 6, .u = 1, .eta = 3, .cap = 2});
  const Rounds expected = {{{0, 1, 2, 3, 4, 5}, 1}, {{5, 4, 3}, 2}};
  EXPECT_EQ(CarryOut(schedule.get(), ByNumber), expected);
  EXPECT_EQ(schedule->left(), Candidates({5, 4, 3}));
}

// The one that diverged is the worst: nobody else is dropped with it.
TEST(Reject, DropsTheDivergedOneInPlaceOfTheWorst) {
  const auto schedule = MakeSchedule(Refinement::kReject, {.k = 3, .u = 4, .eta = 3, .cap = {}});
  const Rounds expected = {{{0, 1, 2}, 4}, {{1, 0}, 6}};
  EXPECT_EQ(
      CarryOut(schedule.get(), [](std::int32_t c, std::int64_t) { return c == 2 ? kNan : c; }),
      expected);
  EXPECT_EQ(schedule->left(), Candidates({1}));
}

TEST(Uniform, TrainsAllOnceAndRanksThem) {
  const auto schedule = MakeSchedule(Refinement::kUniform, {.k = 4, .u = 7, .eta = 3, .cap = {}});
  EXPECT_EQ(schedule->left(), Candidates({0, 1, 2, 3}));
  EXPECT_EQ(CarryOut(schedule.get(), ByNumber), (Rounds{{{0, 1, 2, 3}, 7}}));
  EXPECT_EQ(schedule->left(), Candidates({3, 2, 1, 0}));
}

TEST(Schedules, KeepTheOrderOfEqualCandidates) {
  for (const Refinement kind : {Refinement::kHalving, Refinement::kReject, Refinement::kUniform}) {
    const auto schedule = MakeSchedule(kind, {.k = 9, .u = 1, .eta = 3, .cap = {}});
    CarryOut(schedule.get(), [](std::int32_t, std::int64_t) { return 0.5; });
    EXPECT_EQ(schedule->left().front(), 0);
  }
  // 8 is ahead of 7 in the first round, 7 and 8 are equal in the second.
  const auto schedule = MakeSchedule(Refinement::kHalving, {.k = 9, .u = 1, .eta = 3, .cap = {}});
  CarryOut(schedule.get(),
           [](std::int32_t c, std::int64_t length) { return length == 1 ? c : c / 7; });
  EXPECT_EQ(schedule->left(), Candidates({8}));
}

TEST(Schedules, NeverKeepWhoDiverged) {
  for (const Refinement kind : {Refinement::kHalving, Refinement::kReject, Refinement::kUniform}) {
    const auto schedule = MakeSchedule(kind, {.k = 9, .u = 1, .eta = 3, .cap = {}});
    const Rounds rounds =
        CarryOut(schedule.get(), [](std::int32_t c, std::int64_t) { return c > 1 ? kNan : -1.0; });
    EXPECT_EQ(schedule->left().front(), 0);
    for (std::size_t r = 1; r < rounds.size(); ++r) EXPECT_EQ(rounds[r].first, Candidates({0, 1}));
    const auto hopeless = MakeSchedule(kind, {.k = 9, .u = 1, .eta = 3, .cap = {}});
    EXPECT_EQ(CarryOut(hopeless.get(), [](std::int32_t, std::int64_t) { return kNan; }).size(), 1U);
    EXPECT_TRUE(hopeless->left().empty());
  }
}

// Only uniform, which compares nothing, trains a single candidate.
TEST(Schedules, LeaveASingleCandidateAlone) {
  for (const Refinement kind : {Refinement::kHalving, Refinement::kReject, Refinement::kUniform}) {
    const auto schedule = MakeSchedule(kind, {.k = 1, .u = 3, .eta = 3, .cap = {}});
    EXPECT_EQ(CarryOut(schedule.get(), ByNumber).size(), kind == Refinement::kUniform ? 1U : 0U);
    EXPECT_EQ(schedule->left(), Candidates({0}));
  }
}

TEST(RoundSizes, AreThoseOfTheScheduleCarriedOut) {
  for (const Refinement kind : {Refinement::kHalving, Refinement::kReject, Refinement::kUniform}) {
    for (const std::int64_t k : {1, 2, 7, 30}) {
      for (const std::int64_t cap : {3, 20, 1000}) {
        const ScheduleShape shape{.k = k, .u = 2, .eta = 3, .cap = cap};
        const auto schedule = MakeSchedule(kind, shape);
        const Rounds rounds = CarryOut(schedule.get(), ByNumber);
        const std::vector<RoundSize> sizes = RoundSizes(kind, shape);
        ASSERT_EQ(sizes.size(), rounds.size());
        for (std::size_t r = 0; r < sizes.size(); ++r) {
          EXPECT_EQ(sizes[r].candidates, std::ssize(rounds[r].first));
          EXPECT_EQ(sizes[r].length, rounds[r].second);
        }
      }
    }
  }
}

TEST(Schedules, RefuseWhatIsNoSchedule) {
  for (const Refinement kind : {Refinement::kAsynchronousHalving, Refinement::kEvolution}) {
    EXPECT_THROW(MakeSchedule(kind, {}), Error);
  }
  const auto schedule = MakeSchedule(Refinement::kUniform, {.k = 2, .u = 1, .eta = 3, .cap = {}});
  schedule->Next();
  EXPECT_THROW(schedule->Tell({0.5}), Error);
}

}  // namespace
}  // namespace trails
