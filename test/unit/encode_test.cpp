#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "columns_by_hand.h"
#include "core/data/fields.h"
#include "core/random.h"
#include "trails/error.h"

namespace trails {
namespace {

using test::AllRows;
using test::Features;
using test::kNull;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Rows of every kind: NULL, NaN, infinities, values in both twins, wide integers, rare words.
// The rows behind the first 60 % hold values that those do not.
struct RandomTable {
  std::vector<Column> features;
  std::vector<std::vector<Cell>> rows;  // texts point into `words`
  std::vector<std::string> words;
};

RandomTable MakeTable(std::int64_t rows, std::uint64_t seed) {
  RandomStream random(seed);
  RandomTable table;
  for (int i = 0; i < 300; ++i) table.words.push_back(fmt::format("w{}", i * i));
  table.words[0].clear();
  table.features = Features(
      Column("flag", ColumnKind::kText, "boolean"), Column("word", ColumnKind::kText, "text"),
      Column("count", ColumnKind::kInteger, "integer"),
      Column("key", ColumnKind::kInteger, "bigint"),
      Column("share", ColumnKind::kFloat, "double precision"),
      Column("grade", ColumnKind::kFloat, "real"), Column("bit", ColumnKind::kInteger, "smallint"));
  for (std::int64_t row = 0; row < rows; ++row) {
    const bool late = row > rows * 6 / 10;
    std::vector<Cell> cells(7);
    for (Cell &cell : cells) cell.is_null = random.Uniform() < 0.05;
    cells[0].text = random.Uniform() < 0.5 ? "true" : "false";
    cells[1].text =
        table.words[static_cast<std::size_t>(random.Below(late ? 300 : 1 + random.Below(100)))];
    cells[2].integer = random.Below(late ? 40 : 9) - 4;
    // Sparse: too wide a range for a table of ids.
    cells[3].integer = (random.Below(late ? 60 : 30) - 10) * 1'000'000'007'000LL;
    const double pick = random.Uniform();
    cells[4].number = pick < 0.01   ? kInfinity
                      : pick < 0.02 ? -kInfinity
                      : pick < 0.03 ? kNull
                      : pick < 0.04 ? 1e300
                      : pick < 0.05 ? -0.0
                                    : random.Normal() * 3;
    cells[5].number = late && pick < 0.2 ? pick : static_cast<double>(random.Below(6));
    if (late && pick > 0.95) cells[5].number = kInfinity;
    cells[6].integer = random.Below(late ? 3 : 2);
    for (std::size_t c = 0; c < cells.size(); ++c) {
      Column &column = table.features[c];
      if (cells[c].is_null) {
        column.AppendNull();
      } else if (column.kind() == ColumnKind::kText) {
        column.AppendText(cells[c].text);
      } else if (column.kind() == ColumnKind::kInteger) {
        column.AppendInteger(cells[c].integer);
      } else {
        column.AppendFloat(cells[c].number);
      }
    }
    table.rows.push_back(std::move(cells));
  }
  return table;
}

Fields FitFirst(const RandomTable &table, Encoding encoding, std::int32_t threads) {
  std::vector<std::string> left_out;
  FieldOptions options;
  options.encoding = encoding;
  const auto train = static_cast<std::int64_t>(table.rows.size()) * 6 / 10;
  return FitFields(table.features, AllRows(train), options, threads, &left_out);
}

std::vector<std::uint32_t> Bits(const std::vector<float> &values) {
  std::vector<std::uint32_t> bits;
  for (const float value : values) bits.push_back(std::bit_cast<std::uint32_t>(value));
  return bits;
}

// Whether two fits are the same to the last bit.
void ExpectSame(const Fields &a, const Fields &b) {
  EXPECT_EQ(a.Describe(), b.Describe());
  EXPECT_EQ(a.table_rows, b.table_rows);
  ASSERT_EQ(a.fields.size(), b.fields.size());
  for (std::size_t i = 0; i < a.fields.size(); ++i) {
    EXPECT_EQ(a.fields[i].texts, b.fields[i].texts);
    EXPECT_EQ(a.fields[i].integers, b.fields[i].integers);
    EXPECT_EQ(Bits(a.fields[i].knots), Bits(b.fields[i].knots));
    EXPECT_EQ(a.fields[i].center, b.fields[i].center);
    EXPECT_EQ(a.fields[i].scale, b.fields[i].scale);
    EXPECT_EQ(a.fields[i].null_id, b.fields[i].null_id);
  }
}

TEST(Encode, OneRowAndManyRowsAgreeBitForBit) {
  for (const Encoding encoding : {Encoding::kPiecewiseLinear, Encoding::kTrails}) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      RandomTable table = MakeTable(4'000, seed);
      const Fields fields = FitFirst(table, encoding, 2);
      const EncodedRows encoded = EncodeAndRelease(fields, &table.features, 2);
      ASSERT_EQ(encoded.rows, 4'000);
      ASSERT_EQ(encoded.categorical, fields.categorical());
      std::vector<std::int32_t> ids;
      std::vector<float> values;
      for (const std::vector<Cell> &row : table.rows) {
        std::vector<std::int32_t> row_ids(static_cast<std::size_t>(encoded.categorical));
        std::vector<float> row_values(static_cast<std::size_t>(encoded.numeric));
        fields.EncodeRow(row, row_ids.data(), row_values.data());
        ids.insert(ids.end(), row_ids.begin(), row_ids.end());
        values.insert(values.end(), row_values.begin(), row_values.end());
      }
      EXPECT_EQ(ids, encoded.ids);
      EXPECT_EQ(Bits(values), Bits(encoded.values));
    }
  }
}

TEST(Encode, StaysWithinTheTableAndWithinTheFarthestZ) {
  RandomTable table = MakeTable(4'000, 9);
  const Fields fields = FitFirst(table, Encoding::kPiecewiseLinear, 2);
  // flag, word, count twice, key twice, share, grade twice, bit.
  EXPECT_EQ(fields.categorical(), 6);
  EXPECT_EQ(fields.numeric(), 4);
  const EncodedRows encoded = EncodeAndRelease(fields, &table.features, 2);
  for (const std::int32_t id : encoded.ids) {
    ASSERT_GE(id, 0);
    ASSERT_LT(id, fields.table_rows);
  }
  std::int64_t nulls = 0;
  std::int64_t farthest = 0;
  for (const float value : encoded.values) {
    nulls += std::isnan(value) ? 1 : 0;
    farthest += std::abs(value) == kFarthestZ ? 1 : 0;
    ASSERT_TRUE(std::isnan(value) || std::abs(value) <= kFarthestZ);
  }
  EXPECT_GT(nulls, 500);
  EXPECT_GT(farthest, 50);
}

TEST(Encode, IdsByHand) {
  std::vector<std::optional<std::int64_t>> integers{10, -5, 10, std::nullopt, 77};
  std::vector<std::optional<std::string>> texts{"a", "b", "zz", std::nullopt, "a"};
  std::vector<Column> features =
      Features(test::IntegerColumn("unused", {1, 2, 3, 4, 5}), test::TextColumn("t", texts),
               test::IntegerColumn("i", integers));
  Fields fields;
  fields.columns = {{"i", "integer", ColumnKind::kInteger}, {"t", "text", ColumnKind::kText}};
  Field number;
  number.kind = FieldKind::kNumeric;
  number.center = 10;
  number.scale = 5;
  number.knots = {-3, 0};
  number.null_id = 3;
  number.ids = 4;
  Field category;
  category.first_id = 4;
  category.ids = 4;
  category.integers = {-5, 10};
  category.null_id = 7;
  Field text;
  text.column = 1;
  text.first_id = 8;
  text.ids = 3;
  text.texts = {"a", "b"};
  text.null_id = 8;
  fields.fields = {number, category, text};
  fields.table_rows = 11;
  const EncodedRows encoded = EncodeAndRelease(fields, &features, 1);
  EXPECT_EQ(encoded.ids, (std::vector<std::int32_t>{6, 9, 5, 10, 6, 8, 7, 8, 4, 9}));
  ASSERT_EQ(encoded.values.size(), 5U);
  EXPECT_EQ(encoded.values[0], 0);
  EXPECT_EQ(encoded.values[1], -3);
  EXPECT_TRUE(std::isnan(encoded.values[3]));
  EXPECT_FLOAT_EQ(encoded.values[4], 13.4F);
}

TEST(Encode, ThreadsChangeNothing) {
  // More rows than one block, so that the threads share the work.
  RandomTable one = MakeTable(150'000, 5);
  RandomTable many = MakeTable(150'000, 5);
  const Fields fields = FitFirst(one, Encoding::kPiecewiseLinear, 1);
  ExpectSame(fields, FitFirst(many, Encoding::kPiecewiseLinear, 7));
  const EncodedRows a = EncodeAndRelease(fields, &one.features, 1);
  const EncodedRows b = EncodeAndRelease(fields, &many.features, 7);
  EXPECT_EQ(a.rows, 150'000);
  EXPECT_EQ(a.ids, b.ids);
  EXPECT_EQ(Bits(a.values), Bits(b.values));
}

TEST(Encode, TakesFourBytesASlotAndFreesTheColumns) {
  RandomTable table = MakeTable(150'000, 6);
  const Fields fields = FitFirst(table, Encoding::kPiecewiseLinear, 2);
  const EncodedRows encoded = EncodeAndRelease(fields, &table.features, 2);
  const std::int64_t slots = encoded.categorical + encoded.numeric;
  EXPECT_EQ(encoded.bytes(), 150'000 * 4 * slots);
  // Held, not only used.
  EXPECT_LE(static_cast<std::int64_t>(4 * (encoded.ids.capacity() + encoded.values.capacity())),
            150'000 * 4 * slots * 13 / 10);
  for (const Column &column : table.features) EXPECT_EQ(column.bytes(), 0) << column.name();
}

TEST(Encode, RejectsColumnsThatDoNotFitTheModel) {
  RandomTable table = MakeTable(1'000, 7);
  const Fields fields = FitFirst(table, Encoding::kPiecewiseLinear, 1);
  std::vector<Column> fewer;
  for (Column &column : table.features) {
    if (column.name() != "share") fewer.push_back(std::move(column));
  }
  EXPECT_THROW(EncodeAndRelease(fields, &fewer, 1), Error);
  fewer.push_back(test::TextColumn("share", {"x"}));
  try {
    EncodeAndRelease(fields, &fewer, 1);
    FAIL() << "expected trails::Error";
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
    EXPECT_EQ(error.detail(), "The model was trained with type double precision.");
  }
}

TEST(Encode, StopsWhenAsked) {
  RandomTable table = MakeTable(1'000, 8);
  std::stop_source source;
  source.request_stop();
  std::vector<std::string> left_out;
  try {
    FitFields(table.features, AllRows(1'000), {}, 2, &left_out, source.get_token());
    FAIL() << "expected trails::Error";
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::kCancelled);
  }
}

}  // namespace
}  // namespace trails
