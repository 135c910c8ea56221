// The encoded table as it lies on a card.
#include "core/card/card_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "../engine/generated_table.h"
#include "trails/error.h"

namespace trails {
namespace {

template <typename T>
std::vector<T> OnHost(const T *from, std::int64_t count) {
  std::vector<T> to(static_cast<std::size_t>(count));
  CheckCuda(cudaMemcpy(to.data(), from, to.size() * sizeof(T), cudaMemcpyDeviceToHost),
            "copy from the card");
  return to;
}

// 30,000 rows of some 40 bytes are more than the two pinned buffers hold at a time.
Dataset LargeDataset(Task task) {
  return test::GenerateDataset({.rows = 30'000, .task = task});
}

TEST(CardTable, HoldsThePackedRecordsHoweverTheyCame) {
  const Dataset data = LargeDataset(Task::kBinary);
  const kernels::FieldPlan plan = data.fields.Plan();
  std::vector<kernels::FieldIds> categories;
  for (const Field &field : data.fields.fields) {
    if (field.kind == FieldKind::kCategorical) categories.push_back({field.first_id, field.ids});
  }
  const kernels::RecordLayout layout(plan, categories);
  std::vector<unsigned char> expected(
      static_cast<std::size_t>(data.rows.rows * layout.record_bytes()));
  layout.Pack(data.rows.ids.data(), data.rows.values.data(), data.rows.rows, expected.data());

  const CardTable whole(data, plan);
  EXPECT_EQ(OnHost(whole.records(), std::ssize(expected)), expected);
  CardTable pieces(data.fields, plan, data.rows.rows);
  for (std::int64_t first = 0, count = 1; first < data.rows.rows; first += count) {
    count = std::min<std::int64_t>(first * 2 + 1, data.rows.rows - first);
    pieces.Append(data.rows.ids.data() + first * data.rows.categorical,
                  data.rows.values.data() + first * data.rows.numeric, count);
  }
  pieces.Finish(data);
  EXPECT_EQ(pieces.rows(), data.rows.rows);
  EXPECT_EQ(OnHost(pieces.records(), std::ssize(expected)), expected);
  EXPECT_EQ(OnHost(pieces.train_rows(), std::ssize(data.split.train)), data.split.train);
  EXPECT_EQ(OnHost(pieces.valid_rows(), std::ssize(data.split.valid)), data.split.valid);
}

TEST(CardTable, HasClassesOrStandardisedNumbers) {
  const Dataset classes = test::GenerateDataset({.rows = 200, .task = Task::kMulticlass});
  const CardTable of_classes(classes, classes.fields.Plan());
  EXPECT_EQ(of_classes.labels().numbers, nullptr);
  const auto found = OnHost(of_classes.labels().classes, 200);
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i], classes.labels[i]);

  Dataset numbers = test::GenerateDataset({.rows = 200, .task = Task::kRegression});
  numbers.labels[5] = std::nan("");
  const CardTable of_numbers(numbers, numbers.fields.Plan());
  EXPECT_EQ(of_numbers.labels().classes, nullptr);
  const auto targets = OnHost(of_numbers.labels().numbers, 200);
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (i == 5) {
      EXPECT_TRUE(std::isnan(targets[i]));
    } else {
      EXPECT_EQ(targets[i], static_cast<float>((numbers.labels[i] - numbers.target.mean) /
                                               numbers.target.scale));
    }
  }
  const auto valid = OnHost(of_numbers.valid_labels().labels, std::ssize(numbers.split.valid));
  EXPECT_EQ(valid[0], numbers.labels[static_cast<std::size_t>(numbers.split.valid[0])]);
}

TEST(CardTable, RefusesWhatDoesNotFit) {
  const Dataset data = test::GenerateDataset({.rows = 100});
  const kernels::FieldPlan plan = data.fields.Plan();
  CardTable table(data.fields, plan, 99);
  EXPECT_THROW(table.Append(data.rows.ids.data(), data.rows.values.data(), 100), Error);
  table.Append(data.rows.ids.data(), data.rows.values.data(), 99);
  EXPECT_THROW(table.Finish(data), Error);  // a row is missing
}

}  // namespace
}  // namespace trails
