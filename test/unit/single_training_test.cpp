// The strategy that trains one candidate: when it looks, and where it ends.
#include "core/coordinator/single_training.h"

#include <gtest/gtest.h>

#include "sample_field.h"

namespace trails {
namespace {

std::vector<std::int64_t> Looks(std::int64_t steps, std::int64_t epoch_steps,
                                std::int64_t look_steps = 0) {
  SampleField field(4, epoch_steps, [](const Contender &, std::int64_t) { return 0.5; });
  const std::unique_ptr<Strategy> strategy =
      MakeSingleTraining({.widths = {64, 32}}, steps, look_steps);
  std::vector<std::int64_t> looks;
  for (const Carried &carried : CarryOut(strategy.get(), &field)) {
    EXPECT_EQ(carried.work.threads, 4);
    EXPECT_EQ(carried.work.stage, Stage::kFinal);
    looks.push_back(carried.work.until);
  }
  EXPECT_EQ(field.contenders().size(), 1u);
  return looks;
}

TEST(SingleTraining, LooksAfterEachEpochAndAtTheEnd) {
  EXPECT_EQ(Looks(1, 100), (std::vector<std::int64_t>{1}));
  EXPECT_EQ(Looks(100, 100), (std::vector<std::int64_t>{100}));
  EXPECT_EQ(Looks(300, 100), (std::vector<std::int64_t>{100, 200, 300}));
  EXPECT_EQ(Looks(340, 100), (std::vector<std::int64_t>{100, 200, 340}));
}

// Logged epochs: exactly those that were asked for, and the end.
TEST(SingleTraining, LooksAsOftenAsItIsToldTo) {
  EXPECT_EQ(Looks(300, 100, 100), (std::vector<std::int64_t>{100, 200, 300}));
  EXPECT_EQ(Looks(500, 100, 200), (std::vector<std::int64_t>{200, 400, 500}));
  EXPECT_EQ(Looks(150, 100, 1'000), (std::vector<std::int64_t>{150}));
  const std::vector<std::int64_t> all = Looks(100'000, 100, 100);
  ASSERT_EQ(all.size(), 1'000u);
  EXPECT_EQ(all[499], 50'000);
}

// The first look does not wait for a share of what is asked for.
TEST(SingleTraining, LooksEarlyHoweverLongItTrains) {
  const std::vector<std::int64_t> looks = Looks(10'000'000, 100);
  EXPECT_EQ(looks.front(), 100);
  EXPECT_EQ(looks.back(), 10'000'000);
  EXPECT_LT(looks.size(), 100u);
  for (std::size_t i = 1; i + 1 < looks.size(); ++i) {
    EXPECT_LE(looks[i] - looks[i - 1], std::max<std::int64_t>(100, looks[i - 1] / 2)) << i;
  }
}

TEST(SingleTraining, EndsWhenItDiverges) {
  SampleField field(1, 10, [](const Contender &, std::int64_t steps) {
    return steps >= 20 ? std::numeric_limits<double>::quiet_NaN() : 0.5;
  });
  const std::unique_ptr<Strategy> strategy = MakeSingleTraining({.widths = {8}}, 1000);
  EXPECT_EQ(CarryOut(strategy.get(), &field).size(), 2u);
}

}  // namespace
}  // namespace trails
