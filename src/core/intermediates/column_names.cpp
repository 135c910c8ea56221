#include "core/intermediates/column_names.h"

#include <fmt/format.h>

#include <algorithm>

namespace trails {

namespace {

bool HasTwin(const Fields &fields, const Field &field) {
  return std::any_of(fields.fields.begin(), fields.fields.end(), [&](const Field &other) {
    return other.column == field.column && other.kind != field.kind;
  });
}

std::vector<ColumnName> EmbeddingNames(const Model &model, std::int32_t width) {
  std::vector<ColumnName> names;
  for (const Field &field : model.fields.fields) {
    const std::string &feature = model.fields.columns[static_cast<std::size_t>(field.column)].name;
    const bool is_twin = field.kind == FieldKind::kCategorical && HasTwin(model.fields, field);
    for (std::int32_t dimension = 1; dimension <= width; ++dimension) {
      names.push_back({fmt::format("{}{}[{}]", feature, is_twin ? " (category)" : "", dimension),
                       feature, dimension});
    }
  }
  return names;
}

}  // namespace

std::vector<ColumnName> ColumnNamesOf(const Model &model, const Layer &layer) {
  if (layer.kind == LayerKind::kEmbedding) {
    const Network &network = model.networks[static_cast<std::size_t>(layer.network)];
    return EmbeddingNames(model, network.embedding_width);
  }
  std::vector<ColumnName> names(static_cast<std::size_t>(layer.columns));
  if (layer.kind != LayerKind::kLogits && layer.kind != LayerKind::kPrediction) return names;
  if (model.target.task == Task::kRegression) {
    names.front().name = model.target.column.name;
    return names;
  }
  for (std::size_t i = 0; i < names.size(); ++i) names[i].name = model.target.classes[i];
  return names;
}

}  // namespace trails
