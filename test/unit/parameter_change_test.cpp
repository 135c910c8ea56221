// How far parameters moved: by hand on a sample model.
#include "core/intermediates/parameter_change.h"

#include <gtest/gtest.h>

#include <cmath>

#include "sample_model.h"
#include "trails/error.h"

namespace trails {
namespace {

TEST(ParameterChange, AModelIsWhereItWas) {
  const Model model = SampleModel(Task::kMulticlass);
  const ParameterChange change = ChangeOf(model, model, "1/hidden1_before");
  EXPECT_EQ(change.parameters, 4 * 2 * 5 + 5);  // fields, width, units, biases
  EXPECT_EQ(change.l2, 0);
  EXPECT_EQ(change.relative_l2, 0);
  EXPECT_NEAR(change.cosine, 1, 1e-12);
}

TEST(ParameterChange, WeightsAndBiasesCountByHand) {
  Model a = SampleModel(Task::kRegression);
  DenseLayer &layer = a.networks[0].layers[2];  // 3 -> 1
  layer.weight = {3, 0, 0};
  layer.bias = {4};
  Model b = a;
  b.networks[0].layers[2].weight = {0, 0, 0};
  b.networks[0].layers[2].bias = {8};
  const ParameterChange change = ChangeOf(a, b, "1/logits");
  EXPECT_EQ(change.parameters, 4);
  EXPECT_DOUBLE_EQ(change.l2, 5);           // of (-3, 0, 0, 4)
  EXPECT_DOUBLE_EQ(change.relative_l2, 1);  // over that of (3, 0, 0, 4)
  EXPECT_DOUBLE_EQ(change.cosine, 32.0 / (5 * 8));
  EXPECT_EQ(ChangeOf(a, b, "1/hidden2_before").l2, 0);
}

TEST(ParameterChange, TablesBelongToTheEmbeddingAndToALinearNetwork) {
  const Model a = SampleModel(Task::kBinary);
  Model b = a;
  b.networks[1].table[0] += 0.5F;
  b.networks[2].bias[1] -= 2;
  EXPECT_NEAR(ChangeOf(a, b, "2/embedding").l2, 0.5, 1e-6);
  EXPECT_EQ(ChangeOf(a, b, "2/embedding").parameters, 13 * 3);
  EXPECT_NEAR(ChangeOf(a, b, "3/logits").l2, 2, 1e-6);
  EXPECT_EQ(ChangeOf(a, b, "3/logits").parameters, 13 * 2 + 2);
}

TEST(ParameterChange, WhatOnlyFollowsFromOthersHasNone) {
  const Model model = SampleModel(Task::kBinary);
  for (const char *const layer : {"1/hidden1", "prediction", "loss"}) {
    const ParameterChange change = ChangeOf(model, model, layer);
    EXPECT_EQ(change.parameters, 0) << layer;
    EXPECT_TRUE(std::isnan(change.l2)) << layer;
    EXPECT_TRUE(std::isnan(change.relative_l2)) << layer;
    EXPECT_TRUE(std::isnan(change.cosine)) << layer;
  }
}

TEST(ParameterChange, OtherShapesAreRefused) {
  const Model a = SampleModel(Task::kBinary);
  Model b = a;
  b.networks[0].table.push_back(0);
  EXPECT_THROW(ChangeOf(a, b, "1/embedding"), Error);
}

}  // namespace
}  // namespace trails
