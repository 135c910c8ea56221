// Names of the columns of a model's layers.
#include "core/intermediates/column_names.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "sample_model.h"

namespace trails {
namespace {

Model ModelOf(Task task, std::int32_t networks) {
  RandomStream random(11);
  Model model;
  model.fields = SampleFields();
  model.target = SampleTarget(task);
  model.metric = task == Task::kRegression ? Metric::kRmse : Metric::kLogLoss;
  for (std::int32_t n = 0; n < networks; ++n) {
    model.networks.push_back(SampleNetwork(model, {5}, 2, &random));
  }
  return model;
}

std::vector<ColumnName> NamesOf(const Model &model, const std::string &layer) {
  const std::vector<Layer> layers = LayersOf(model);
  return ColumnNamesOf(model, layers[FindLayer(layers, layer)]);
}

TEST(ColumnNames, OfTheEmbeddingAreFeaturesAndPlacesInTheirVectors) {
  const Model model = ModelOf(Task::kRegression, 2);
  const std::vector<ColumnName> names = NamesOf(model, "2/embedding");
  ASSERT_EQ(names.size(), 2 * model.fields.fields.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    const Field &field = model.fields.fields[i / 2];
    const std::string feature = model.fields.columns[static_cast<std::size_t>(field.column)].name;
    EXPECT_EQ(names[i].feature, feature);
    EXPECT_EQ(names[i].dimension, static_cast<std::int32_t>(i % 2) + 1);
    ASSERT_TRUE(names[i].name.has_value());
    EXPECT_EQ(names[i].name->substr(0, feature.size()), feature);
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(names[j].name, names[i].name);
  }
}

TEST(ColumnNames, TellACategoricalTwinFromItsNumber) {
  Model model = ModelOf(Task::kRegression, 1);
  Field &first = model.fields.fields.front();
  Field &second = model.fields.fields[1];
  first.kind = FieldKind::kNumeric;
  second.kind = FieldKind::kCategorical;
  second.column = first.column;
  const std::string feature = model.fields.columns[static_cast<std::size_t>(first.column)].name;
  const std::vector<ColumnName> names = NamesOf(model, "embedding");
  EXPECT_EQ(names[1].name, feature + "[2]");
  EXPECT_EQ(names[2].name, feature + " (category)[1]");
  EXPECT_EQ(names[2].feature, feature);
}

TEST(ColumnNames, OfOutputsAreTheClassesOrTheTarget) {
  const Model classes = ModelOf(Task::kMulticlass, 1);
  for (const char *const layer : {"logits", "prediction"}) {
    const std::vector<ColumnName> names = NamesOf(classes, layer);
    ASSERT_EQ(names.size(), classes.target.classes.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
      EXPECT_EQ(names[i].name, classes.target.classes[i]);
      EXPECT_EQ(names[i].feature, std::nullopt);
    }
  }
  const Model number = ModelOf(Task::kRegression, 1);
  ASSERT_EQ(NamesOf(number, "prediction").size(), 1U);
  EXPECT_EQ(NamesOf(number, "prediction").front().name, number.target.column.name);
}

TEST(ColumnNames, HiddenUnitsAndLossesHaveNone) {
  const Model model = ModelOf(Task::kMulticlass, 1);
  for (const char *const layer : {"hidden1_before", "hidden1", "loss"}) {
    for (const ColumnName &column : NamesOf(model, layer)) {
      EXPECT_EQ(column.name, std::nullopt);
      EXPECT_EQ(column.dimension, 0);
    }
  }
  EXPECT_EQ(NamesOf(model, "hidden1").size(), 5U);
}

}  // namespace
}  // namespace trails
