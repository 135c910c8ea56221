// Rules over layers and learning curves, each broken by hand.
#include "core/intermediates/model_rules.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "trails/error.h"

namespace trails {
namespace {

using Columns = std::vector<ColumnStatistics>;

Layer LayerOf(LayerKind kind, std::size_t columns) {
  Layer layer;
  layer.name = "hidden2";
  layer.kind = kind;
  layer.columns = static_cast<std::int32_t>(columns);
  return layer;
}

std::vector<Finding> Check(LayerKind kind, const Columns &columns) {
  return CheckLayer(LayerOf(kind, columns.size()), columns);
}

std::vector<std::string> RulesOf(const std::vector<Finding> &findings) {
  std::vector<std::string> rules;
  for (const Finding &finding : findings) rules.push_back(finding.rule);
  return rules;
}

// A unit that is zero in some rows and differs from the others.
ColumnStatistics Sound(int unit) {
  ColumnStatistics column;
  column.rows = 100;
  column.zeros = 40;
  column.least = 0;
  column.largest = 3.0F + static_cast<float>(unit);
  column.sum = 50 + unit;
  column.squares = 90 + unit;
  return column;
}

ColumnStatistics Dead() {
  ColumnStatistics column;
  column.rows = 100;
  column.zeros = 100;
  return column;
}

Columns SoundColumns(int count) {
  Columns columns;
  for (int unit = 0; unit < count; ++unit) columns.push_back(Sound(unit));
  return columns;
}

constexpr LayerKind kKinds[] = {LayerKind::kEmbedding, LayerKind::kBefore,     LayerKind::kHidden,
                                LayerKind::kLogits,    LayerKind::kPrediction, LayerKind::kLoss};

TEST(CheckLayer, FindsNothingInASoundOne) {
  for (const LayerKind kind : kKinds) EXPECT_TRUE(Check(kind, SoundColumns(5)).empty());
  EXPECT_TRUE(Check(LayerKind::kHidden, {}).empty());
}

TEST(CheckLayer, FindsWhatIsNotFinite) {
  Columns columns = SoundColumns(4);
  columns[1].not_finite = 3;
  columns[1].nans = 3;
  columns[3].not_finite = 1;  // an infinity
  for (const LayerKind kind : kKinds) {
    if (kind == LayerKind::kLoss) continue;
    const std::vector<Finding> findings = Check(kind, columns);
    ASSERT_EQ(RulesOf(findings), (std::vector<std::string>{"not finite"}));
    EXPECT_EQ(findings[0].layer, "hidden2");
    EXPECT_EQ(findings[0].columns, 2);
    EXPECT_EQ(findings[0].detail, "NaN or infinity among 100 rows: 2 of 4 columns (2, 4).");
  }
  // A row without a label has no loss.
  const std::vector<Finding> losses = Check(LayerKind::kLoss, columns);
  ASSERT_EQ(losses.size(), 1U);
  EXPECT_EQ(losses[0].detail, "Infinity among 100 rows: 1 of 4 columns (4).");
}

TEST(CheckLayer, FindsDeadUnits) {
  Columns columns = SoundColumns(3);
  columns.insert(columns.begin() + 1, Dead());
  columns.push_back(Dead());
  const std::vector<Finding> findings = Check(LayerKind::kHidden, columns);
  // Dead units are equal, and still not counted as repeated.
  ASSERT_EQ(RulesOf(findings), (std::vector<std::string>{"dead units"}));
  EXPECT_EQ(findings[0].columns, 2);
  EXPECT_EQ(findings[0].detail, "Zero in each of 100 rows: 2 of 5 columns (2, 5).");
  // Before ReLU zeros are no sign of death.
  EXPECT_TRUE(Check(LayerKind::kBefore, columns).empty());
}

TEST(CheckLayer, NamesTheFirstTenColumns) {
  const std::vector<Finding> findings = Check(LayerKind::kHidden, Columns(12, Dead()));
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].columns, 12);
  EXPECT_EQ(findings[0].detail,
            "Zero in each of 100 rows: 12 of 12 columns (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ...).");
}

