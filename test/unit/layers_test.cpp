// Names, sizes and operations of the layers of a model.
#include "core/intermediates/layers.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/model/forward_pass.h"
#include "sample_model.h"
#include "trails/error.h"

namespace trails {
namespace {

Model ModelOf(Task task, const std::vector<std::vector<std::int32_t>> &networks) {
  RandomStream random(11);
  Model model;
  model.fields = SampleFields();
  model.target = SampleTarget(task);
  model.metric = task == Task::kRegression ? Metric::kRmse : Metric::kLogLoss;
  for (const std::vector<std::int32_t> &hidden : networks) {
    model.networks.push_back(SampleNetwork(model, hidden, 2, &random));
  }
  EXPECT_EQ(FindDefect(model), "");
  return model;
}

std::vector<std::string> NamesOf(const std::vector<Layer> &layers) {
  std::vector<std::string> names;
  for (const Layer &layer : layers) names.push_back(layer.name);
  return names;
}

// What FindLayer throws for that name.
Error NotFound(const std::vector<Layer> &layers, std::string_view name) {
  try {
    FindLayer(layers, name);
  } catch (const Error &error) {
    return error;
  }
  ADD_FAILURE() << "found " << name;
  return Error(ErrorKind::kInternal, "");
}

TEST(Layers, OfOneNetworkAreNamedWithoutANumber) {
  const std::vector<Layer> layers = LayersOf(ModelOf(Task::kMulticlass, {{5, 7}}));
  EXPECT_EQ(NamesOf(layers),
            (std::vector<std::string>{"embedding", "hidden1_before", "hidden1", "hidden2_before",
                                      "hidden2", "logits", "prediction", "loss"}));
  const std::int32_t columns[] = {4 * 2, 5, 5, 7, 7, 3, 3, 1};
  const std::int32_t depths[] = {0, 1, 1, 2, 2, 0, 0, 0};
  const std::int32_t networks[] = {0, 0, 0, 0, 0, 0, -1, -1};
  const LayerKind kinds[] = {LayerKind::kEmbedding,  LayerKind::kBefore, LayerKind::kHidden,
                             LayerKind::kBefore,     LayerKind::kHidden, LayerKind::kLogits,
                             LayerKind::kPrediction, LayerKind::kLoss};
  for (std::size_t i = 0; i < layers.size(); ++i) {
    EXPECT_EQ(layers[i].columns, columns[i]) << layers[i].name;
    EXPECT_EQ(layers[i].depth, depths[i]) << layers[i].name;
    EXPECT_EQ(layers[i].network, networks[i]) << layers[i].name;
    EXPECT_EQ(layers[i].kind, kinds[i]) << layers[i].name;
    EXPECT_EQ(FindLayer(layers, layers[i].name), i);
  }
}

TEST(Layers, OperationsAddUpFromTheInputs) {
  const std::vector<Layer> layers = LayersOf(ModelOf(Task::kMulticlass, {{5, 7}}));
  const double gathered = kGatheredFlops * 8;
  const double first = gathered + 2 * 8 * 5;
  const double second = first + 2 * 5 * 7;
  const double logits = second + 2 * 7 * 3;
  const double answer = logits + 3 * kProbabilityFlops;
  const double expected[] = {gathered, first, first, second, second, logits, answer, answer};
  for (std::size_t i = 0; i < layers.size(); ++i) {
    EXPECT_EQ(layers[i].flops_per_row, expected[i]) << layers[i].name;
  }
}

TEST(Layers, OfARegressionHaveOneOutput) {
  const std::vector<Layer> layers = LayersOf(ModelOf(Task::kRegression, {{5}}));
  EXPECT_EQ(layers[FindLayer(layers, "logits")].columns, 1);
  EXPECT_EQ(layers[FindLayer(layers, "prediction")].columns, 1);
  EXPECT_EQ(layers[FindLayer(layers, "loss")].columns, 1);
  EXPECT_EQ(layers[FindLayer(layers, "prediction")].flops_per_row,
            kGatheredFlops * 8 + 2 * 8 * 5 + 2 * 5 + 2);
}

TEST(Layers, OfALinearModelAreItsLogitsAlone) {
  const std::vector<Layer> layers = LayersOf(ModelOf(Task::kBinary, {{}}));
  EXPECT_EQ(NamesOf(layers), (std::vector<std::string>{"logits", "prediction", "loss"}));
  EXPECT_EQ(layers[0].columns, 2);
  EXPECT_EQ(layers[0].flops_per_row, kGatheredFlops * 4 * 2 + 4 * 2);  // then summed
  EXPECT_EQ(NotFound(layers, "embedding").hint(), "Its layers are logits, prediction, loss.");
}

TEST(Layers, OfSeveralNetworksCarryTheirNumber) {
  const std::vector<Layer> layers = LayersOf(ModelOf(Task::kBinary, {{5}, {}, {6, 3}}));
  EXPECT_EQ(NamesOf(layers),
            (std::vector<std::string>{"1/embedding", "1/hidden1_before", "1/hidden1", "1/logits",
                                      "2/logits", "3/embedding", "3/hidden1_before", "3/hidden1",
                                      "3/hidden2_before", "3/hidden2", "3/logits", "prediction",
                                      "loss"}));
  EXPECT_EQ(layers[FindLayer(layers, "2/logits")].network, 1);
  EXPECT_EQ(layers[FindLayer(layers, "3/hidden2")].network, 2);
  EXPECT_EQ(layers[FindLayer(layers, "3/hidden2")].depth, 2);
  EXPECT_EQ(layers[FindLayer(layers, "3/hidden2")].columns, 3);
  // All networks are needed for the mean, and each gives two probabilities.
  EXPECT_EQ(layers[FindLayer(layers, "prediction")].flops_per_row,
            layers[FindLayer(layers, "1/logits")].flops_per_row +
                layers[FindLayer(layers, "2/logits")].flops_per_row +
                layers[FindLayer(layers, "3/logits")].flops_per_row + 3 * 2 * kProbabilityFlops);
}

// As many networks as a selection keeps at most.
TEST(Layers, OfTwelveNetworksAreCountedTo12) {
  const std::vector<std::vector<std::int32_t>> networks(12, {7, 5});
  const std::vector<Layer> layers = LayersOf(ModelOf(Task::kBinary, networks));
  ASSERT_EQ(layers.size(), 12U * 6 + 2);
  EXPECT_EQ(layers[11 * 6].name, "12/embedding");
  for (std::int32_t network = 0; network < 12; ++network) {
    const std::string number = std::to_string(network + 1);
    EXPECT_EQ(layers[FindLayer(layers, number + "/hidden1")].network, network);
    EXPECT_EQ(layers[FindLayer(layers, number + "/hidden2")].columns, 5);
  }
  for (const char *const name : {"13/hidden1", "hidden1", "1/prediction", "12/loss"}) {
    EXPECT_EQ(NotFound(layers, name).kind(), ErrorKind::kUndefinedObject) << name;
  }
}

TEST(Layers, OfOneNetworkAreFoundByNumberToo) {
  const std::vector<Layer> layers = LayersOf(ModelOf(Task::kBinary, {{5}}));
  EXPECT_EQ(FindLayer(layers, "1/hidden1"), FindLayer(layers, "hidden1"));
  EXPECT_EQ(FindLayer(layers, "1/logits"), FindLayer(layers, "logits"));
  for (const char *const name : {"2/hidden1", "1/prediction", "1/loss", "1/", "1/1/hidden1"}) {
    EXPECT_EQ(NotFound(layers, name).kind(), ErrorKind::kUndefinedObject) << name;
  }
}

TEST(Layers, UnknownNamesAreAnsweredWithTheKnownOnes) {
  const std::vector<Layer> one = LayersOf(ModelOf(Task::kBinary, {{5}}));
  const Error of_one = NotFound(one, "hidden2");
  EXPECT_EQ(of_one.kind(), ErrorKind::kUndefinedObject);
  EXPECT_STREQ(of_one.what(), "layer \"hidden2\" does not exist");
  EXPECT_EQ(of_one.hint(),
            "Its layers are embedding, hidden1_before, hidden1, logits, prediction, loss.");

  const std::vector<Layer> two = LayersOf(ModelOf(Task::kBinary, {{5}, {6}}));
  const Error of_two = NotFound(two, "hidden1");
  EXPECT_EQ(of_two.kind(), ErrorKind::kUndefinedObject);
  EXPECT_EQ(of_two.hint(),
            "It is the mean of 2 networks, each with layers of its own; those of the first and "
            "those of the mean are 1/embedding, 1/hidden1_before, 1/hidden1, 1/logits, prediction, "
            "loss.");
  for (const char *const name : {"3/hidden1", "0/hidden1", "", "Prediction", "1/hidden1 "}) {
    EXPECT_EQ(NotFound(two, name).kind(), ErrorKind::kUndefinedObject) << name;
  }
}

TEST(Layers, HintOfTheDeepestModelFitsAReport) {
  const std::vector<Layer> layers =
      LayersOf(ModelOf(Task::kBinary, {{2, 2, 2, 2, 2, 2, 2, 2}, {2, 2, 2, 2, 2, 2, 2, 2}}));
  EXPECT_LT(NotFound(layers, "hidden9").hint().size(), sizeof(ErrorReport::hint));
}

}  // namespace
}  // namespace trails
