// Values of layers by hand, against plain sums in double, and bit for bit against the predictor.
#include "core/intermediates/layer_pass.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "columns_by_hand.h"
#include "core/data/metrics.h"
#include "core/model/predictor.h"
#include "sample_model.h"
#include "slow_model.h"
#include "trails/error.h"

namespace trails {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// The sample's networks, and one whose layers have more outputs than a panel.
std::shared_ptr<const Model> FourNetworks(Task task) {
  RandomStream random(21);
  Model model = SampleModel(task);
  model.networks.push_back(SampleNetwork(model, {70, 33}, 4, &random));
  EXPECT_EQ(FindDefect(model), "");
  return std::make_shared<const Model>(std::move(model));
}

// A linear model whose logits are `bias` for every row.
std::shared_ptr<const Model> ConstantModel(Task task, std::vector<float> bias) {
  Model model;
  model.fields = SampleFields();
  model.target = SampleTarget(task);
  model.metric = task == Task::kRegression ? Metric::kRmse : Metric::kLogLoss;
  Network network;
  network.architecture = "linear";
  network.embedding_width = model.target.outputs();
  network.table.assign(static_cast<std::size_t>(13 * network.embedding_width), 0);
  network.bias = std::move(bias);
  model.networks = {network};
  EXPECT_EQ(FindDefect(model), "");
  return std::make_shared<const Model>(std::move(model));
}

LayerInput InputOf(const SampleInput &sample, std::int64_t first, std::int64_t rows,
                   const double *labels = nullptr) {
  return {sample.ids_of(first), sample.values_of(first), labels, rows};
}

// Room for all columns of a layer, and the request for it.
struct Wanted {
  Wanted(const LayerPass &pass, std::string_view name, std::int64_t count)
      : layer(FindLayer(pass.layers(), name)),
        rows(count),
        columns(static_cast<std::size_t>(pass.layers()[layer].columns)),
        values(columns.size() * static_cast<std::size_t>(count), -77) {
    std::iota(columns.begin(), columns.end(), 0);
  }

  LayerRequest request() { return {layer, columns, values.data(), rows}; }
  float at(std::int64_t row, std::int64_t column) const { return values[column * rows + row]; }

