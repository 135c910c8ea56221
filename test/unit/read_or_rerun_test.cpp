// READ or RERUN: measured rates, the cost model, and gamma.
#include "core/intermediates/read_or_rerun.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <string>

#include "trails/error.h"

namespace trails {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(MeasuredRate, AveragesTheFirstFiveAndThenForgets) {
  MeasuredRate rate(1000);
  EXPECT_EQ(rate.seconds(), 1000);
  EXPECT_EQ(rate.samples(), 0);
  rate.Learn(2, 1);
  EXPECT_DOUBLE_EQ(rate.seconds(), 2);  // the assumption is gone
  rate.Learn(4, 1);
  EXPECT_DOUBLE_EQ(rate.seconds(), 3);
  rate.Learn(6, 1);
  EXPECT_DOUBLE_EQ(rate.seconds(), 4);
  rate.Learn(8, 1);
  EXPECT_DOUBLE_EQ(rate.seconds(), 5);
  rate.Learn(10, 1);
  EXPECT_DOUBLE_EQ(rate.seconds(), 6);
  rate.Learn(16, 1);
  EXPECT_DOUBLE_EQ(rate.seconds(), 8);  // 0.8 * 6 + 0.2 * 16
  rate.Learn(30, 10);
  EXPECT_DOUBLE_EQ(rate.seconds(), 7);  // 0.8 * 8 + 0.2 * 3
  EXPECT_EQ(rate.samples(), 7);
}

TEST(MeasuredRate, GoesOnFromWhatWasStored) {
  MeasuredRate many(6, 5);
  many.Learn(16, 1);
  EXPECT_DOUBLE_EQ(many.seconds(), 8);
  EXPECT_EQ(many.samples(), 6);
  MeasuredRate one(6, 1);
  one.Learn(16, 1);
  EXPECT_DOUBLE_EQ(one.seconds(), 11);
}

TEST(MeasuredRate, LearnsNothingFromNothing) {
  MeasuredRate rate(3, 2);
  rate.Learn(1, 0);
  rate.Learn(1, -1);
  rate.Learn(-1, 1);
  rate.Learn(kNaN, 1);
  rate.Learn(1, kNaN);
  rate.Learn(kInfinity, 1);
  rate.Learn(1, kInfinity);
  EXPECT_EQ(rate.seconds(), 3);
  EXPECT_EQ(rate.samples(), 2);
  rate.Learn(0, 1);  // below the clock's resolution: a sample like any other
  EXPECT_DOUBLE_EQ(rate.seconds(), 2);
  EXPECT_EQ(rate.samples(), 3);
}

TEST(MeasuredRate, CountsAShareOfASample) {
  MeasuredRate rate(3, 0);
  rate.Learn(6, 1, 0.5);
  EXPECT_DOUBLE_EQ(rate.seconds(), 6);
  EXPECT_DOUBLE_EQ(rate.samples(), 0.5);
  rate.Learn(9, 1, 0.5);
  EXPECT_DOUBLE_EQ(rate.seconds(), 8);  // 6 + 3 / 1.5
  EXPECT_DOUBLE_EQ(rate.samples(), 1);
}

TEST(MeasuredRate, ForgetsWhatIsNotTriedDownToTheAssumption) {
  const MeasuredRate assumed(10);
  MeasuredRate dear(110, 7);
  dear.Forget(assumed);
  EXPECT_DOUBLE_EQ(dear.seconds(), 107);  // 3 % of the way
  EXPECT_EQ(dear.samples(), 7);
  MeasuredRate cheap(5, 7);
  cheap.Forget(assumed);
  EXPECT_EQ(cheap.seconds(), 5);
}

TEST(LearnTogether, IsExactForOneRate) {
  MeasuredRate rate(2);
  const RatePart part{&rate, 10};
  LearnTogether(50, std::span(&part, 1));
  EXPECT_DOUBLE_EQ(rate.seconds(), 5);
  EXPECT_DOUBLE_EQ(rate.samples(), 1);
}

TEST(LearnTogether, CorrectsMostWhatTakesMost) {
  MeasuredRate large(3);
  MeasuredRate small(1);
  MeasuredRate none(7);
  // Expected 3 + 1, measured 6: corrections by 3 / 10 and 1 / 10 of 2 in proportion.
  LearnTogether(6, std::array{RatePart{&large, 1}, RatePart{&small, 1}, RatePart{&none, 0}});
  EXPECT_DOUBLE_EQ(large.seconds(), 3 * 1.6);
  EXPECT_DOUBLE_EQ(small.seconds(), 1 * 1.2);
  EXPECT_DOUBLE_EQ(large.seconds() + small.seconds(), 6);  // the first is believed as it is
  EXPECT_DOUBLE_EQ(large.samples(), 0.9);
  EXPECT_DOUBLE_EQ(small.samples(), 0.1);
  EXPECT_EQ(none.seconds(), 7);
  EXPECT_EQ(none.samples(), 0);
}

// A query of all rows and one of a single row, in turns, of which neither tells the rates alone.
TEST(LearnTogether, FindsRatesThatNoQueryTellsAlone) {
  MeasuredRate query(10e-6);
  MeasuredRate value(5e-9);
  for (int turn = 0; turn < 400; ++turn) {
    LearnTogether(80e-6 + 1e6 * 1.5e-9, std::array{RatePart{&query, 1}, RatePart{&value, 1e6}});
    LearnTogether(80e-6 + 5e4 * 1.5e-9, std::array{RatePart{&query, 1}, RatePart{&value, 5e4}});
  }
  EXPECT_NEAR(query.seconds(), 80e-6, 8e-6);
  EXPECT_NEAR(value.seconds(), 1.5e-9, 0.15e-9);
}

TEST(LearnTogether, BelievesNoMeasurementThatIsFarOff) {
  MeasuredRate rate(1, 1000);
  const RatePart part{&rate, 1};
  LearnTogether(1e6, std::span(&part, 1));
  EXPECT_DOUBLE_EQ(rate.seconds(), 1.6);  // 0.8 * 1 + 0.2 * 4
  MeasuredRate other(1, 1000);
  const RatePart other_part{&other, 1};
  LearnTogether(0, std::span(&other_part, 1));
  EXPECT_DOUBLE_EQ(other.seconds(), 0.85);  // 0.8 * 1 + 0.2 / 4
  for (const double seconds : {-1.0, kNaN, kInfinity}) {
    LearnTogether(seconds, std::span(&other_part, 1));
    EXPECT_DOUBLE_EQ(other.seconds(), 0.85);
  }
}

TEST(CostRates, ChargeEachUnitOfWork) {
  constexpr auto kQ8 = static_cast<std::size_t>(SchemeKind::kQ8);
  CostRates rates;
  rates.read_query = MeasuredRate(7);
  rates.slice = MeasuredRate(1e-3);
  rates.byte = MeasuredRate(1e-6);
  rates.decoded_value[kQ8] = MeasuredRate(1e-5);
  rates.rerun_query = MeasuredRate(9);
  rates.input_block = MeasuredRate(2e-3);
  rates.input_value = MeasuredRate(1e-4);
  rates.flop = MeasuredRate(1e-9);
  rates.given_value = MeasuredRate(3e-6);
  rates.quantised_value[kQ8] = MeasuredRate(5e-6);
  const ReadWork read{
      .queries = 1, .slices = 4, .bytes = 5000, .values = 700, .scheme = SchemeKind::kQ8};
  EXPECT_DOUBLE_EQ(rates.Seconds(read), 7 + 4e-3 + 5e-3 + 7e-3);
  RerunWork rerun{.queries = 1, .blocks = 3, .inputs = 20, .flops = 5e6, .values = 1000};
  EXPECT_DOUBLE_EQ(rates.Seconds(rerun), 9 + 6e-3 + 2e-3 + 5e-3 + 3e-3);
  rerun.quantised[kQ8] = 200;
  EXPECT_DOUBLE_EQ(rates.Seconds(rerun), 9 + 6e-3 + 2e-3 + 5e-3 + 3e-3 + 1e-3);
  EXPECT_DOUBLE_EQ(rates.Seconds(rerun, 2), 9 + 6e-3 + 2e-3 + (5e-3 + 3e-3 + 1e-3) / 2);
  EXPECT_EQ(rates.Seconds(ReadWork{}), 0);
  EXPECT_EQ(rates.Seconds(RerunWork{}), 0);
}

TEST(CostRates, LearnFromAReadWhatItTook) {
  CostRates rates;
  const ReadWork point{
      .queries = 1, .slices = 2, .bytes = 2'000, .values = 1'000, .scheme = SchemeKind::kF16};
  const ReadWork whole{.queries = 1,
                       .slices = 50,
                       .bytes = 10'000'000,
                       .values = 5'000'000,
                       .scheme = SchemeKind::kF16};
  for (int turn = 0; turn < 30; ++turn) {
    rates.Learn(point, 300e-6);
    rates.Learn(whole, 20e-3);
  }
  EXPECT_NEAR(rates.Seconds(point), 300e-6, 30e-6);
  EXPECT_NEAR(rates.Seconds(whole), 20e-3, 2e-3);
  EXPECT_GT(rates.read_query.seconds(), 100e-6);  // what a query of one value takes is fixed
}

TEST(CostRates, ForgetThatReadingWasDearOfTheseCodesAlone) {
  CostRates rates;
  const ReadWork work{
      .queries = 1, .slices = 20, .bytes = 100'000, .values = 100'000, .scheme = SchemeKind::kF16};
  const double assumed = rates.Seconds(work);
  rates.Learn(work, 3 * assumed);
  rates.decoded_value[static_cast<std::size_t>(SchemeKind::kQ8)] = MeasuredRate(1e-6, 9);
  const double dear = rates.Seconds(work);
  ASSERT_GT(dear, 2 * assumed);
  for (int run = 0; run < 300; ++run) rates.ForgetRead(SchemeKind::kF16);
  EXPECT_NEAR(rates.Seconds(work), assumed, 0.01 * assumed);
  EXPECT_EQ(rates.decoded_value[static_cast<std::size_t>(SchemeKind::kQ8)].seconds(), 1e-6);
}

TEST(CostRates, LearnFromARerunEachPartByItself) {
  constexpr auto kKbit = static_cast<std::size_t>(SchemeKind::kKbit);
  CostRates rates;
  RerunWork work{.queries = 1, .blocks = 50, .inputs = 750'000, .flops = 1e8, .values = 7'000'000};
  work.quantised[kKbit] = 7'000'000;
  RerunTimes times{.input = 4e-3, .pass = 12e-3};
  times.quantised[kKbit] = 56e-3;
  for (int turn = 0; turn < 20; ++turn) rates.Learn(work, times);
  EXPECT_NEAR(rates.quantised_value[kKbit].seconds(), 8e-9, 1e-10);
  EXPECT_NEAR(rates.Seconds(work), 72e-3, 1e-3);
  EXPECT_NEAR(rates.Seconds(work, 2), 4e-3 + 34e-3, 1e-3);
}

// A pass of one row is cold weights and a clock's grain: it says nothing about operations.
TEST(CostRates, LearnNoOperationsFromARow) {
  CostRates rates;
  const double flop = rates.flop.seconds();
  const RerunWork row{.queries = 1, .blocks = 1, .inputs = 15'000, .flops = 60'000, .values = 64};
  for (int turn = 0; turn < 20; ++turn) rates.Learn(row, {.input = 150e-6, .pass = 50e-6});
  EXPECT_EQ(rates.flop.seconds(), flop);
  EXPECT_NEAR(rates.Seconds(row), 200e-6, 10e-6);
}

TEST(CostRates, KnowSomethingBeforeTheFirstMeasurement) {
  const CostRates rates;
  // One column of 58 blocks in half floats against 128 units of 58 blocks, the reference's case.
  const double read = rates.Seconds(ReadWork{
      .queries = 1, .slices = 116, .bytes = 92'000, .values = 57'722, .scheme = SchemeKind::kF16});
  const double rerun = rates.Seconds(RerunWork{.queries = 1,
                                               .blocks = 58,
                                               .inputs = 58 * 11'000,
                                               .flops = 57'722.0 * 58'000,
                                               .values = 57'722});
  EXPECT_GT(read, 1e-4);
  EXPECT_LT(read, 5e-3);
  EXPECT_GT(rerun, 10 * read);
  // One row: RERUN of one block's input against a block's chunk for each of 128 columns.
  EXPECT_LT(rates.Seconds(RerunWork{
                .queries = 1, .blocks = 1, .inputs = 11'000, .flops = 58'000, .values = 128}),
            rates.Seconds(ReadWork{.queries = 1,
                                   .slices = 129,
                                   .bytes = 205'000,
                                   .values = 128'000,
                                   .scheme = SchemeKind::kF16}));
}

TEST(Strategy, HasThreeWords) {
  for (const Strategy strategy : {Strategy::kAuto, Strategy::kRead, Strategy::kRerun}) {
    EXPECT_EQ(ParseStrategy(StrategyWord(strategy)), strategy);
  }
  EXPECT_EQ(StrategyWord(Strategy::kAuto), "auto");
  EXPECT_EQ(StrategyWord(Strategy::kRead), "read");
  EXPECT_EQ(StrategyWord(Strategy::kRerun), "rerun");
  for (const char *const word : {"", "READ", "re", "reads"}) {
    try {
      ParseStrategy(word);
      ADD_FAILURE() << word;
    } catch (const Error &error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
      EXPECT_EQ(std::string(error.what()), "unrecognized strategy: \"" + std::string(word) + "\"");
      EXPECT_EQ(error.hint(), "Available values: auto, read, rerun.");
    }
  }
}

// The layers of a model of 57,722 rows: seconds of RERUN and READ, bytes as half floats in LZ4.
TEST(Gamma, GivesTheReferencesTable) {
  EXPECT_NEAR(Gamma(13e-3, 5.6e-3, 1, 7.6e6), 1, 0.05);      // embedding
  EXPECT_NEAR(Gamma(52e-3, 7.2e-3, 1, 12.2e6), 3.7, 0.05);   // hidden1
  EXPECT_NEAR(Gamma(139e-3, 7.2e-3, 1, 11e6), 12, 0.05);     // hidden2
  EXPECT_NEAR(Gamma(178e-3, 3.6e-3, 1, 5.1e6), 34, 0.5);     // hidden3
  EXPECT_NEAR(Gamma(188e-3, 0.3e-3, 1, 0.115e6), 1'630, 5);  // logits
}

TEST(Gamma, ReachesTheThresholdWithTheQueryThatItPredicts) {
  constexpr double kLeast = 10;  // seconds a GB
  const auto first_query = [](double rerun, double read, double bytes) {
    int query = 1;
    while (Gamma(rerun, read, query, bytes) < kLeast) ++query;
    return query;
  };
  EXPECT_EQ(first_query(13e-3, 5.6e-3, 7.6e6), 11);
  EXPECT_EQ(first_query(52e-3, 7.2e-3, 12.2e6), 3);
  EXPECT_EQ(first_query(139e-3, 7.2e-3, 11e6), 1);
}

TEST(Gamma, IsBelowZeroWhereReadingTakesLonger) {
  EXPECT_DOUBLE_EQ(Gamma(1, 3, 2, 1e9), -4);
  EXPECT_EQ(Gamma(3, 1, 0, 1e9), 0);
}

TEST(Gamma, TakesNoBytesForOne) {
  EXPECT_DOUBLE_EQ(Gamma(3, 1, 1, 0), 2e9);
  EXPECT_EQ(Gamma(3, 1, 1, 0.5), Gamma(3, 1, 1, 1));
}

TEST(CountOf, IsThePartsShareOfTheSaving) {
  EXPECT_DOUBLE_EQ(CountOf(0.139, 0.0072, 0.139, 0.0072), 1);
  EXPECT_DOUBLE_EQ(CountOf(3, 1, 9, 1), 0.25);
  EXPECT_EQ(CountOf(9, 1, 3, 1), 1);  // never above one query
  EXPECT_EQ(CountOf(1, 3, 9, 1), 0);  // reading the part saves nothing
  EXPECT_EQ(CountOf(3, 1, 1, 9), 0);  // nor reading the whole
  EXPECT_EQ(CountOf(1, 1, 1, 1), 0);
  EXPECT_EQ(CountOf(3, kNaN, 9, kNaN), 0);  // not possible
}

TEST(Decayed, HalvesInSevenDays) {
  constexpr double kDay = 86'400;
  EXPECT_EQ(kQueryHalfLife, 7 * kDay);
  EXPECT_EQ(Decayed(12, 0), 12);
  EXPECT_DOUBLE_EQ(Decayed(12, 7 * kDay), 6);
  EXPECT_DOUBLE_EQ(Decayed(12, 14 * kDay), 3);
  EXPECT_NEAR(Decayed(1, 3.5 * kDay), 0.70710678, 1e-8);
  // In two steps as in one.
  EXPECT_DOUBLE_EQ(Decayed(Decayed(5, 2 * kDay), 3 * kDay), Decayed(5, 5 * kDay));
  EXPECT_EQ(Decayed(12, -100), 12);  // the clock was set back
  EXPECT_EQ(Decayed(0, kDay), 0);
}

}  // namespace
}  // namespace trails
