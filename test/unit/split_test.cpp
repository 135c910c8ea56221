#include "core/data/split.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "columns_by_hand.h"
#include "core/data/row_hash.h"
#include "core/random.h"
#include "trails/error.h"

namespace trails {
namespace {

using test::FloatColumn;
using test::IntegerColumn;
using test::kNull;
using test::TextColumn;

// A table of three columns and a target in which every content occurs on average twice.
// `order` says which of its rows come, in which order.
Table Shuffled(const std::vector<std::int32_t> &order, bool reversed_columns) {
  RandomStream random(11);
  std::vector<std::int64_t> keys;
  for (std::size_t i = 0; i < order.size(); ++i) {
    keys.push_back(random.Below(static_cast<std::int64_t>(order.size()) / 2));
  }
  std::vector<std::optional<std::int64_t>> integers;
  std::vector<double> floats;
  std::vector<std::optional<std::string>> texts;
  std::vector<std::optional<std::int64_t>> targets;
  for (const std::int32_t row : order) {
    const std::int64_t key = keys[static_cast<std::size_t>(row)];
    integers.emplace_back(key % 97);
    floats.push_back(key % 5 == 0 ? kNull : static_cast<double>(key) / 8);
    texts.emplace_back(fmt::format("word {}", key / 3));
    targets.emplace_back(row);
  }
  Table table;
  table.relation = "shuffled";
  table.features = test::Features(IntegerColumn("a", integers), FloatColumn("b", floats),
                                  TextColumn("c", texts));
  if (reversed_columns) std::reverse(table.features.begin(), table.features.end());
  table.target = IntegerColumn("row", targets);
  return table;
}

std::vector<std::int64_t> Targets(const Table &table, const std::vector<std::int32_t> &rows) {
  std::vector<std::int64_t> targets;
  for (const std::int32_t row : rows) targets.push_back(table.target.integer(row));
  std::sort(targets.begin(), targets.end());
  return targets;
}

Table Labelled(std::vector<Column> features, std::int64_t rows) {
  Table table;
  table.relation = "t";
  table.features = std::move(features);
  std::vector<std::optional<std::int64_t>> targets;
  for (std::int64_t row = 0; row < rows; ++row) targets.emplace_back(row % 2);
  table.target = IntegerColumn("y", targets);
  return table;
}

Table Numbered(std::int64_t rows) {
  std::vector<std::optional<std::int64_t>> values;
  for (std::int64_t row = 0; row < rows; ++row) values.emplace_back(row);
  return Labelled(test::Features(IntegerColumn("a", values)), rows);
}

Error ThrownBySplit(const Table &table) {
  try {
    SplitRows(table, HashRows(table));
  } catch (const Error &error) {
    return error;
  }
  ADD_FAILURE() << "expected trails::Error";
  return {ErrorKind::kInternal, ""};
}

TEST(HashRows, DoesNotCareForTheTypeOfANumber) {
  const Table narrow = Labelled(test::Features(IntegerColumn("a", {5, -1, std::nullopt})), 3);
  const Table wide =
      Labelled(test::Features(IntegerColumn("a", {5, -1, std::nullopt, 1LL << 40})), 4);
  const Table floats = Labelled(test::Features(FloatColumn("a", {5.0, -1.0, kNull})), 3);
  const auto hashes = HashRows(narrow);
  EXPECT_EQ(HashRows(floats), hashes);
  EXPECT_TRUE(std::equal(hashes.begin(), hashes.end(), HashRows(wide).begin()));
  EXPECT_EQ(HashRows(Labelled(test::Features(FloatColumn("a", {0.0, -0.0})), 2))[0],
            HashRows(Labelled(test::Features(FloatColumn("a", {-0.0, 0.5})), 2))[0]);
}

TEST(HashRows, TellsValuesColumnsAndNullApart) {
  const Table table =
      Labelled(test::Features(TextColumn("a", {"1", "", std::nullopt, "2", "1"}),
                              TextColumn("b", {"2", "", std::nullopt, "1", std::nullopt})),
               5);
  const auto hashes = HashRows(table);
  EXPECT_EQ(std::set(hashes.begin(), hashes.end()).size(), 5U);
  const Table renamed = Labelled(test::Features(IntegerColumn("b", {5})), 1);
  EXPECT_NE(HashRows(renamed)[0],
            HashRows(Labelled(test::Features(IntegerColumn("a", {5})), 1))[0]);
}

TEST(HashRows, StaysWhatItIsInReleasedModels) {
  // A change here moves rows from train to test: never adapt the number lightly.
  Table table =
      Labelled(test::Features(IntegerColumn("a", {5, std::nullopt}), FloatColumn("b", {0.5, kNull}),
                              TextColumn("c", {"x", "y"})),
               2);
  EXPECT_EQ(HashData(table, HashRows(table)), "ba559c75f85ee552db6d9d77536fc472");
}

TEST(SplitRows, SharesAreEightOneOne) {
  const Table table = Numbered(10'000);
  const Split split = SplitRows(table, HashRows(table));
  EXPECT_NEAR(static_cast<double>(split.train.size()), 8'000, 200);
  EXPECT_NEAR(static_cast<double>(split.valid.size()), 1'000, 200);
  EXPECT_NEAR(static_cast<double>(split.test.size()), 1'000, 200);
  EXPECT_EQ(split.train.size() + split.valid.size() + split.test.size(), 10'000U);
  EXPECT_TRUE(std::is_sorted(split.train.begin(), split.train.end()));
}

TEST(SplitRows, KeepsEqualRowsTogether) {
  const Table table = Shuffled(test::AllRows(4'000), false);
  const auto hashes = HashRows(table);
  const Split split = SplitRows(table, hashes);
  std::map<std::uint64_t, std::set<int>> parts;
  int part = 0;
  for (const auto *rows : {&split.train, &split.valid, &split.test}) {
    for (const std::int32_t row : *rows) parts[hashes[static_cast<std::size_t>(row)]].insert(part);
    ++part;
  }
  EXPECT_LT(parts.size(), 3'000U);  // there are duplicates
  for (const auto &[hash, where] : parts) EXPECT_EQ(where.size(), 1U);
}

TEST(SplitRows, RowOrderAndColumnOrderDoNotMatter) {
  std::vector<std::int32_t> order = test::AllRows(2'000);
  const Table table = Shuffled(order, false);
  RandomStream(3).Shuffle(order.data(), static_cast<std::int64_t>(order.size()));
  const Table other = Shuffled(order, true);
  const auto hashes = HashRows(table);
  const auto other_hashes = HashRows(other);
  const Split split = SplitRows(table, hashes);
  const Split other_split = SplitRows(other, other_hashes);
  EXPECT_EQ(Targets(table, split.train), Targets(other, other_split.train));
  EXPECT_EQ(Targets(table, split.valid), Targets(other, other_split.valid));
  EXPECT_EQ(Targets(table, split.test), Targets(other, other_split.test));
  EXPECT_EQ(HashData(table, hashes), HashData(other, other_hashes));
}

TEST(LooksLikeSplit, OnlyWithTheWordsOfASplit) {
  EXPECT_TRUE(LooksLikeSplit(TextColumn("part", {"train", "Test", std::nullopt, "train"})));
  EXPECT_FALSE(LooksLikeSplit(TextColumn("part", {"train", "test", "north"})));
  EXPECT_FALSE(LooksLikeSplit(TextColumn("part", {"train", "train"})));
  EXPECT_FALSE(LooksLikeSplit(IntegerColumn("part", {1, 2})));
}

TEST(SplitRows, ReadsTheSplitColumn) {
  Table table = Numbered(26);
  std::vector<std::optional<std::string>> words(22, "train");
  words[1] = "TEST";
  words[2] = "Validation";
  words[3] = "valid";
  words[4] = "holdout";
  words[5] = std::nullopt;
  words.insert(words.end(), {"Train", "train", "train", "train"});
  table.split = TextColumn("s", words);
  const Split split = SplitRows(table, HashRows(table));
  EXPECT_EQ(split.train.size(), 21U);
  EXPECT_EQ(split.valid, (std::vector<std::int32_t>{2, 3}));
  EXPECT_EQ(split.test, (std::vector<std::int32_t>{1}));
}

TEST(SplitRows, GroupsNeverStraddle) {
  Table table = Numbered(5'000);
  std::vector<std::optional<std::int64_t>> groups;
  for (std::int64_t row = 0; row < table.rows(); ++row) {
    groups.push_back(row % 300 == 0 ? std::nullopt : std::optional(row % 300));
  }
  table.group = IntegerColumn("g", groups);
  const Split split = SplitRows(table, HashRows(table));
  std::map<std::int64_t, std::set<int>> parts;
  int part = 0;
  for (const auto *rows : {&split.train, &split.valid, &split.test}) {
    EXPECT_FALSE(rows->empty());
    for (const std::int32_t row : *rows) parts[table.group->integer(row)].insert(part);
    ++part;
  }
  EXPECT_EQ(parts.size(), 300U);
  for (const auto &[group, where] : parts) EXPECT_EQ(where.size(), 1U);
}

TEST(SplitRows, LeavesNullTargetsOut) {
  Table table = Numbered(100);
  table.target = Column("y", ColumnKind::kInteger, "integer");
  for (int row = 0; row < 100; ++row) {
    if (row % 4 == 0) {
      table.target.AppendNull();
    } else {
      table.target.AppendInteger(row);
    }
  }
  const Split split = SplitRows(table, HashRows(table));
  EXPECT_EQ(split.null_targets, 25);
  EXPECT_EQ(split.train.size() + split.valid.size() + split.test.size(), 75U);
  for (const std::int32_t row : split.train) EXPECT_NE(row % 4, 0);
}

TEST(SplitRows, SmallTablesHaveAllThreeParts) {
  for (std::int64_t rows = 20; rows < 60; ++rows) {
    const Table table = Numbered(rows);
    const Split split = SplitRows(table, HashRows(table));
    EXPECT_GE(split.train.size(), static_cast<std::size_t>(rows / 2)) << rows;
    EXPECT_FALSE(split.valid.empty()) << rows;
    EXPECT_FALSE(split.test.empty()) << rows;
  }
}

TEST(SplitRows, RejectsWhatCannotBeSplit) {
  EXPECT_EQ(ThrownBySplit(Numbered(19)).kind(), ErrorKind::kBadData);
  EXPECT_NO_THROW(SplitRows(Numbered(20), HashRows(Numbered(20))));

  const Table same = Labelled(
      test::Features(IntegerColumn("a", std::vector<std::optional<std::int64_t>>(50, 1))), 50);
  EXPECT_EQ(ThrownBySplit(same).detail(), "All rows have the same feature values.");

  Table untested = Numbered(30);
  untested.split = TextColumn("s", std::vector<std::optional<std::string>>(30, "train"));
  EXPECT_STREQ(ThrownBySplit(untested).what(), "relation \"t\" has no row to validate on");

  Table unmarked = Numbered(30);
  unmarked.split = TextColumn("s", std::vector<std::optional<std::string>>(30, "rest"));
  EXPECT_EQ(ThrownBySplit(unmarked).kind(), ErrorKind::kBadData);

  Table numbers = Numbered(30);
  numbers.split = IntegerColumn("s", std::vector<std::optional<std::int64_t>>(30, 1));
  EXPECT_EQ(ThrownBySplit(numbers).kind(), ErrorKind::kInvalidArgument);

  Table unlabelled = Numbered(30);
  unlabelled.target =
      IntegerColumn("y", std::vector<std::optional<std::int64_t>>(30, std::nullopt));
  EXPECT_STREQ(ThrownBySplit(unlabelled).what(), "target column \"y\" holds only NULL");
}

TEST(HashData, SeesTheTarget) {
  Table table = Numbered(30);
  const std::string before = HashData(table, HashRows(table));
  EXPECT_EQ(before.size(), 32U);
  table.target = IntegerColumn("y", std::vector<std::optional<std::int64_t>>(30, 1));
  EXPECT_NE(HashData(table, HashRows(table)), before);
}

// What a rule says of every row, cell by cell.
Split ByRule(const Table &table, const SplitRule &rule) {
  std::vector<const Column *> columns;
  std::vector<InputColumn> names;
  for (const Column &column : table.features) columns.push_back(&column);
  if (table.group) columns.push_back(&*table.group);
  if (table.split) columns.push_back(&*table.split);
  for (const Column *column : columns) names.push_back({column->name(), "", column->kind()});
  const RowSplitter splitter(rule, names);
  Split split;
  for (std::int32_t row = 0; row < static_cast<std::int32_t>(table.rows()); ++row) {
    std::vector<Cell> cells;
    for (const Column *column : columns) {
      Cell cell;
      cell.is_null = column->is_null(row);
      if (!cell.is_null) {
        switch (column->kind()) {
          case ColumnKind::kInteger: cell.integer = column->integer(row); break;
          case ColumnKind::kFloat: cell.number = column->number(row); break;
          case ColumnKind::kText:
            cell.text = column->dictionary()[static_cast<std::size_t>(column->code(row))];
            break;
        }
      }
      cells.push_back(cell);
    }
    switch (table.target.is_null(row) ? SplitPart::kNone : splitter.PartOf(cells)) {
      case SplitPart::kTrain: split.train.push_back(row); break;
      case SplitPart::kValid: split.valid.push_back(row); break;
      case SplitPart::kTest: split.test.push_back(row); break;
      case SplitPart::kNone: break;
    }
  }
  return split;
}

SplitRule RuleOf(const Table &table, const Split &split) {
  SplitRule rule;
  if (table.split) rule.split = table.split->name();
  if (table.group) rule.group = table.group->name();
  // In another order than the table's.
  for (const Column &column : table.features) {
    rule.features.insert(rule.features.begin(), column.name());
  }
  rule.bounds = split.bounds.value();
  return rule;
}

void ExpectSame(const Table &table) {
  const Split split = SplitRows(table, HashRows(table));
  const Split again = ByRule(table, RuleOf(table, split));
  EXPECT_EQ(again.train, split.train);
  EXPECT_EQ(again.valid, split.valid);
  EXPECT_EQ(again.test, split.test);
}

TEST(RowSplitter, SaysOfARowWhatTheSplitSaidOfTheTable) {
  std::vector<std::int32_t> order(4000);
  for (std::int32_t i = 0; i < 4000; ++i) order[static_cast<std::size_t>(i)] = i;
  Table table = Shuffled(order, false);
  table.target = IntegerColumn("row", {1, {}, 3, 4});
  for (std::int32_t i = 4; i < 4000; ++i) table.target.AppendInteger(i);
  ExpectSame(table);
  table.group = std::move(table.features.back());
  table.features.pop_back();
  ExpectSame(table);
}

TEST(RowSplitter, KnowsTheRanksOfASmallTable) {
  for (const std::int32_t rows : {20, 33, 47}) {
    std::vector<std::int32_t> order;
    for (std::int32_t i = 0; i < rows; ++i) order.push_back(i);
    ExpectSame(Shuffled(order, false));
  }
}

TEST(RowSplitter, ReadsTheWordsOfASplitColumn) {
  Table table = Numbered(40);
  std::vector<std::optional<std::string>> words;
  for (std::int32_t i = 0; i < 40; ++i) {
    words.push_back(i % 7 == 0    ? std::optional<std::string>()
                    : i % 5 == 0  ? "Validation"
                    : i % 3 == 0  ? "TEST"
                    : i % 11 == 0 ? "later"
                                  : "train");
  }
  table.split = TextColumn("part", words);
  ExpectSame(table);
}

TEST(RowSplitter, NeedsItsColumns) {
  SplitRule rule;
  rule.group = "home";
  const std::vector<InputColumn> columns = {{"a", "integer", ColumnKind::kInteger}};
  EXPECT_THROW(RowSplitter(rule, columns), Error);
}

}  // namespace
}  // namespace trails
