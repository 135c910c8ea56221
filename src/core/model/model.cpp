#include "core/model/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

namespace trails {

namespace {

constexpr std::size_t kMaxClasses = 1000;

bool AllFinite(const std::vector<float> &values) noexcept {
  bool finite = true;
  for (const float value : values) finite &= std::isfinite(value);  // no early exit: vectorises
  return finite;
}

template <typename T>
bool StrictlyAscending(const std::vector<T> &values) {
  return std::adjacent_find(values.begin(), values.end(), std::greater_equal<>()) == values.end();
}

bool IsScale(double scale) noexcept {
  return std::isfinite(scale) && scale > 0;
}

std::string CategoricalDefect(const Field &field, ColumnKind kind) {
  const bool is_text = kind == ColumnKind::kText;
  if (is_text ? !field.integers.empty() : !field.texts.empty()) {
    return "Its vocabulary is not of its column's kind.";
  }
  if (!field.knots.empty()) return "It has categories and knots.";
  if (!StrictlyAscending(field.texts) || !StrictlyAscending(field.integers)) {
    return "Its vocabulary is not in ascending order.";
  }
  if (field.texts.size() + field.integers.size() >= static_cast<std::size_t>(field.ids)) {
    return "Its vocabulary is larger than its ids.";
  }
  if (field.null_id < 0) return "It has no id for NULL.";
  return "";
}

std::string NumericDefect(const Field &field, ColumnKind kind) {
  if (kind == ColumnKind::kText) return "It has numbers of a text column.";
  if (!field.texts.empty() || !field.integers.empty()) return "It has numbers and a vocabulary.";
  if (field.knots.size() == 1) return "It has a single knot.";
  if (!AllFinite(field.knots) || !StrictlyAscending(field.knots)) {
    return "Its knots are not in ascending order.";
  }
  if (!std::isfinite(field.center) || !IsScale(field.scale)) return "Its scale is not positive.";
  const std::size_t slots = field.knots.size() + 1 + (field.null_id >= 0 ? 1 : 0);
  if (static_cast<std::size_t>(field.ids) < slots) return "It has more slots than ids.";
  return "";
}

std::string FieldDefect(const Fields &fields, const Field &field) {
  if (field.column < 0 || field.column >= std::ssize(fields.columns)) {
    return "It names a column that the model does not have.";
  }
  if (field.first_id < 0 || field.ids < 1 || field.ids > fields.table_rows - field.first_id) {
    return "Its ids lie outside the embedding table.";
  }
  if (field.null_id < -1 || (field.null_id >= 0 && field.null_id < field.first_id) ||
      field.null_id >= field.first_id + field.ids) {
    return "Its id for NULL lies outside the field.";
  }
  const ColumnKind kind = fields.columns[field.column].kind;
  return field.kind == FieldKind::kCategorical ? CategoricalDefect(field, kind)
                                               : NumericDefect(field, kind);
}

// A column has at most one field of each kind, and no field shares rows of the table.
std::string LayoutDefect(const Fields &fields) {
  std::vector<std::pair<std::int32_t, std::int32_t>> ranges;  // first id, end
  std::vector<std::uint8_t> kinds(fields.columns.size(), 0);
  for (const Field &field : fields.fields) {
    ranges.emplace_back(field.first_id, field.first_id + field.ids);
    const std::uint8_t bit = field.kind == FieldKind::kCategorical ? 1 : 2;
    if ((kinds[field.column] & bit) != 0) return "A column has two fields of one kind.";
    kinds[field.column] |= bit;
  }
  if (std::find(kinds.begin(), kinds.end(), 0) != kinds.end()) return "A column is not used.";
  std::sort(ranges.begin(), ranges.end());
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].first < ranges[i - 1].second) return "Two fields share an embedding.";
  }
  return "";
}

std::string FieldsDefect(const Fields &fields) {
  if (fields.fields.empty() || fields.table_rows < 1) return "It has no fields.";
  for (std::size_t f = 0; f < fields.fields.size(); ++f) {
    const std::string defect = FieldDefect(fields, fields.fields[f]);
    if (!defect.empty()) return fmt::format("Field {} is unusable. {}", f + 1, defect);
  }
  return LayoutDefect(fields);
}

