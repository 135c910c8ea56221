#include "core/data/fields.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "columns_by_hand.h"
#include "trails/error.h"

namespace trails {
namespace {

using test::AllRows;
using test::Features;
using test::FloatColumn;
using test::IntegerColumn;
using test::kNull;
using test::Repeat;
using test::TextColumn;

using Integers = std::vector<std::optional<std::int64_t>>;
using Texts = std::vector<std::optional<std::string>>;

Fields Fit(const std::vector<Column> &features, const FieldOptions &options = {}) {
  std::vector<std::string> left_out;
  return FitFields(features, AllRows(features.front().rows()), options, 2, &left_out);
}

// "number", "category", "number category" or "" for a single column beside one that stays.
std::string Roles(Column &&column, const FieldOptions &options = {}) {
  std::vector<double> other;
  for (std::int64_t row = 0; row < column.rows(); ++row) {
    other.push_back(static_cast<double>(row) + 0.5);
  }
  const Fields fields = Fit(Features(std::move(column), FloatColumn("other", other)), options);
  std::string roles;
  for (const Field &field : fields.fields) {
    if (fields.columns[static_cast<std::size_t>(field.column)].name == "other") continue;
    if (!roles.empty()) roles += ' ';
    roles += field.kind == FieldKind::kNumeric ? "number" : "category";
  }
  return roles;
}

// `distinct` values 0, 1, ..., each `times` times.
Integers Evenly(std::int64_t distinct, std::size_t times) {
  Integers values;
  for (std::int64_t value = 0; value < distinct; ++value) Repeat(&values, value, times);
  return values;
}

TEST(Roles, TwoValuesAreACategory) {
  EXPECT_EQ(Roles(IntegerColumn("c", Evenly(2, 50))), "category");
  EXPECT_EQ(Roles(IntegerColumn("c", Evenly(3, 50))), "number category");
  std::vector<double> bits;
  for (int i = 0; i < 40; ++i) bits.push_back(i % 3 == 0 ? 1 : 0);
  EXPECT_EQ(Roles(FloatColumn("c", bits)), "category");
  EXPECT_EQ(Roles(FloatColumn("c", {0.5, 1, 0.5, 1, 1})), "number");
}

TEST(Roles, TwinOfFewValuesNeedsTwentyRowsAValue) {
  EXPECT_EQ(Roles(IntegerColumn("c", Evenly(128, 20))), "number category");
  Integers one_less = Evenly(128, 20);
  one_less.pop_back();
  EXPECT_EQ(Roles(IntegerColumn("c", one_less)), "number");
  one_less.emplace_back(std::nullopt);  // NULL is no row of a value
  EXPECT_EQ(Roles(IntegerColumn("c", one_less)), "number");
}

TEST(Roles, TwinOfManyValuesNeedsTenRowsAndNoHeavyValue) {
  EXPECT_EQ(Roles(IntegerColumn("c", Evenly(129, 10))), "number category");
  Integers one_less = Evenly(129, 10);
  one_less.pop_back();
  EXPECT_EQ(Roles(IntegerColumn("c", one_less)), "number");
  // 1,280 rows of 128 values and h of one more: a share of h / (1280 + h) at 320 is 20 %.
  for (const std::size_t heavy : {319U, 320U}) {
    Integers values = Evenly(128, 10);
    Repeat(&values, std::int64_t{999}, heavy);
    EXPECT_EQ(Roles(IntegerColumn("c", values)), heavy < 320 ? "number category" : "number");
  }
}

TEST(Roles, GoByTheValuesNotByTheType) {
  std::vector<double> values;
  for (int i = 0; i < 100; ++i) values.push_back(i % 5);
  EXPECT_EQ(Roles(FloatColumn("c", values)), "number category");
  EXPECT_EQ(Roles(FloatColumn("c", values, "timestamp without time zone")), "number");
  EXPECT_EQ(Roles(FloatColumn("c", values, "date")), "number");
  EXPECT_EQ(Roles(FloatColumn("c", values, "interval")), "number");
  values.push_back(0.5);
  EXPECT_EQ(Roles(FloatColumn("c", values)), "number");
  std::vector<double> days;
  for (int i = 0; i < 40; ++i) days.push_back(86400 * (i % 2));
  EXPECT_EQ(Roles(FloatColumn("c", days, "date")), "category");
}

TEST(Roles, AColumnWithoutAFiniteNumberIsLeftOut) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(Roles(FloatColumn("c", {kInfinity, -kInfinity, kInfinity, kNull})), "");
}

TEST(Roles, OptionsOverrideTheRule) {
  FieldOptions options;
  options.categorical = {"c"};
  EXPECT_EQ(Roles(IntegerColumn("c", Evenly(5, 50)), options), "category");
  std::vector<double> whole;
  for (int i = 0; i < 60; ++i) whole.push_back(i % 4);
  EXPECT_EQ(Roles(FloatColumn("c", whole), options), "category");
  EXPECT_EQ(Roles(TextColumn("c", {"a", "b", "a", "b"}), options), "");  // 2 < 10 rows a value
  options.categorical.clear();
  options.numeric = {"c"};
  EXPECT_EQ(Roles(IntegerColumn("c", Evenly(2, 50)), options), "number");
  EXPECT_EQ(Roles(IntegerColumn("c", Evenly(5, 50)), options), "number");
}

TEST(Roles, EncodingTrailsHasNoTwins) {
  FieldOptions options;
  options.encoding = Encoding::kTrails;
  EXPECT_EQ(Roles(IntegerColumn("c", Evenly(3, 50)), options), "number");
  EXPECT_EQ(Roles(IntegerColumn("c", Evenly(2, 50)), options), "category");
}

FieldOptions Naming(std::vector<std::string> categorical, std::vector<std::string> numeric) {
  FieldOptions options;
  options.categorical = std::move(categorical);
  options.numeric = std::move(numeric);
  return options;
}

ErrorKind KindThrown(const std::vector<Column> &features, const FieldOptions &options) {
  try {
    Fit(features, options);
  } catch (const Error &error) {
    if (error.kind() == ErrorKind::kInvalidArgument) {
      EXPECT_FALSE(error.hint().empty() && error.detail().empty() && options.max_ids > 1);
    }
    return error.kind();
  }
  ADD_FAILURE() << "expected trails::Error";
  return ErrorKind::kInternal;
}

TEST(FitFields, RejectsOptionsThatDoNotFit) {
  const std::vector<Column> features =
      Features(TextColumn("t", {"a", "b", "a"}), FloatColumn("f", {0.5, 1, 2}),
               IntegerColumn("i", {1, 2, 3}));
  EXPECT_EQ(KindThrown(features, Naming({}, {"t"})), ErrorKind::kInvalidArgument);
  EXPECT_EQ(KindThrown(features, Naming({}, {"nobody"})), ErrorKind::kInvalidArgument);
  EXPECT_EQ(KindThrown(features, Naming({"nobody"}, {})), ErrorKind::kInvalidArgument);
  EXPECT_EQ(KindThrown(features, Naming({"f"}, {})), ErrorKind::kInvalidArgument);
  EXPECT_EQ(KindThrown(features, Naming({"i"}, {"i"})), ErrorKind::kInvalidArgument);
  FieldOptions options;
  options.max_ids = 1;
  EXPECT_EQ(KindThrown(features, options), ErrorKind::kInvalidArgument);
}

TEST(FitFields, LeavesConstantColumnsOut) {
  Texts words(12, "same");
  Texts half(12, "x");
  std::fill(half.begin(), half.begin() + 6, std::nullopt);
  half.resize(12);
  Integers ones(12, 1);
  Integers one_or_null = ones;
  one_or_null[3] = std::nullopt;
  std::vector<double> level(12, 2.5);
  std::vector<double> varied = level;
  varied[0] = kNull;
  const std::vector<Column> features =
      Features(TextColumn("same", words), IntegerColumn("ones", ones), FloatColumn("level", level),
               IntegerColumn("none", Integers(12, std::nullopt)), FloatColumn("varied", varied),
               IntegerColumn("one_or_null", one_or_null), TextColumn("half", half));
  std::vector<std::string> left_out;
  const Fields fields = FitFields(features, AllRows(12), {}, 1, &left_out);
  // "half" has two values in 12 rows, so that none of them reaches 10 rows.
  EXPECT_EQ(left_out, (std::vector<std::string>{"same", "ones", "level", "none", "half"}));
  EXPECT_EQ(fields.Describe(), "varied: number, 2 knots, NULL\none_or_null: category, 1 value\n");
  EXPECT_EQ(KindThrown(Features(IntegerColumn("ones", ones)), {}), ErrorKind::kBadData);
}

TEST(FitFields, LooksAtTrainingRowsOnly) {
  Integers values = Evenly(3, 30);
  values.emplace_back(std::nullopt);
  values.emplace_back(1'000'000);
  const std::vector<Column> features = Features(IntegerColumn("c", values));
  std::vector<std::string> left_out;
  const Fields fields = FitFields(features, AllRows(90), {}, 1, &left_out);
  EXPECT_EQ(fields.Describe(), "c: number, 3 knots\nc: category, 3 values\n");
}

TEST(FitCategory, KeepsEveryValueWithTenRowsAValueAndFrequentOnesElse) {
  // 30 rows, 3 values: exactly 10 rows a value, so "rare" has an id.
  Texts values;
  Repeat(&values, "b", 20);
  Repeat(&values, "a", 9);
  Repeat(&values, "rare", 1);
  Fields fields = Fit(Features(TextColumn("c", values)));
  EXPECT_EQ(fields.fields[0].texts, (std::vector<std::string>{"a", "b", "rare"}));
  EXPECT_EQ(fields.fields[0].ids, 4);
  EXPECT_EQ(fields.fields[0].null_id, 0);
  // NULL makes four values in 31 rows: only b has 10 rows.
  values.emplace_back(std::nullopt);
  fields = Fit(Features(TextColumn("c", values)));
  EXPECT_EQ(fields.fields[0].texts, (std::vector<std::string>{"b"}));
  EXPECT_EQ(fields.fields[0].null_id, 0);  // too rare for an id of its own
  EXPECT_EQ(fields.table_rows, 2);
  // And with 10 rows NULL has one, the last.
  Repeat(&values, std::nullopt, 9);
  fields = Fit(Features(TextColumn("c", values)));
  EXPECT_EQ(fields.fields[0].null_id, 4);
  EXPECT_EQ(fields.fields[0].ids, 5);
}

TEST(FitCategory, BoundsTheVocabularyByFrequency) {
  Integers values;
  for (std::int64_t value = 0; value < 50; ++value) {
    Repeat(&values, value, value % 2 == 0 ? 30U : 20U + static_cast<std::size_t>(value == 49));
  }
  FieldOptions options;
  options.categorical = {"c"};
  options.max_ids = 27;  // shared, 25 even values, one odd one: 49
  const Fields fields = Fit(Features(IntegerColumn("c", values)), options);
  const Field &field = fields.fields[0];
  EXPECT_EQ(field.ids, 27);
  ASSERT_EQ(field.integers.size(), 26U);
  EXPECT_TRUE(std::is_sorted(field.integers.begin(), field.integers.end()));
  EXPECT_EQ(field.integers[24], 48);
  EXPECT_EQ(field.integers[25], 49);
  // Of equals the smaller value wins.
  options.max_ids = 4;
  const Fields small = Fit(Features(IntegerColumn("c", values)), options);
  EXPECT_EQ(small.fields[0].integers, (std::vector<std::int64_t>{0, 2, 4}));
  // NULL competes like a value.
  Repeat(&values, std::nullopt, 31);
  const Fields with_null = Fit(Features(IntegerColumn("c", values)), options);
  EXPECT_EQ(with_null.fields[0].integers, (std::vector<std::int64_t>{0, 2}));
  EXPECT_EQ(with_null.fields[0].null_id, 3);
}

TEST(FitFields, LaysOutIdsInOneTable) {
  Integers three = Evenly(3, 20);
  three[59] = std::nullopt;
  Texts letters;
  Repeat(&letters, "x", 30);
  Repeat(&letters, "y", 30);
  std::vector<double> numbers;
  for (int i = 0; i < 60; ++i) numbers.push_back(i % 4 == 0 ? 0.5 : 1.5);
  const Fields fields =
      Fit(Features(TextColumn("t", letters), FloatColumn("f", numbers), IntegerColumn("i", three)));
  // t: shared x y = 0..2; f: 2 knots and the value = 3..5; i: 3 knots, value, NULL = 6..10. No twin
  // for i: 59 rows of 3 values are fewer than 20 a value.
  ASSERT_EQ(fields.fields.size(), 3U);
  EXPECT_EQ(fields.fields[1].first_id, 3);
  EXPECT_EQ(fields.fields[2].first_id, 6);
  EXPECT_EQ(fields.fields[2].null_id, 10);
  EXPECT_EQ(fields.table_rows, 11);
  const kernels::FieldPlan plan = fields.Plan();
  EXPECT_EQ(plan.fields, 3);
  EXPECT_EQ(plan.categorical_fields, (std::vector<std::int32_t>{0}));
  ASSERT_EQ(plan.numeric(), 2);
  EXPECT_EQ(plan.numeric_fields[0].value_id, 5);
  EXPECT_EQ(plan.numeric_fields[0].null_id, -1);
  EXPECT_EQ(plan.numeric_fields[1].field, 2);
  EXPECT_EQ(plan.numeric_fields[1].first_knot_id, 6);
  EXPECT_EQ(plan.numeric_fields[1].first_knot, 2);
  EXPECT_EQ(plan.numeric_fields[1].value_id, 9);
  EXPECT_EQ(plan.numeric_fields[1].null_id, 10);
  EXPECT_EQ(plan.knot_positions.size(), 5U);
  EXPECT_EQ(plan.table_rows, 11);
}

}  // namespace
}  // namespace trails