TEST(CheckLayer, FindsNearlyDeadUnits) {
  Columns columns = SoundColumns(4);
  for (ColumnStatistics &column : columns) column.rows = 1000;
  columns[0].zeros = 991;  // active in 9 rows
  columns[1].zeros = 990;  // in 10, which is 1 %
  columns[2].zeros = 999;
  columns[3].zeros = 1000;
  const std::vector<Finding> findings = Check(LayerKind::kHidden, columns);
  ASSERT_EQ(RulesOf(findings), (std::vector<std::string>{"dead units", "nearly dead units"}));
  EXPECT_EQ(findings[1].layer, "hidden2");
  EXPECT_EQ(findings[1].columns, 2);
  EXPECT_EQ(findings[1].detail, "Not zero in less than 1 % of 1000 rows: 2 of 4 columns (1, 3).");
  EXPECT_TRUE(Check(LayerKind::kBefore, columns).empty());
  // In so few rows one that is active is no sign.
  for (ColumnStatistics &column : columns) {
    column.rows = 100;
    column.zeros = 99;
  }
  EXPECT_TRUE(Check(LayerKind::kHidden, columns).empty());
}

TEST(CheckLayer, FindsSaturatedUnits) {
  Columns columns = SoundColumns(3);
  columns[2].zeros = 0;
  columns[2].least = 1e-30F;
  const std::vector<Finding> findings = Check(LayerKind::kHidden, columns);
  ASSERT_EQ(RulesOf(findings), (std::vector<std::string>{"saturated units"}));
  EXPECT_EQ(findings[0].columns, 1);
  EXPECT_EQ(findings[0].detail, "Above zero in each of 100 rows: 1 of 3 columns (3).");
  EXPECT_TRUE(Check(LayerKind::kBefore, columns).empty());
  // A NaN is not above zero.
  columns[2].not_finite = 1;
  EXPECT_EQ(RulesOf(Check(LayerKind::kHidden, columns)), (std::vector<std::string>{"not finite"}));
}

TEST(CheckLayer, FindsRepeatedUnits) {
  Columns columns = SoundColumns(6);
  columns[4] = columns[1];
  columns[5] = columns[1];
  const std::vector<Finding> findings = Check(LayerKind::kHidden, columns);
  ASSERT_EQ(RulesOf(findings), (std::vector<std::string>{"repeated units"}));
  EXPECT_EQ(findings[0].columns, 3);
  EXPECT_EQ(findings[0].detail, "Equal to another column over 100 rows: 3 of 6 columns (2, 5, 6).");
  // Each of the four numbers tells columns apart.
  columns = {Sound(1), Sound(1), Sound(1), Sound(1), Sound(1)};
  columns[1].sum += 1;
  columns[2].squares += 1;
  columns[3].least = -1;
  columns[4].largest += 1;
  EXPECT_TRUE(Check(LayerKind::kHidden, columns).empty());
}

TEST(CheckLayer, FindsAConstantPrediction) {
  Columns columns = SoundColumns(2);
  for (ColumnStatistics &column : columns) column.least = column.largest = 0.5F;
  const std::vector<Finding> findings = Check(LayerKind::kPrediction, columns);
  ASSERT_EQ(RulesOf(findings), (std::vector<std::string>{"constant prediction"}));
  EXPECT_EQ(findings[0].columns, 2);
  EXPECT_EQ(findings[0].detail, "One value in each of 100 rows: 2 of 2 columns (1, 2).");
  EXPECT_TRUE(Check(LayerKind::kLogits, columns).empty());
  columns[1].least = 0.25F;  // one class that is never predicted is no constant prediction
  EXPECT_TRUE(Check(LayerKind::kPrediction, columns).empty());
}

TEST(CheckLayer, SaysNothingOfOneRow) {
  Columns columns(2);
  for (ColumnStatistics &column : columns) column.rows = column.zeros = 1;
  EXPECT_TRUE(Check(LayerKind::kHidden, columns).empty());
  EXPECT_TRUE(Check(LayerKind::kPrediction, columns).empty());
  for (ColumnStatistics &column : columns) {
    column.zeros = 0;
    column.least = column.largest = 2;
    column.sum = 2;
    column.squares = 4;
  }
  EXPECT_TRUE(Check(LayerKind::kHidden, columns).empty());
  columns[0].not_finite = 1;  // which one row is enough for
  EXPECT_EQ(Check(LayerKind::kHidden, columns).size(), 1U);
}