std::string ClassesDefect(const TargetCode &target) {
  if (target.task == Task::kRegression) {
    return target.classes.empty() && target.class_keys.empty() ? "" : "A regression has classes.";
  }
  const std::size_t classes = target.classes.size();
  if (classes < 2 || classes > kMaxClasses || (target.task == Task::kBinary && classes != 2)) {
    return fmt::format("It has {} classes.", classes);
  }
  const bool has_keys = target.column.kind == ColumnKind::kInteger;
  if (target.class_keys.size() != (has_keys ? classes : 0)) {
    return "Its class keys do not fit its classes.";
  }
  if (!StrictlyAscending(target.class_keys) ||
      (target.column.kind == ColumnKind::kText && !StrictlyAscending(target.classes))) {
    return "Its classes are not in ascending order.";
  }
  return "";
}

std::string TargetDefect(const TargetCode &target, Metric metric) {
  if (target.task == Task::kAuto) return "It has no task.";
  const bool is_regression = target.task == Task::kRegression;
  if (is_regression && target.column.kind == ColumnKind::kText)
    return "It predicts text as numbers.";
  if (!std::isfinite(target.mean) || !IsScale(target.scale)) {
    return "The scale of its target is not positive.";
  }
  const std::string defect = ClassesDefect(target);
  if (!defect.empty()) return defect;
  const bool fits = is_regression
                        ? metric == Metric::kRmse || metric == Metric::kMae || metric == Metric::kR2
                        : metric == Metric::kLogLoss || metric == Metric::kAccuracy ||
                              (metric == Metric::kAuc && target.classes.size() == 2);
  return fits ? "" : "Its metric does not fit its task.";
}

std::string LinearDefect(const Network &network, std::int32_t outputs) {
  if (network.embedding_width != outputs || std::ssize(network.bias) != outputs) {
    return "Its linear model has another number of outputs than its target.";
  }
  if (network.architecture != "linear") return "Its architecture is not the stored one.";
  return AllFinite(network.bias) ? "" : "It has weights that are not finite.";
}

std::string LayersDefect(const Network &network, std::int64_t inputs, std::int32_t outputs) {
  if (!network.bias.empty()) return "It has layers and a linear bias.";
  std::string architecture;
  for (std::size_t l = 0; l < network.layers.size(); ++l) {
    const DenseLayer &layer = network.layers[l];
    if (layer.inputs != inputs || layer.outputs < 1 || std::ssize(layer.bias) != layer.outputs ||
        std::ssize(layer.weight) != inputs * layer.outputs) {
      return fmt::format("Layer {} does not fit the one before.", l + 1);
    }
    if (!AllFinite(layer.weight) || !AllFinite(layer.bias)) {
      return "It has weights that are not finite.";
    }
    inputs = layer.outputs;
    if (l + 1 < network.layers.size()) {
      architecture += fmt::format("{}{}", l > 0 ? "-" : "", layer.outputs);
    }
  }
  if (inputs != outputs) return "It has another number of outputs than its target.";
  return architecture == network.architecture ? "" : "Its architecture is not the stored one.";
}

std::string NetworkDefect(const Network &network, const Model &model) {
  const std::int64_t inputs = std::ssize(model.fields.fields) * network.embedding_width;
  if (network.embedding_width < 1 || inputs > std::numeric_limits<std::int32_t>::max() ||
      std::ssize(network.table) !=
          static_cast<std::int64_t>(model.fields.table_rows) * network.embedding_width) {
    return "Its embedding table has the wrong size.";
  }
  if (!AllFinite(network.table)) return "It has weights that are not finite.";
  const std::int32_t outputs = model.target.outputs();
  return network.layers.empty() ? LinearDefect(network, outputs)
                                : LayersDefect(network, inputs, outputs);
}

}  // namespace

std::string FindDefect(const Model &model) {
  std::string defect = FieldsDefect(model.fields);
  if (defect.empty()) defect = TargetDefect(model.target, model.metric);
  if (!defect.empty()) return defect;
  if (model.networks.empty()) return "It has no network.";
  for (std::size_t n = 0; n < model.networks.size(); ++n) {
    defect = NetworkDefect(model.networks[n], model);
    if (!defect.empty()) return fmt::format("Network {} is unusable. {}", n + 1, defect);
  }
  return "";
}

}  // namespace trails
