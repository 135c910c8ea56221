// Predictions worked by hand, and larger ones against the plain sums in double.
#include "core/model/predictor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "core/model/dense.h"
#include "sample_model.h"
#include "slow_model.h"
#include "trails/error.h"

namespace trails {
namespace {

// Two fields of width 1: colour (rare 1, blue 2, red 3, NULL 4) and age (value 10, NULL -1; z is
// the age itself). Network x -> relu(W1 x + b1) -> W2 h + b2 with
// W1 = [[1, 1], [-1, 0.5]], b1 = [0, 1].
Model HandModel(TargetCode target, std::vector<float> weight, std::vector<float> bias) {
  Model model;
  model.fields.columns = {{"colour", "text", ColumnKind::kText},
                          {"age", "real", ColumnKind::kFloat}};
  Field colour;
  colour.ids = 4;
  colour.texts = {"blue", "red"};
  colour.null_id = 3;
  Field age;
  age.kind = FieldKind::kNumeric;
  age.column = 1;
  age.first_id = 4;
  age.ids = 2;
  age.soft_clip = false;
  age.null_id = 5;
  model.fields.fields = {colour, age};
  model.fields.table_rows = 6;
  model.target = std::move(target);
  model.metric = model.target.task == Task::kRegression ? Metric::kRmse : Metric::kLogLoss;
  Network network;
  network.architecture = "2";
  network.embedding_width = 1;
  network.table = {1, 2, 3, 4, 10, -1};
  network.layers = {{2, 2, {1, 1, -1, 0.5f}, {0, 1}},
                    {2, model.target.outputs(), std::move(weight), std::move(bias)}};
  model.networks = {network};
  EXPECT_EQ(FindDefect(model), "");
  return model;
}

Model HandRegression() {
  return HandModel(SampleTarget(Task::kRegression), {2, -1}, {0.5f});
}

std::vector<float> PredictOne(Predictor *predictor, const std::vector<Cell> &cells) {
  std::vector<float> out(static_cast<std::size_t>(predictor->outputs()));
  predictor->PredictRow(cells, out.data());
  return out;
}

TEST(Predictor, RegressionByHandIsInTheTargetsUnit) {
  Predictor predictor(HandRegression());
  // x = [2, 5]: h = relu[7, 1.5], logit = 14 - 1.5 + 0.5 = 13; 1000 + 250 * 13
  EXPECT_EQ(PredictOne(&predictor, {TextCell("blue"), NumberCell(0.5)})[0], 4250.0f);
  // x = [3, -5]: h = relu[-2, -4.5] = 0, logit = 0.5
  EXPECT_EQ(PredictOne(&predictor, {TextCell("red"), NumberCell(-0.5)})[0], 1125.0f);
}

TEST(Predictor, NullAndUnseenValuesHaveTheirOwnSlots) {
  Predictor predictor(HandRegression());
  // unseen: x = [1, 5]: h = [6, 2.5], logit = 12 - 2.5 + 0.5 = 10
  EXPECT_EQ(PredictOne(&predictor, {TextCell("mauve"), NumberCell(0.5)})[0], 3500.0f);
  // NULL colour: x = [4, 5]: h = [9, 0], logit = 18.5
  EXPECT_EQ(PredictOne(&predictor, {Cell(), NumberCell(0.5)})[0], 5625.0f);
  // NULL age: x = [2, -1]: h = [1, 0], logit = 2.5
  EXPECT_EQ(PredictOne(&predictor, {TextCell("blue"), Cell()})[0], 1625.0f);
}

TEST(Predictor, NullThatTrainingNeverSawIsZerosOrTheRareSlot) {
  Model model = HandRegression();
  model.fields.fields[0].null_id = 0;
  model.fields.fields[1].null_id = -1;
  Predictor predictor(std::move(model));
  // x = [1, 0]: h = [1, 0], logit = 2.5
  EXPECT_EQ(PredictOne(&predictor, {Cell(), Cell()})[0], 1625.0f);
}

TEST(Predictor, BinaryByHandIsASoftmaxOfTwo) {
  Predictor predictor(HandModel(SampleTarget(Task::kBinary), {1, 0, 0, 2}, {-7, -1}));
  // x = [2, 5]: h = [7, 1.5], logits = [0, 2]
  const std::vector<float> out = PredictOne(&predictor, {TextCell("blue"), NumberCell(0.5)});
  EXPECT_NEAR(out[0], 0.11920292202211755, 1e-8);
  EXPECT_NEAR(out[1], 0.88079707797788243, 1e-7);
}

TEST(Predictor, MulticlassByHand) {
  Predictor predictor(HandModel(SampleTarget(Task::kMulticlass), {1, 0, 0, 2, 0, 0}, {-7, -2, 2}));
  // x = [2, 5]: h = [7, 1.5], logits = [0, 1, 2]
  const std::vector<float> out = PredictOne(&predictor, {TextCell("blue"), NumberCell(0.5)});
  EXPECT_NEAR(out[0], 0.090030573170380462, 1e-8);
  EXPECT_NEAR(out[1], 0.244728471054797642, 1e-7);
  EXPECT_NEAR(out[2], 0.665240955774821895, 1e-7);
}

TEST(Predictor, HugeLogitsStillGiveProbabilities) {
  Predictor predictor(HandModel(SampleTarget(Task::kBinary), {1e30f, 0, 0, 1e30f}, {0, 0}));
  const std::vector<float> out = PredictOne(&predictor, {TextCell("blue"), NumberCell(0.5)});
  EXPECT_EQ(out, (std::vector<float>{1, 0}));
}

TEST(Predictor, LinearModelByHand) {
  Model model = HandModel(SampleTarget(Task::kBinary), {0, 0, 0, 0}, {0, 0});
  Network linear;
  linear.architecture = "linear";
  linear.embedding_width = 2;
  linear.table = {0, 0, 0.5f, -1, 0, 0, 0, 0, 1, 2, 0, 0};
  linear.bias = {0.25f, 0.25f};
  model.networks = {linear};
  ASSERT_EQ(FindDefect(model), "");
  Predictor predictor(std::move(model));
  // logits = [0.25 + 0.5 + 1.5, 0.25 - 1 + 3] = [2.25, 2.25]
  EXPECT_EQ(PredictOne(&predictor, {TextCell("blue"), NumberCell(1.5)}),
            (std::vector<float>{0.5f, 0.5f}));
  // logits = [0.25 + 1.5, 0.25 + 3]: their difference is 1.5
  EXPECT_NEAR(PredictOne(&predictor, {TextCell("red"), NumberCell(1.5)})[1], 0.8175744761936437,
              1e-7);
}

TEST(Predictor, MeanOfTwoNetworksIsOfTheirOutputs) {
  // Probabilities, not logits: the second network's logits are [0, 0], so [0.5, 0.5].
  Model binary = HandModel(SampleTarget(Task::kBinary), {1, 0, 0, 2}, {-7, -1});
  binary.networks.push_back(binary.networks[0]);
  binary.networks[1].layers[1].weight.assign(4, 0);
  binary.networks[1].layers[1].bias.assign(2, 0);
  Predictor classes(std::move(binary));
  EXPECT_NEAR(PredictOne(&classes, {TextCell("blue"), NumberCell(0.5)})[1],
              (0.88079707797788243 + 0.5) / 2, 1e-7);

  // Numbers: logits 13 and 1, so (4250 + 1250) / 2.
  Model regression = HandRegression();
  regression.networks.push_back(regression.networks[0]);
  regression.networks[1].layers[1].weight.assign(2, 0);
  regression.networks[1].layers[1].bias = {1};
  Predictor numbers(std::move(regression));
  EXPECT_EQ(PredictOne(&numbers, {TextCell("blue"), NumberCell(0.5)})[0], 2750.0f);
}

class PredictorOfTask : public testing::TestWithParam<Task> {};

TEST_P(PredictorOfTask, AgreesWithPlainSums) {
  const Model model = SampleModel(GetParam());
  const SlowModel slow(model);
  Predictor predictor(model);
  const SampleInput rows = EncodeCells(model.fields, SampleRows(300));
  const auto outputs = static_cast<std::size_t>(predictor.outputs());
  std::vector<float> out(300 * outputs);
  predictor.Predict(rows.ids.data(), rows.values.data(), 300, out.data());
  for (std::size_t r = 0; r < 300; ++r) {
    const std::vector<double> expected = slow.Predict(rows.ids_of(r), rows.values_of(r));
    for (std::size_t o = 0; o < outputs; ++o) {
      EXPECT_NEAR(out[r * outputs + o], expected[o], 1e-5 * std::abs(expected[o])) << r;
    }
  }
}

TEST_P(PredictorOfTask, OneRowAndAnyBlockGiveTheSameBits) {
  const Model model = SampleModel(GetParam());
  const std::vector<std::vector<Cell>> cells = SampleRows(600);
  const SampleInput rows = EncodeCells(model.fields, cells);
  Predictor single(model);
  Predictor blocks(model);
  const auto outputs = static_cast<std::size_t>(single.outputs());
  std::vector<float> expected;
  for (const std::vector<Cell> &row : cells) {
    const std::vector<float> one = PredictOne(&single, row);
    expected.insert(expected.end(), one.begin(), one.end());
  }
  for (const std::int64_t count : {0, 1, 7, 8, 9, 255, 256, 257, 600}) {
    std::vector<float> out(static_cast<std::size_t>(count) * outputs + 1, -1.0f);
    blocks.Predict(rows.ids.data(), rows.values.data(), count, out.data());
    EXPECT_EQ(out.back(), -1.0f) << "wrote beyond row " << count;
    out.pop_back();
    EXPECT_EQ(std::memcmp(out.data(), expected.data(), out.size() * sizeof(float)), 0) << count;
  }
}

INSTANTIATE_TEST_SUITE_P(Tasks, PredictorOfTask,
                         testing::Values(Task::kBinary, Task::kMulticlass, Task::kRegression));

TEST(Predictor, CountsItsMemoryAndStopsAllocating) {
  Model model = SampleModel(Task::kBinary);
  model.networks[1].table.reserve(1 << 20);
  Predictor predictor(std::move(model));
  EXPECT_GT(predictor.bytes(), 4 << 20);
  const std::vector<std::vector<Cell>> rows = SampleRows(50);
  PredictOne(&predictor, rows[0]);
  const std::int64_t after_first = predictor.bytes();
  for (const std::vector<Cell> &row : rows) PredictOne(&predictor, row);
  EXPECT_EQ(predictor.bytes(), after_first);
}

TEST(Predictor, RefusesAnotherNumberOfCells) {
  Predictor predictor(HandRegression());
  try {
    PredictOne(&predictor, {TextCell("blue")});
    FAIL() << "predicted half a row";
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInternal);
  }
}

TEST(ApplyRelu, GivesTheBitsOfRunLayer) {
  // Three outputs of one input: the input itself, its opposite, and less than nothing.
  const PackedLayer layer = PackLayer({1, 3, {1, -1, 0}, {0, 0, -1}});
  constexpr float kInfinite = std::numeric_limits<float>::infinity();
  const std::vector<float> x = {1.5f, -1.5f, 0.0f, -0.0f, kInfinite, std::nanf(""), 1e-40f};
  const auto rows = static_cast<std::int64_t>(x.size());
  std::vector<float> clipped(x.size() * static_cast<std::size_t>(layer.padded_outputs));
  std::vector<float> plain(clipped.size());
  RunLayer(layer, x.data(), rows, 1, true, clipped.data());
  RunLayer(layer, x.data(), rows, 1, false, plain.data());
  EXPECT_EQ(plain[2], -1.0f);
  EXPECT_TRUE(std::isnan(clipped[5 * layer.padded_outputs]));
  ApplyRelu(plain.data(), std::ssize(plain));
  EXPECT_EQ(std::memcmp(plain.data(), clipped.data(), plain.size() * sizeof(float)), 0);
}

TEST(RunLayer, AgreesWithPlainSumsForOddShapes) {
  RandomStream random(3);
  for (const std::int32_t outputs : {1, 2, 31, 32, 33, 70}) {
    for (const std::int32_t inputs : {1, 3, 40}) {
      const DenseLayer layer = {inputs, outputs, SampleNumbers(inputs * outputs, 1, &random),
                                SampleNumbers(outputs, 1, &random)};
      const PackedLayer packed = PackLayer(layer);
      constexpr std::int64_t kRows = 19;
      const std::int64_t stride = inputs + 2;  // what lies between the rows must not be read
      std::vector<float> x = SampleNumbers(kRows * stride, 1, &random);
      for (std::int64_t r = 0; r < kRows; ++r) {
        std::fill_n(x.begin() + r * stride + inputs, 2, std::nanf(""));
      }
      std::vector<float> y(static_cast<std::size_t>(kRows * packed.padded_outputs));
      for (const bool relu : {false, true}) {
        RunLayer(packed, x.data(), kRows, stride, relu, y.data());
        for (std::int64_t r = 0; r < kRows; ++r) {
          for (std::int32_t o = 0; o < packed.padded_outputs; ++o) {
            double sum = o < outputs ? layer.bias[o] : 0.0;
            for (std::int32_t i = 0; o < outputs && i < inputs; ++i) {
              sum += static_cast<double>(layer.weight[o * inputs + i]) *
                     static_cast<double>(x[r * stride + i]);
            }
            if (relu) sum = std::max(sum, 0.0);
            ASSERT_NEAR(y[r * packed.padded_outputs + o], sum, 1e-5) << outputs << "x" << inputs;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace trails