TEST(CheckLayer, RefusesStatisticsOfAnotherLayer) {
  try {
    CheckLayer(LayerOf(LayerKind::kHidden, 3), SoundColumns(2));
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInternal);
  }
}

TEST(MayMissClass, UnlessEachIsTheMajorityOfSomeRow) {
  Columns columns = SoundColumns(3);
  for (ColumnStatistics &column : columns) column.largest = 0.51F;
  EXPECT_FALSE(MayMissClass(columns));
  columns[1].largest = 0.5F;  // two classes may have as much, and the first one is predicted
  EXPECT_TRUE(MayMissClass(columns));
}

TEST(CheckClasses, FindsTheOnesThatAreNeverPredicted) {
  const Layer layer = LayerOf(LayerKind::kPrediction, 3);
  const std::vector<std::string> classes = {"cheap", "dear", "fair"};
  const std::vector<Finding> findings = CheckClasses(layer, classes, {90, 0, 10});
  ASSERT_EQ(RulesOf(findings), (std::vector<std::string>{"class never predicted"}));
  EXPECT_EQ(findings[0].layer, layer.name);
  EXPECT_EQ(findings[0].columns, 1);
  EXPECT_EQ(findings[0].detail, "Predicted in none of 100 rows: 1 of 3 classes (dear).");
  EXPECT_TRUE(CheckClasses(layer, classes, {90, 1, 9}).empty());
  EXPECT_TRUE(CheckClasses(layer, classes, {2, 0, 0}).empty());  // so few rows tell nothing
  EXPECT_EQ(CheckClasses(layer, classes, {3, 0, 0}).size(), 1U);
  EXPECT_THROW(CheckClasses(layer, classes, {1, 2}), Error);
  const std::vector<Finding> many = CheckClasses(layer, std::vector<std::string>(12, "c"),
                                                 {100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  ASSERT_EQ(many.size(), 1U);
  EXPECT_EQ(many[0].detail,
            "Predicted in none of 100 rows: 11 of 12 classes (c, c, c, c, c, c, c, c, c, c, ...).");
}

std::vector<CurvePoint> Curve(const std::vector<double> &losses) {
  std::vector<CurvePoint> curve;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    curve.push_back({static_cast<double>(i + 1), losses[i]});
  }
  return curve;
}

TEST(CheckCurve, FindsALossThatDoesNotFall) {
  const std::vector<Finding> findings = CheckCurve(Curve({0.5, 0.7, 0.6, 0.5}));
  ASSERT_EQ(RulesOf(findings), (std::vector<std::string>{"loss not falling"}));
  EXPECT_EQ(findings[0].layer, "");
  EXPECT_EQ(findings[0].columns, 0);
  EXPECT_EQ(findings[0].detail, "The least training loss is 0.5 up to epoch 2 and 0.5 after it.");
  EXPECT_EQ(CheckCurve(Curve({0.5, 0.4, 0.7, 0.6, 0.9})).size(), 1U);
  // The middle one of five is of the second half.
  EXPECT_TRUE(CheckCurve(Curve({0.5, 0.4, 0.3, 0.6, 0.9})).empty());
}

TEST(CheckCurve, FindsNothingInOneThatFalls) {
  EXPECT_TRUE(CheckCurve(Curve({0.9, 0.7, 0.6, 0.5})).empty());
  EXPECT_TRUE(CheckCurve(Curve({0.9, 0.5, 0.8, 0.49999})).empty());
  EXPECT_TRUE(CheckCurve({}).empty());
  EXPECT_TRUE(CheckCurve(Curve({0.5, 0.6, 0.7})).empty());  // too few points to tell
}

TEST(CheckCurve, FindsALossThatIsNotFinite) {
  const std::vector<Finding> findings = CheckCurve(Curve({0.5, std::nan("")}));
  ASSERT_EQ(RulesOf(findings), (std::vector<std::string>{"loss not falling"}));
  EXPECT_EQ(findings[0].detail, "The training loss is nan at epoch 2.");
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(CheckCurve(Curve({kInfinity, 0.9, 0.8, 0.7, 0.6})).size(), 1U);
}

}  // namespace
}  // namespace trails
