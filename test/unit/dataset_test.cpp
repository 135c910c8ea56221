#include "core/data/dataset.h"

#include <gtest/gtest.h>

#include <cmath>

#include "columns_by_hand.h"
#include "core/random.h"
#include "trails/error.h"

namespace trails {
namespace {

using test::Features;

// 1,000 rows: a number, a word, a constant; every 50th target is NULL.
Table MakeTable(bool shuffled = false) {
  std::vector<std::int32_t> order = test::AllRows(1'000);
  if (shuffled) RandomStream(4).Shuffle(order.data(), 1'000);
  Table table;
  table.relation = "trial";
  table.features = Features(Column("x", ColumnKind::kFloat, "double precision"),
                            Column("word", ColumnKind::kText, "text"),
                            Column("fixed", ColumnKind::kInteger, "integer"));
  table.target = Column("y", ColumnKind::kText, "text");
  for (const std::int32_t row : order) {
    table.features[0].AppendFloat(row * 0.25);
    table.features[1].AppendText(row % 3 == 0 ? "fizz" : "none");
    table.features[2].AppendInteger(7);
    if (row % 50 == 0) {
      table.target.AppendNull();
    } else {
      table.target.AppendText(row % 5 == 0 ? "yes" : "no");
    }
  }
  return table;
}

TEST(BuildDataset, PutsThePartsTogether) {
  std::vector<Notice> notices;
  const Dataset data = BuildDataset(MakeTable(), {}, &notices);
  EXPECT_EQ(data.target.task, Task::kBinary);
  EXPECT_EQ(data.metric, Metric::kAuc);
  EXPECT_EQ(data.target.classes, (std::vector<std::string>{"no", "yes"}));
  EXPECT_EQ(data.rows.rows, 1'000);
  EXPECT_EQ(data.rows.categorical, 1);
  EXPECT_EQ(data.rows.numeric, 1);
  EXPECT_LE(data.rows.bytes(), 1'000 * 4 * 2 * 13 / 10);
  ASSERT_EQ(data.labels.size(), 1'000U);
  EXPECT_TRUE(std::isnan(data.labels[0]));
  EXPECT_EQ(data.labels[5], 1);
  EXPECT_EQ(data.labels[6], 0);
  EXPECT_EQ(data.split.train.size() + data.split.valid.size() + data.split.test.size(), 980U);
  EXPECT_EQ(data.data_hash.size(), 32U);

  ASSERT_EQ(notices.size(), 2U);
  EXPECT_EQ(notices[0].message, "20 rows whose target \"y\" is NULL left out");
  EXPECT_EQ(notices[1].message, "column left out: fixed");
}

TEST(BuildDataset, TellsAboutASplitColumn) {
  Table table = MakeTable();
  table.split = Column("part", ColumnKind::kText, "text");
  for (int row = 0; row < 1'000; ++row) {
    table.split->AppendText(row == 1 ? "later" : row < 800 ? "train" : "valid");
  }
  std::vector<Notice> notices;
  const Dataset data = BuildDataset(std::move(table), {}, &notices);
  EXPECT_TRUE(data.split.test.empty());
  ASSERT_EQ(notices.size(), 4U);
  EXPECT_EQ(notices[1].message, "1 row outside the split left out");
  EXPECT_EQ(notices[2].message, "no test rows");
}

TEST(BuildDataset, IsTheSameWhateverTheRowOrder) {
  std::vector<Notice> notices;
  const Dataset data = BuildDataset(MakeTable(), {}, &notices);
  const Dataset other = BuildDataset(MakeTable(true), {}, &notices);
  EXPECT_EQ(data.data_hash, other.data_hash);
  EXPECT_EQ(data.split.train.size(), other.split.train.size());
  EXPECT_EQ(data.fields.fields[0].center, other.fields.fields[0].center);
  EXPECT_EQ(data.fields.fields[0].scale, other.fields.fields[0].scale);
  EXPECT_EQ(data.fields.fields[0].knots, other.fields.fields[0].knots);
}

TEST(BuildDataset, KeepsTheMemoryLimit) {
  SelectionOptions options;
  options.memory_limit_bytes = 1 << 20;
  std::vector<Notice> notices;
  try {
    BuildDataset(MakeTable(), options, &notices);
    FAIL() << "expected trails::Error";
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::kLimit);
    // Four columns of one block of 256 KiB, and 28 bytes a row: 1.03 MiB.
    EXPECT_STREQ(error.what(), "data of relation \"trial\" need 2 MB of memory");
    EXPECT_FALSE(error.hint().empty());
  }
  options.memory_limit_bytes = 2 << 20;
  EXPECT_NO_THROW(BuildDataset(MakeTable(), options, &notices));
}

TEST(BuildDataset, PassesErrorsOn) {
  std::vector<Notice> notices;
  SelectionOptions options;
  options.metric = Metric::kRmse;
  EXPECT_THROW(BuildDataset(MakeTable(), options, &notices), Error);
  options = {};
  options.numeric = {"word"};
  EXPECT_THROW(BuildDataset(MakeTable(), options, &notices), Error);
  std::stop_source source;
  source.request_stop();
  try {
    BuildDataset(MakeTable(), {}, &notices, source.get_token());
    FAIL() << "expected trails::Error";
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::kCancelled);
  }
}

}  // namespace
}  // namespace trails
