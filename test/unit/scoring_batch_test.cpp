#include "core/filtering/scoring_batch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/data/embedding.h"
#include "core/random.h"

namespace trails {
namespace {

// `labels` of rows whose only field is a number that tells them apart; every third row is for
// training, the others must never be drawn.
Dataset NumberedRows(const std::vector<double> &labels, std::size_t classes) {
  Dataset data;
  Field field;
  field.kind = FieldKind::kNumeric;
  field.ids = 3;
  field.knots = {-1.0f, 1.0f};
  data.fields.fields = {field};
  data.fields.columns = {{"number", "real", ColumnKind::kFloat}};
  data.fields.table_rows = 3;
  data.target.task = classes > 0 ? Task::kMulticlass : Task::kRegression;
  for (std::size_t c = 0; c < classes; ++c) data.target.classes.push_back(std::to_string(c));
  data.target.mean = 10;
  data.target.scale = 4;
  data.rows.numeric = 1;
  for (const double label : labels) {
    for (int copy = 0; copy < 3; ++copy) {
      if (copy == 1) data.split.train.push_back(static_cast<std::int32_t>(data.labels.size()));
      data.rows.values.push_back(static_cast<float>(data.labels.size()) * 1e-3f);
      data.labels.push_back(copy == 1 ? label : std::nan(""));
    }
  }
  data.rows.rows = static_cast<std::int64_t>(data.labels.size());
  return data;
}

std::map<std::int32_t, int> CountLabels(const ScoringBatch &batch) {
  std::map<std::int32_t, int> counts;
  for (const std::int32_t label : batch.labels) ++counts[label];
  return counts;
}

// The distinct input vectors: as many as rows when no row was drawn twice.
std::size_t DistinctInputs(const ScoringBatch &batch) {
  std::set<std::vector<float>> seen;
  for (std::int32_t row = 0; row < batch.rows; ++row) {
    const auto first = batch.x.begin() + row * batch.inputs;
    seen.emplace(first, first + batch.inputs);
  }
  return seen.size();
}

std::vector<double> Labels(std::initializer_list<std::pair<double, int>> counts) {
  std::vector<double> labels;
  for (const auto &[label, count] : counts) {
    labels.insert(labels.end(), static_cast<std::size_t>(count), label);
  }
  return labels;
}

TEST(ScoringBatch, GivesEachClassItsShareAndAtLeastOneRow) {
  const Dataset data = NumberedRows(Labels({{0, 600}, {1, 290}, {2, 108}, {3, 2}}), 4);
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const ScoringBatch batch = DrawScoringBatch(data, Encoding::kTrails, 32, seed);
    EXPECT_EQ(batch.rows, 32);
    EXPECT_EQ(batch.inputs, kEmbeddingWidth);
    EXPECT_EQ(batch.outputs, 4);
    EXPECT_FALSE(batch.regression);
    EXPECT_TRUE(batch.targets.empty());
    EXPECT_EQ(batch.x.size(), 32u * kEmbeddingWidth);
    EXPECT_EQ(DistinctInputs(batch), 32u);
    const auto counts = CountLabels(batch);
    EXPECT_EQ(counts.at(0), 19);  // of 19.2
    EXPECT_EQ(counts.at(1), 9);   // of 9.3
    EXPECT_EQ(counts.at(2), 3);   // of 3.5
    EXPECT_EQ(counts.at(3), 1);   // of 0.06
  }
}

TEST(ScoringBatch, WithMoreClassesThanRowsDrawsAmongAllOfThem) {
  std::vector<double> labels;
  for (int row = 0; row < 300; ++row) labels.push_back(row % 100);
  const Dataset data = NumberedRows(labels, 100);
  std::set<std::int32_t> seen;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const ScoringBatch batch = DrawScoringBatch(data, Encoding::kTrails, 32, seed);
    const auto counts = CountLabels(batch);
    EXPECT_EQ(counts.size(), 32u);
    for (const auto &[label, count] : counts) seen.insert(label);
  }
  EXPECT_EQ(seen.size(), 100u);
}

TEST(ScoringBatch, TakesAllRowsOfASmallTable) {
  const Dataset data = NumberedRows(Labels({{0, 5}, {1, 2}}), 2);
  const ScoringBatch batch = DrawScoringBatch(data, Encoding::kTrails, 32, 1);
  EXPECT_EQ(batch.rows, 7);
  EXPECT_EQ(DistinctInputs(batch), 7u);
  EXPECT_EQ(CountLabels(batch), (std::map<std::int32_t, int>{{0, 5}, {1, 2}}));
}

