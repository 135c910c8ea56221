#include "core/data/target.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "columns_by_hand.h"
#include "trails/error.h"

namespace trails {
namespace {

using test::AllRows;
using test::FloatColumn;
using test::IntegerColumn;
using test::kNull;
using test::TextColumn;

TargetCode Fit(const Column &column, Task task = Task::kAuto) {
  return FitTarget(column, task, AllRows(column.rows()));
}

ErrorKind KindThrown(const Column &column, Task task) {
  try {
    Fit(column, task);
  } catch (const Error &error) {
    return error.kind();
  }
  ADD_FAILURE() << "expected trails::Error";
  return ErrorKind::kInternal;
}

Column Counting(std::int64_t distinct) {
  Column column("n", ColumnKind::kInteger, "integer");
  for (std::int64_t i = 0; i < 2 * distinct; ++i) column.AppendInteger(i % distinct - 3);
  return column;
}

Column Words(std::int64_t distinct) {
  Column column("w", ColumnKind::kText, "text");
  for (std::int64_t i = 0; i < distinct; ++i) column.AppendText(std::to_string(i));
  return column;
}

TEST(FitTarget, TextIsClassesByItsBytes) {
  const Column column = TextColumn("t", {"no", "Yes", std::nullopt, "no"});
  const TargetCode code = Fit(column);
  EXPECT_EQ(code.task, Task::kBinary);
  EXPECT_EQ(code.classes, (std::vector<std::string>{"Yes", "no"}));
  EXPECT_EQ(code.outputs(), 2);
  EXPECT_EQ(code.Label(column, 0), 1);
  EXPECT_EQ(code.Label(column, 1), 0);
  EXPECT_TRUE(std::isnan(code.Label(column, 2)));
  EXPECT_TRUE(std::isnan(code.Label(TextColumn("t", {"maybe"}), 0)));
}

TEST(FitTarget, TwoNumbersAreClasses) {
  const Column integers = IntegerColumn("t", {10, -2, std::nullopt, 10});
  const TargetCode code = Fit(integers);
  EXPECT_EQ(code.task, Task::kBinary);
  EXPECT_EQ(code.classes, (std::vector<std::string>{"-2", "10"}));
  EXPECT_EQ(code.class_keys, (std::vector<std::int64_t>{-2, 10}));
  EXPECT_EQ(code.Label(integers, 0), 1);
  EXPECT_EQ(code.Label(integers, 1), 0);
  EXPECT_TRUE(std::isnan(code.Label(IntegerColumn("t", {5}), 0)));
  EXPECT_EQ(code.Label(FloatColumn("t", {10.0}), 0), 1);  // the same target as another type

  const Column floats = FloatColumn("t", {0.1, 2.0, kNull});
  const TargetCode float_code = Fit(floats);
  EXPECT_EQ(float_code.task, Task::kBinary);
  EXPECT_EQ(float_code.classes, (std::vector<std::string>{"0.1", "2"}));
  EXPECT_TRUE(float_code.class_keys.empty());
  EXPECT_EQ(float_code.Label(floats, 0), 0);
  EXPECT_EQ(float_code.Label(floats, 1), 1);
  EXPECT_TRUE(std::isnan(float_code.Label(floats, 2)));
}

TEST(FitTarget, FewIntegersAreClassesAndMoreAreAQuantity) {
  const TargetCode classes = Fit(Counting(20));
  EXPECT_EQ(classes.task, Task::kMulticlass);
  EXPECT_EQ(classes.outputs(), 20);
  EXPECT_EQ(classes.classes.front(), "-3");
  EXPECT_EQ(classes.classes.back(), "16");
  const TargetCode quantity = Fit(Counting(21));
  EXPECT_EQ(quantity.task, Task::kRegression);
  EXPECT_EQ(quantity.outputs(), 1);
  EXPECT_EQ(Fit(FloatColumn("t", {1, 2, 3})).task, Task::kRegression);
  EXPECT_EQ(Fit(Counting(900), Task::kMulticlass).outputs(), 900);
}

TEST(FitTarget, StandardisesByTheTrainingRowsOnly) {
  const Column column = FloatColumn("t", {1, 3, kNull, 1000});
  const std::vector<std::int32_t> train{0, 1, 2};
  const TargetCode code = FitTarget(column, Task::kRegression, train);
  EXPECT_DOUBLE_EQ(code.mean, 2);
  EXPECT_DOUBLE_EQ(code.scale, 1);
  const TargetCode all = Fit(FloatColumn("t", {1, 3, 7, 1}), Task::kRegression);
  EXPECT_DOUBLE_EQ(all.mean, 3);
  EXPECT_DOUBLE_EQ(all.scale, std::sqrt(6.0));  // of the population: (4 + 0 + 16 + 4) / 4
  EXPECT_EQ(all.Label(column, 3), 1000);
  EXPECT_TRUE(std::isnan(all.Label(column, 2)));
}

TEST(FitTarget, AConstantInTrainingHasScaleOne) {
  const Column column = FloatColumn("t", {0.1, 0.1, 0.1, 5});
  const std::vector<std::int32_t> train{0, 1, 2};
  EXPECT_EQ(FitTarget(column, Task::kRegression, train).scale, 1);
}

TEST(FitTarget, RejectsWhatCannotBeLearned) {
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(KindThrown(IntegerColumn("t", {std::nullopt, std::nullopt}), Task::kAuto),
            ErrorKind::kBadData);
  EXPECT_EQ(KindThrown(TextColumn("t", {"a", "a", std::nullopt}), Task::kAuto),
            ErrorKind::kBadData);
  EXPECT_EQ(KindThrown(FloatColumn("t", {2, 2}), Task::kRegression), ErrorKind::kBadData);
  EXPECT_EQ(KindThrown(FloatColumn("t", {1, 2, inf}), Task::kAuto), ErrorKind::kBadData);
  Column not_a_number = FloatColumn("t", {1, 2, 3, kNull});
  EXPECT_NO_THROW(Fit(not_a_number, Task::kAuto));
  not_a_number.AppendFloat(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(KindThrown(not_a_number, Task::kAuto), ErrorKind::kBadData);
  EXPECT_EQ(KindThrown(Words(1001), Task::kAuto), ErrorKind::kLimit);
  EXPECT_EQ(Fit(Words(1000)).outputs(), 1000);
  EXPECT_EQ(KindThrown(Counting(1001), Task::kMulticlass), ErrorKind::kLimit);
  EXPECT_EQ(KindThrown(Counting(3), Task::kBinary), ErrorKind::kInvalidArgument);
  EXPECT_EQ(KindThrown(TextColumn("t", {"1", "2"}), Task::kRegression),
            ErrorKind::kInvalidArgument);
}

TEST(FitTarget, RefusesNumbersBeyondSinglePrecision) {
  EXPECT_EQ(KindThrown(FloatColumn("huge", {1, 2, -1e38}), Task::kAuto), ErrorKind::kBadData);
  EXPECT_EQ(KindThrown(FloatColumn("huge", {1e300, 2}), Task::kRegression), ErrorKind::kBadData);
  EXPECT_EQ(Fit(FloatColumn("large", {1, 2, -1e36})).task, Task::kRegression);
  EXPECT_EQ(KindThrown(FloatColumn("tiny", {1e-31, 2e-31, 0}), Task::kAuto), ErrorKind::kBadData);
  EXPECT_EQ(Fit(FloatColumn("small", {1e-29, 2e-31, 0})).task, Task::kRegression);
  EXPECT_EQ(Fit(FloatColumn("two", {1e300, -1e300})).task, Task::kBinary);
  EXPECT_EQ(Fit(FloatColumn("few", {1e300, 2, kNull}), Task::kAuto).task, Task::kBinary);
}

TEST(ResolveMetric, FitsTheTask) {
  EXPECT_EQ(ResolveMetric(Metric::kAuto, Task::kBinary), Metric::kAuc);
  EXPECT_EQ(ResolveMetric(Metric::kAuto, Task::kMulticlass), Metric::kAccuracy);
  EXPECT_EQ(ResolveMetric(Metric::kAuto, Task::kRegression), Metric::kRmse);
  EXPECT_EQ(ResolveMetric(Metric::kLogLoss, Task::kMulticlass), Metric::kLogLoss);
  EXPECT_EQ(ResolveMetric(Metric::kR2, Task::kRegression), Metric::kR2);
  EXPECT_THROW(ResolveMetric(Metric::kAuc, Task::kMulticlass), Error);
  EXPECT_THROW(ResolveMetric(Metric::kAuc, Task::kRegression), Error);
  EXPECT_THROW(ResolveMetric(Metric::kRmse, Task::kBinary), Error);
  try {
    ResolveMetric(Metric::kAuc, Task::kMulticlass);
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
    EXPECT_EQ(error.hint(), "Choose accuracy or logloss.");
  }
}

}  // namespace
}  // namespace trails
