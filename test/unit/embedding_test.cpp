#include "core/data/embedding.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace trails {
namespace {

// A category of 3 ids, a number of 4 knots (rows 3 .. 6), value 7 and NULL 8, and a number of two
// knots whose value slot comes first: value 9, knots 10 and 11.
kernels::FieldPlan Plan() {
  kernels::FieldPlan plan;
  plan.fields = 3;
  plan.table_rows = 12;
  plan.categorical_fields = {0};
  plan.numeric_fields.resize(2);
  plan.numeric_fields[0] = {
      .field = 1, .first_knot_id = 3, .knots = 4, .value_id = 7, .null_id = 8};
  plan.numeric_fields[1] = {
      .field = 2, .first_knot_id = 10, .knots = 2, .first_knot = 4, .value_id = 9};
  plan.knot_positions = {-1, 0, 1, 2, 0, 1};
  return plan;
}

std::vector<float> Table(const InitialEmbedding &embedding) {
  std::vector<float> table(12 * kEmbeddingWidth);
  embedding.DrawTable(table.data());
  return table;
}

TEST(InitialEmbedding, DrawsTheTableFirstAndTheValueRowsAgain) {
  // One number after the other, as a trainer without random access would.
  RandomStream random(77);
  std::vector<float> expected(12 * kEmbeddingWidth);
  for (float &entry : expected) entry = static_cast<float>(random.Normal() * 0.01);
  for (const std::size_t id : {7, 9}) {
    for (std::size_t w = 0; w < kEmbeddingWidth; ++w) {
      expected[id * kEmbeddingWidth + w] = static_cast<float>(random.Normal() * 0.1);
    }
  }
  const InitialEmbedding embedding(Plan(), Encoding::kPiecewiseLinear, RandomStream(77));
  EXPECT_EQ(Table(embedding), expected);
  EXPECT_EQ(embedding.rest().Next(), random.Next());
}

TEST(InitialEmbedding, OfThePapersIsXavierOverTheTable) {
  RandomStream random(78);
  std::vector<float> expected(12 * kEmbeddingWidth);
  for (float &entry : expected) entry = random.Symmetric(std::sqrt(6.0 / (12 + kEmbeddingWidth)));
  const InitialEmbedding embedding(Plan(), Encoding::kTrails, RandomStream(78));
  EXPECT_EQ(Table(embedding), expected);
  EXPECT_EQ(embedding.rest().Next(), random.Next());
}

TEST(InitialEmbedding, GivesRowsInAnyOrder) {
  for (const Encoding encoding : {Encoding::kPiecewiseLinear, Encoding::kTrails}) {
    const InitialEmbedding embedding(Plan(), encoding, RandomStream(5));
    const std::vector<float> table = Table(embedding);
    for (std::int32_t id = 11; id >= 0; --id) {
      std::vector<float> row(kEmbeddingWidth);
      embedding.DrawRow(id, row.data());
      EXPECT_TRUE(std::equal(row.begin(), row.end(),
                             table.begin() + static_cast<std::ptrdiff_t>(id) * kEmbeddingWidth))
          << id;
    }
  }
}

}  // namespace
}  // namespace trails