TEST(ScoringBatch, StandsInARandomOrder) {
  const Dataset data = NumberedRows(Labels({{0, 500}, {1, 500}}), 2);
  double of_first_half = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    const ScoringBatch batch = DrawScoringBatch(data, Encoding::kTrails, 32, seed);
    of_first_half +=
        static_cast<double>(std::count(batch.labels.begin(), batch.labels.begin() + 16, 1));
  }
  // 16 of 32 drawn, half of them ones: mean 8, deviation 1.44 of a batch, 0.07 of 400.
  EXPECT_NEAR(of_first_half / 400, 8, 0.29);
}

TEST(ScoringBatch, FollowsItsSeed) {
  const Dataset data = NumberedRows(Labels({{0, 300}, {1, 300}}), 2);
  const ScoringBatch batch = DrawScoringBatch(data, Encoding::kTrails, 32, 4);
  EXPECT_EQ(DrawScoringBatch(data, Encoding::kTrails, 32, 4).x, batch.x);
  EXPECT_NE(DrawScoringBatch(data, Encoding::kTrails, 32, 5).x, batch.x);
}

TEST(ScoringBatch, DrawsEveryRowAlikeAndStandardisesNumbers) {
  std::vector<double> labels;
  for (int row = 0; row < 50; ++row) labels.push_back(row);
  const Dataset data = NumberedRows(labels, 0);
  std::map<int, double> seen;
  for (std::uint64_t seed = 0; seed < 2'000; ++seed) {
    const ScoringBatch batch = DrawScoringBatch(data, Encoding::kTrails, 10, seed);
    EXPECT_TRUE(batch.regression);
    EXPECT_EQ(batch.outputs, 1);
    EXPECT_TRUE(batch.labels.empty());
    ASSERT_EQ(batch.targets.size(), 10u);
    for (const float target : batch.targets) ++seen[static_cast<int>(std::lround(target * 4 + 10))];
  }
  ASSERT_EQ(seen.size(), 50u);
  EXPECT_EQ(seen.begin()->first, 0);
  double chi_square = 0;
  for (const auto &[row, count] : seen) chi_square += (count - 400) * (count - 400) / 400;
  EXPECT_LT(chi_square, 85.4);  // 49 degrees of freedom, p = 0.001
}

TEST(ScoringBatch, InputsAreThoseOfTheWholeInitialTable) {
  // A category, a number with knots and NULL, a number as in the papers; 40 rows, all drawn.
  Dataset data;
  data.fields.columns = {{"kind", "text", ColumnKind::kText},
                         {"size", "real", ColumnKind::kFloat},
                         {"weight", "real", ColumnKind::kFloat}};
  Field kind, size, weight;
  kind.ids = 6;
  kind.texts = {"a", "b", "c", "d", "e"};
  kind.null_id = 0;
  size.kind = FieldKind::kNumeric;
  size.column = 1;
  size.first_id = 6;
  size.ids = 6;
  size.knots = {-1, 0, 0.5, 2};
  size.null_id = 11;
  weight.kind = FieldKind::kNumeric;
  weight.column = 2;
  weight.first_id = 12;
  weight.ids = 1;
  weight.soft_clip = false;
  data.fields.fields = {kind, size, weight};
  data.fields.table_rows = 13;
  data.target.task = Task::kRegression;
  data.rows.categorical = 1;
  data.rows.numeric = 2;
  RandomStream random(8);
  for (std::int32_t row = 0; row < 40; ++row) {
    data.split.train.push_back(row);
    data.labels.push_back(row);
    data.rows.ids.push_back(static_cast<std::int32_t>(random.Below(6)));
    data.rows.values.push_back(row % 7 == 0 ? std::nanf("") : random.Symmetric(3));
    data.rows.values.push_back(random.Symmetric(3));
  }
  const kernels::FieldPlan plan = data.fields.Plan();
  for (const Encoding encoding : {Encoding::kPiecewiseLinear, Encoding::kTrails}) {
    const ScoringBatch batch = DrawScoringBatch(data, encoding, 40, 21);
    std::vector<float> table(13 * kEmbeddingWidth);
    InitialEmbedding(plan, encoding, RandomStream::ForPurpose(21, kScoringEmbeddingPurpose))
        .DrawTable(table.data());
    kernels::CumulateKnotsCpu(plan, table.data(), kEmbeddingWidth, table.data());
    std::vector<std::int32_t> rows;
    for (const float target : batch.targets) rows.push_back(static_cast<std::int32_t>(target));
    std::vector<float> expected(40 * 3 * kEmbeddingWidth);
    kernels::GatherFieldsCpu(plan, data.rows.ids.data(), data.rows.values.data(), rows.data(), 40,
                             table.data(), kEmbeddingWidth, expected.data());
    EXPECT_EQ(batch.inputs, 3 * kEmbeddingWidth);
    EXPECT_EQ(batch.x, expected);
  }
}

}  // namespace
}  // namespace trails
