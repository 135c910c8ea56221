// Predictions worked by hand, and larger ones against the plain sums in double.
#include "core/model/predictor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "core/model/dense.h"
#include "sample_model.h"
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

// The predictor again, as plain sums in double.
class SlowPredictor {
 public:
  explicit SlowPredictor(const Model &model) : model_(model), plan_(model.fields.Plan()) {}

  std::vector<double> Predict(const std::int32_t *ids, const float *values) const {
    std::vector<double> mean(static_cast<std::size_t>(model_.target.outputs()), 0.0);
    for (const Network &network : model_.networks) {
      const std::vector<double> answer = Answer(Logits(network, Gather(network, ids, values)));
      for (std::size_t o = 0; o < mean.size(); ++o) {
        mean[o] += answer[o] / static_cast<double>(model_.networks.size());
      }
    }
    return mean;
  }

 private:
  std::vector<double> Gather(const Network &network, const std::int32_t *ids,
                             const float *values) const {
    const std::int32_t width = network.embedding_width;
    std::vector<double> x(static_cast<std::size_t>(plan_.fields * width), 0.0);
    const auto add = [&](std::int32_t field, std::int32_t id, double factor) {
      for (std::int32_t w = 0; w < width; ++w) {
        x[field * width + w] += factor * static_cast<double>(network.table[id * width + w]);
      }
    };
    for (std::int32_t c = 0; c < plan_.categorical(); ++c) {
      add(plan_.categorical_fields[c], ids[c], 1);
    }
    for (std::int32_t n = 0; n < plan_.numeric(); ++n) {
      const kernels::NumericSlots &slots = plan_.numeric_fields[n];
      if (std::isnan(values[n])) {
        if (slots.null_id >= 0) add(slots.field, slots.null_id, 1);
        continue;
      }
      const double z = values[n];
      add(slots.field, slots.value_id, slots.soft_clip ? z / std::hypot(1, z / 3) : z);
      if (slots.knots == 0) continue;
      const float *const knots = plan_.knot_positions.data() + slots.first_knot;
      const double clipped =
          std::clamp<double>(z, knots[0], static_cast<double>(knots[slots.knots - 1]));
      std::int32_t j = 0;
      while (j + 2 < slots.knots && clipped >= static_cast<double>(knots[j + 1])) ++j;
      const double low = knots[j];
      const double t = (clipped - low) / (static_cast<double>(knots[j + 1]) - low);
      add(slots.field, slots.first_knot_id + j, 1 - t);
      add(slots.field, slots.first_knot_id + j + 1, t);
    }
    return x;
  }

  std::vector<double> Logits(const Network &network, std::vector<double> x) const {
    if (network.layers.empty()) {
      std::vector<double> logits(network.bias.begin(), network.bias.end());
      for (std::size_t i = 0; i < x.size(); ++i) logits[i % logits.size()] += x[i];
      return logits;
    }
    for (const DenseLayer &layer : network.layers) {
      std::vector<double> y(layer.bias.begin(), layer.bias.end());
      for (std::size_t o = 0; o < y.size(); ++o) {
        for (std::size_t i = 0; i < x.size(); ++i) {
          y[o] += static_cast<double>(layer.weight[o * x.size() + i]) * x[i];
        }
        if (&layer != &network.layers.back()) y[o] = std::max(y[o], 0.0);
      }
      x = std::move(y);
    }
    return x;
  }

  std::vector<double> Answer(std::vector<double> logits) const {
    if (model_.target.task == Task::kRegression) {
      return {model_.target.mean + model_.target.scale * logits[0]};
    }
    double total = 0;
    for (double &logit : logits) total += logit = std::exp(logit);
    for (double &logit : logits) logit /= total;
    return logits;
  }

  const Model &model_;
  kernels::FieldPlan plan_;
};

struct Rows {
  std::vector<std::int32_t> ids;
  std::vector<float> values;
};

Rows Encode(const Model &model, const std::vector<std::vector<Cell>> &cells) {
  const std::int64_t categorical = model.fields.categorical();
  const std::int64_t numeric = model.fields.numeric();
  Rows rows;
  rows.ids.resize(cells.size() * static_cast<std::size_t>(categorical));
  rows.values.resize(cells.size() * static_cast<std::size_t>(numeric));
  for (std::size_t r = 0; r < cells.size(); ++r) {
    model.fields.EncodeRow(cells[r], rows.ids.data() + r * categorical,
                           rows.values.data() + r * numeric);
  }
  return rows;
}

class PredictorOfTask : public testing::TestWithParam<Task> {};

TEST_P(PredictorOfTask, AgreesWithPlainSums) {
  const Model model = SampleModel(GetParam());
  const SlowPredictor slow(model);
  Predictor predictor(model);
  const Rows rows = Encode(model, SampleRows(300));
  const auto outputs = static_cast<std::size_t>(predictor.outputs());
  std::vector<float> out(300 * outputs);
  predictor.Predict(rows.ids.data(), rows.values.data(), 300, out.data());
  for (std::size_t r = 0; r < 300; ++r) {
    const std::vector<double> expected =
        slow.Predict(rows.ids.data() + r * predictor.model().fields.categorical(),
                     rows.values.data() + r * predictor.model().fields.numeric());
    for (std::size_t o = 0; o < outputs; ++o) {
      EXPECT_NEAR(out[r * outputs + o], expected[o], 1e-5 * std::abs(expected[o])) << r;
    }
  }
}

TEST_P(PredictorOfTask, OneRowAndAnyBlockGiveTheSameBits) {
  const Model model = SampleModel(GetParam());
  const std::vector<std::vector<Cell>> cells = SampleRows(600);
  const Rows rows = Encode(model, cells);
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