  std::size_t layer;
  std::int64_t rows;
  std::vector<std::int32_t> columns;
  std::vector<float> values;  // [columns, rows]
};

// The values of one layer.
Wanted RunOne(LayerPass *pass, const LayerInput &input, std::string_view name) {
  Wanted wanted(*pass, name, input.rows);
  const LayerRequest request = wanted.request();
  pass->Run(input, {&request, 1});
  return wanted;
}

// The values of all layers, from one pass.
std::vector<Wanted> RunAll(LayerPass *pass, const LayerInput &input) {
  std::vector<Wanted> all;
  std::vector<LayerRequest> requests;
  for (const Layer &layer : pass->layers()) all.emplace_back(*pass, layer.name, input.rows);
  for (Wanted &wanted : all) requests.push_back(wanted.request());
  pass->Run(input, requests);
  return all;
}

bool SameBits(const std::vector<float> &a, const std::vector<float> &b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

std::vector<double> SampleLabels(const Model &model, std::int64_t rows) {
  std::vector<double> labels;
  for (std::int64_t r = 0; r < rows; ++r) {
    const bool is_number = model.target.task == Task::kRegression;
    labels.push_back(is_number ? 900.0 + static_cast<double>(r)
                               : static_cast<double>(r % model.target.outputs()));
  }
  return labels;
}

TEST(LayerPass, EmbeddingByHand) {
  const auto model = std::make_shared<const Model>(SampleModel(Task::kBinary));
  LayerPass pass(model);
  const std::vector<float> &table = model->networks[0].table;  // [13, 2]
  const SampleInput sample = EncodeCells(
      model->fields, {{TextCell("blue"), Cell(), IntegerCell(6)}, {Cell(), Cell(), Cell()}});
  const Wanted embedding = RunOne(&pass, InputOf(sample, 0, 2), "1/embedding");
  for (const std::int64_t w : {0, 1}) {
    EXPECT_EQ(embedding.at(0, w), table[1 * 2 + w]);              // blue
    EXPECT_EQ(embedding.at(0, 2 + w), table[8 * 2 + w]);          // age NULL
    EXPECT_EQ(embedding.at(0, 4 + w), table[9 * 2 + w]);          // 6 is no known code
    EXPECT_EQ(embedding.at(0, 6 + w), 2.0f * table[12 * 2 + w]);  // 6 / 3, not clipped
    EXPECT_EQ(embedding.at(1, w), table[3 * 2 + w]);              // colour NULL
    EXPECT_EQ(embedding.at(1, 4 + w), table[9 * 2 + w]);          // code NULL: the rare one
    EXPECT_EQ(embedding.at(1, 6 + w), 0.0f);                      // its number: never seen NULL
  }
}

class LayerPassOfTask : public testing::TestWithParam<Task> {};

// Sums of at most 70 terms in float, over two hidden layers: 1e-5 of the value, and 1e-5 besides
// for sums that cancel.
TEST_P(LayerPassOfTask, AgreesWithPlainSums) {
  const std::shared_ptr<const Model> model = FourNetworks(GetParam());
  const SlowModel slow(*model);
  constexpr std::int64_t kRows = 300;
  const SampleInput sample = EncodeCells(model->fields, SampleRows(kRows));
  const std::vector<double> labels = SampleLabels(*model, kRows);
  LayerPass pass(model);
  for (const Wanted &wanted : RunAll(&pass, InputOf(sample, 0, kRows, labels.data()))) {
    const Layer &layer = pass.layers()[wanted.layer];
    if (layer.network < 0) continue;
    const Network &network = model->networks[static_cast<std::size_t>(layer.network)];
    const std::size_t steps = layer.kind == LayerKind::kLogits
                                  ? network.layers.size()
                                  : static_cast<std::size_t>(layer.depth);
    for (std::int64_t r = 0; r < kRows; ++r) {
      const std::vector<double> x = slow.Gather(network, sample.ids_of(r), sample.values_of(r));
      const std::vector<double> expected =
          layer.kind == LayerKind::kEmbedding
              ? x
              : SlowModel::Run(network, x, steps, layer.kind != LayerKind::kBefore);
      ASSERT_EQ(std::ssize(expected), layer.columns) << layer.name;
      for (std::int32_t c = 0; c < layer.columns; ++c) {
        ASSERT_NEAR(wanted.at(r, c), expected[c], 1e-5 * (1 + std::abs(expected[c])))
            << layer.name << " row " << r << " column " << c;
      }
    }
  }
}

TEST_P(LayerPassOfTask, ARowHasTheSameBitsAloneInABlockAndElsewhere) {
  const std::shared_ptr<const Model> model = FourNetworks(GetParam());
  constexpr std::int64_t kRows = 1000;
  const SampleInput sample = EncodeCells(model->fields, SampleRows(kRows));
  const std::vector<double> labels = SampleLabels(*model, kRows);
  LayerPass pass(model);
  const std::vector<Wanted> all = RunAll(&pass, InputOf(sample, 0, kRows, labels.data()));
  const auto compare = [&](std::int64_t first, std::int64_t rows) {
    const std::vector<Wanted> some =
        RunAll(&pass, InputOf(sample, first, rows, labels.data() + first));
    for (std::size_t l = 0; l < all.size(); ++l) {
      for (std::size_t c = 0; c < all[l].columns.size(); ++c) {
        ASSERT_EQ(std::memcmp(some[l].values.data() + c * rows,
                              all[l].values.data() + c * kRows + first, rows * sizeof(float)),
                  0)
            << pass.layers()[l].name << " column " << c << " rows from " << first;
      }
    }
  };
  for (std::int64_t r = 0; r < kRows; ++r) ASSERT_NO_FATAL_FAILURE(compare(r, 1));
  for (const std::int64_t first : {1, 7, 8, 255, 300}) {
    ASSERT_NO_FATAL_FAILURE(compare(first, kRows - first));
    ASSERT_NO_FATAL_FAILURE(compare(first, 17));
  }
}

TEST_P(LayerPassOfTask, ALayerHasTheSameBitsAloneAndAmongOthers) {
  const std::shared_ptr<const Model> model = FourNetworks(GetParam());
  constexpr std::int64_t kRows = 300;
  const SampleInput sample = EncodeCells(model->fields, SampleRows(kRows));
  const std::vector<double> labels = SampleLabels(*model, kRows);
  const LayerInput input = InputOf(sample, 0, kRows, labels.data());
  LayerPass pass(model);
  const std::vector<Wanted> all = RunAll(&pass, input);
  for (std::size_t l = 0; l < all.size(); ++l) {
    const Wanted alone = RunOne(&pass, input, pass.layers()[l].name);
    EXPECT_TRUE(SameBits(alone.values, all[l].values)) << pass.layers()[l].name;
    if (pass.layers()[l].kind != LayerKind::kHidden) continue;
    std::vector<float> clipped = all[l - 1].values;  // the layer before ReLU
    EXPECT_LT(*std::min_element(clipped.begin(), clipped.end()), 0);
    for (float &value : clipped) value = value < 0 ? 0 : value;
    EXPECT_TRUE(SameBits(clipped, all[l].values)) << pass.layers()[l].name;
  }
}

TEST_P(LayerPassOfTask, PredictionIsThePredictors) {
  const std::shared_ptr<const Model> model = FourNetworks(GetParam());
  constexpr std::int64_t kRows = 600;
  const SampleInput sample = EncodeCells(model->fields, SampleRows(kRows));
  Predictor predictor(*model);
  const std::int64_t outputs = predictor.outputs();
  std::vector<float> rows(static_cast<std::size_t>(kRows * outputs));
  predictor.Predict(sample.ids.data(), sample.values.data(), kRows, rows.data());
  std::vector<float> expected(rows.size());  // [outputs, rows]
  for (std::int64_t i = 0; i < std::ssize(rows); ++i) {
    expected[(i % outputs) * kRows + i / outputs] = rows[i];
  }
  LayerPass pass(model);
  EXPECT_TRUE(SameBits(RunOne(&pass, InputOf(sample, 0, kRows), "prediction").values, expected));
}

TEST_P(LayerPassOfTask, MeanOfTheLossesIsTheMetrics) {
  const std::shared_ptr<const Model> model = FourNetworks(GetParam());
  const bool is_number = GetParam() == Task::kRegression;
  constexpr std::int64_t kRows = 300;
  const SampleInput sample = EncodeCells(model->fields, SampleRows(kRows));
  const std::vector<double> labels = SampleLabels(*model, kRows);
  Predictor predictor(*model);
  std::vector<float> predictions(static_cast<std::size_t>(kRows * predictor.outputs()));
  predictor.Predict(sample.ids.data(), sample.values.data(), kRows, predictions.data());
  const double judged =
      Judge(is_number ? Metric::kRmse : Metric::kLogLoss, predictions, predictor.outputs(), labels);
  LayerPass pass(model);
  const Wanted loss = RunOne(&pass, InputOf(sample, 0, kRows, labels.data()), "loss");
  const double mean = std::accumulate(loss.values.begin(), loss.values.end(), 0.0) / kRows;
  EXPECT_NEAR(is_number ? std::sqrt(mean) : mean, judged, 1e-6 * judged);
}

INSTANTIATE_TEST_SUITE_P(Tasks, LayerPassOfTask,
                         testing::Values(Task::kBinary, Task::kMulticlass, Task::kRegression));

// Losses of a constant model for those labels.
std::vector<float> LossesOf(Task task, std::vector<float> bias, std::vector<double> labels) {
  const std::shared_ptr<const Model> model = ConstantModel(task, std::move(bias));
  const SampleInput sample = EncodeCells(model->fields, SampleRows(std::ssize(labels)));
  LayerPass pass(model);
  return RunOne(&pass, InputOf(sample, 0, std::ssize(labels), labels.data()), "loss").values;
}

TEST(LayerPass, LossOfTwoClassesByHand) {
  // Logits 0 and ln 3: probabilities 1/4 and 3/4.
  const std::vector<float> losses = LossesOf(Task::kBinary, {0, std::log(3.0f)}, {0, 1, 1});
  EXPECT_NEAR(losses[0], std::log(4.0), 1e-6);
  EXPECT_NEAR(losses[1], std::log(4.0 / 3), 1e-6);
  EXPECT_EQ(losses[2], losses[1]);
}

TEST(LayerPass, LossOfThreeClassesByHand) {
  // Logits ln 1, ln 2 and ln 5: probabilities 1/8, 2/8 and 5/8.
  const std::vector<float> losses =
      LossesOf(Task::kMulticlass, {0, std::log(2.0f), std::log(5.0f)}, {0, 1, 2});
  EXPECT_NEAR(losses[0], std::log(8.0), 1e-6);
  EXPECT_NEAR(losses[1], std::log(4.0), 1e-6);
  EXPECT_NEAR(losses[2], std::log(1.6), 1e-6);
}

TEST(LayerPass, LossOfANumberIsInTheTargetsUnit) {
  // 1000 + 250 * 1.5 = 1375.
  EXPECT_EQ(LossesOf(Task::kRegression, {1.5f}, {1370, 1375, 1385.5}),
            (std::vector<float>{25, 0, 110.25f}));
}

TEST(LayerPass, LossOfASureClassIsBounded) {
  const std::vector<float> losses = LossesOf(Task::kBinary, {0, 1000}, {0, 1});
  EXPECT_NEAR(losses[0], 15 * std::log(10.0), 1e-5);
  EXPECT_EQ(losses[1], 0);
  EXPECT_FALSE(std::signbit(losses[1]));
}

TEST(LayerPass, RowsWithoutALabelHaveNoLoss) {
  const double none = std::numeric_limits<double>::quiet_NaN();
  for (const auto &[task, bias] : {std::pair{Task::kBinary, std::vector<float>{0, 1}},
                                   std::pair{Task::kMulticlass, std::vector<float>{0, 1, 2}},
                                   std::pair{Task::kRegression, std::vector<float>{1}}}) {
    const std::vector<float> losses = LossesOf(task, bias, {1, none, 1});
    EXPECT_TRUE(std::isnan(losses[1]));
    EXPECT_FALSE(std::isnan(losses[0]));
    EXPECT_EQ(losses[2], losses[0]);
  }
}

TEST(LayerPass, LabelsThatAreNoClassCountAsNone) {
  const double infinite = std::numeric_limits<double>::infinity();
  for (const float loss :
       LossesOf(Task::kMulticlass, {0, 1, 2}, {3, -1, 0.5, 1e300, infinite, -infinite, -0.5})) {
    EXPECT_TRUE(std::isnan(loss));
  }
  // As a class that training never saw is encoded.
  const TargetCode target = SampleTarget(Task::kMulticlass);
  const Column species = test::TextColumn("species", {"newt", "yeti"});
  const std::vector<float> losses =
      LossesOf(Task::kMulticlass, {0, 1, 2}, {target.Label(species, 0), target.Label(species, 1)});
  EXPECT_FALSE(std::isnan(losses[0]));
  EXPECT_TRUE(std::isnan(losses[1]));
}

TEST(LayerPass, ColumnsComeInTheOrderAskedForAndNothingElseIsWritten) {
  const std::shared_ptr<const Model> model = FourNetworks(Task::kMulticlass);
  constexpr std::int64_t kRows = 275;
  constexpr std::int64_t kStride = 280;
  const SampleInput sample = EncodeCells(model->fields, SampleRows(kRows));
  LayerPass pass(model);
  for (const char *const name :
       {"4/embedding", "4/hidden1_before", "4/hidden1", "4/hidden2", "4/logits", "prediction"}) {
    const Wanted all = RunOne(&pass, InputOf(sample, 0, kRows), name);
    const auto last = static_cast<std::int32_t>(all.columns.size()) - 1;
    const std::vector<std::int32_t> columns = {last, 0, 1, last, 0};
    std::vector<float> out(columns.size() * kStride, kNaN);
    const LayerRequest request = {all.layer, columns, out.data(), kStride};
    pass.Run(InputOf(sample, 0, kRows), {&request, 1});
    for (std::size_t i = 0; i < columns.size(); ++i) {
      for (std::int64_t r = 0; r < kStride; ++r) {
        const float value = out[i * kStride + r];
        if (r < kRows) {
          ASSERT_EQ(value, all.at(r, columns[i])) << name << " column " << columns[i];
        } else {
          ASSERT_TRUE(std::isnan(value)) << name << " wrote beyond the rows";
        }
      }
    }
  }
}

TEST(LayerPass, ALayerMayBeAskedForTwice) {
  const std::shared_ptr<const Model> model = FourNetworks(Task::kBinary);
  constexpr std::int64_t kRows = 40;
  const SampleInput sample = EncodeCells(model->fields, SampleRows(kRows));
  LayerPass pass(model);
  Wanted first(pass, "2/hidden1", kRows);
  Wanted second(pass, "2/hidden1", kRows);
  std::reverse(second.columns.begin(), second.columns.end());
  const LayerRequest requests[] = {first.request(), second.request()};
  pass.Run(InputOf(sample, 0, kRows), requests);
  EXPECT_TRUE(SameBits(first.values, RunOne(&pass, InputOf(sample, 0, kRows), "2/hidden1").values));
  for (std::int64_t r = 0; r < kRows; ++r) {
    for (std::int64_t c = 0; c < 40; ++c) ASSERT_EQ(first.at(r, c), second.at(r, 39 - c));
  }
}

// Operations are counted where they are done.
TEST(LayerPass, ComputesWhatIsAskedForAndNothingTwice) {
  const std::shared_ptr<const Model> model = FourNetworks(Task::kBinary);
  constexpr std::int64_t kRows = 300;
  const SampleInput sample = EncodeCells(model->fields, SampleRows(kRows));
  const std::vector<double> labels = SampleLabels(*model, kRows);
  LayerPass pass(model);
  const auto operations = [&](const std::vector<std::string> &names) {
    const double before = pass.flops();
    std::vector<Wanted> wanted;
    std::vector<LayerRequest> requests;
    for (const std::string &name : names) wanted.emplace_back(pass, name, kRows);
    for (Wanted &layer : wanted) requests.push_back(layer.request());
    pass.Run(InputOf(sample, 0, kRows, labels.data()), requests);
    return (pass.flops() - before) / kRows;
  };
  const auto of = [&](std::string_view name) {
    return pass.layers()[FindLayer(pass.layers(), name)].flops_per_row;
  };
  for (const Layer &layer : pass.layers()) {
    EXPECT_EQ(operations({layer.name}), layer.flops_per_row) << layer.name;
  }
  EXPECT_EQ(operations({}), 0);
  EXPECT_EQ(operations({"1/hidden1", "1/hidden2_before", "1/hidden1", "1/embedding"}),
            of("1/hidden2_before"));
  EXPECT_EQ(operations({"4/hidden1", "2/embedding", "3/logits"}),
            of("4/hidden1") + of("2/embedding") + of("3/logits"));
  EXPECT_EQ(operations({"loss", "prediction", "1/hidden1", "4/logits"}), of("prediction"));
}

TEST(LayerPass, NoRowsAndNoColumnsAreFine) {
  const std::shared_ptr<const Model> model = FourNetworks(Task::kBinary);
  const SampleInput sample = EncodeCells(model->fields, SampleRows(3));
  LayerPass pass(model);
  EXPECT_TRUE(RunOne(&pass, InputOf(sample, 0, 0), "prediction").values.empty());
  const LayerRequest nothing = {0, {}, nullptr, 0};
  pass.Run(InputOf(sample, 0, 3), {&nothing, 1});
  EXPECT_FALSE(RunOne(&pass, InputOf(sample, 0, 3), "1/hidden1").values.empty());
}

TEST(LayerPass, ACopyRunsTheSameModel) {
  const std::shared_ptr<const Model> model = FourNetworks(Task::kRegression);
  const SampleInput sample = EncodeCells(model->fields, SampleRows(300));
  LayerPass pass(model);
  const Wanted expected = RunOne(&pass, InputOf(sample, 0, 300), "4/hidden2");
  LayerPass copy(pass);
  EXPECT_EQ(copy.flops(), 0);
  EXPECT_EQ(&copy.model(), &pass.model());
  EXPECT_TRUE(
      SameBits(RunOne(&copy, InputOf(sample, 0, 300), "4/hidden2").values, expected.values));
}

TEST(LayerPass, RefusesWhatTheModelDoesNotHave) {
  const std::shared_ptr<const Model> model = FourNetworks(Task::kBinary);
  const SampleInput sample = EncodeCells(model->fields, SampleRows(4));
  LayerPass pass(model);
  float out[16] = {};
  const std::int32_t first[] = {0};
  const std::int32_t fifth[] = {5};
  const std::int32_t negative[] = {-1};
  const std::size_t hidden = FindLayer(pass.layers(), "1/hidden1");  // of 5 units
  const LayerRequest unusable[] = {{pass.layers().size(), first, out, 4},
                                   {hidden, fifth, out, 4},
                                   {hidden, negative, out, 4},
                                   {hidden, first, out, 3},
                                   {FindLayer(pass.layers(), "loss"), first, out, 4}};
  for (const LayerRequest &request : unusable) {
    try {
      pass.Run(InputOf(sample, 0, 4), {&request, 1});
      ADD_FAILURE() << "ran layer " << request.layer << " column " << request.columns[0];
    } catch (const Error &error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInternal);
    }
  }
  EXPECT_EQ(pass.flops(), 0);
}

}  // namespace
}  // namespace trails
