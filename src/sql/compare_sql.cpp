// SQL surface of comparing layers, epochs and models: svcca, cka, correlation, epoch_diff,
// model_rules.
//
// May touch: src/core, src/pg and include/trails. Never Torch.
#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "core/intermediates/alignment.h"
#include "core/intermediates/model_rules.h"
#include "core/intermediates/moments.h"
#include "core/intermediates/parameter_change.h"
#include "pg/bridge.h"
#include "pg/engine_call.h"
#include "pg/layer_query.h"
#include "pg/logged_rows.h"
#include "pg/model_scan.h"
#include "pg/moments_pass.h"
#include "pg/result_rows.h"
#include "pg/stage_source.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace trails::pg {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

std::int64_t ColumnsOf(const IntermediateQuery &query) {
  if (!query.columns.empty()) return static_cast<std::int64_t>(query.columns.size());
  return StoredShape(query.intermediate.scheme, query.intermediate.shape).columns();
}

// Columns that have values as real: all of a layer, some of a pipeline's stage.
std::vector<std::int32_t> AllNumbers(const IntermediateQuery &query) {
  if (query.intermediate.is_stage) return NumberColumns(query);
  std::vector<std::int32_t> columns(static_cast<std::size_t>(ColumnsOf(query)));
  std::iota(columns.begin(), columns.end(), 0);
  return columns;
}

// Two layers, of one model or of two, over the same rows.
std::vector<IntermediateQuery> TwoLayers(const NamedArguments &args) {
  std::vector<IntermediateQuery> layers = {LayerQuery(args, "model_a", "layer_a", "epoch_a"),
                                           LayerQuery(args, "model_b", "layer_b", "epoch_b")};
  RequireSameRows(layers[0], layers[1]);
  for (IntermediateQuery &layer : layers) {
    if (layer.intermediate.is_stage) layer.columns = NumberColumns(layer);
  }
  return layers;
}

Datum DoubleOrNull(FunctionCallInfo fcinfo, double value) {
  if (std::isnan(value)) PG_RETURN_NULL();
  PG_RETURN_FLOAT8(value);
}

// The column that correlation holds a layer against: values of the target, the loss, or the
// prediction.
std::vector<float> Against(const IntermediateQuery &query, const Model &model,
                           const std::string &against) {
  if (against == "loss") return ReadColumn(OtherLayer(query, "loss"), 0);
  if (against != "target" && against != "prediction") {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("layers cannot be correlated with \"{}\"", against), {},
                "It is 'target', 'loss' or 'prediction'.");
  }
  if (model.target.task == Task::kMulticlass) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("target \"{}\" has more than two classes", model.target.column.name),
                "No one number stands for a row's class.",
                "Correlate with 'loss', or use trails.class_means.");
  }
  if (against == "prediction") {
    // Two classes: the second one's probability.
    return ReadColumn(OtherLayer(query, "prediction"), model.target.outputs() - 1);
  }
  const std::vector<double> labels = ReadLabels(query.logged);
  return {labels.begin(), labels.end()};
}

std::vector<double> Correlations(const IntermediateQuery &query, const std::vector<float> &other) {
  std::vector<Moments> moments(static_cast<std::size_t>(ColumnsOf(query)), Moments(2));
  std::vector<float> pair;
  ReadIntermediate(query, [&](const ColumnBlock &block) {
    const auto first = other.begin() + (block.row_ids[0] - 1);
    for (std::int64_t c = 0; c < block.columns; ++c) {
      const std::span<const float> values = block.column(c);
      pair.assign(values.begin(), values.end());
      pair.insert(pair.end(), first, first + block.rows);
      moments[static_cast<std::size_t>(c)].Add(pair, block.rows);
    }
  });
  std::vector<double> found;
  for (const Moments &two : moments) found.push_back(Correlation(two, 0, 1));
  return found;
}

// Share of the rows whose prediction differs: by its class, or of a number at all.
double ChangedShare(const std::vector<IntermediateQuery> &predictions) {
  const auto columns = static_cast<std::int32_t>(ColumnsOf(predictions[0]));
  std::int64_t rows = 0;
  std::int64_t changed = 0;
  std::vector<float> row(static_cast<std::size_t>(2 * columns));
  ReadSideBySide(predictions, [&](const ColumnBlock &block) {
    for (std::int64_t i = 0; i < block.rows; ++i) {
      for (std::int64_t c = 0; c < block.columns; ++c) {
        row[static_cast<std::size_t>(c)] = block.values[c * block.rows + i];
      }
      const bool differs = columns == 1 ? row[0] != row[1]
                                        : LargestOutput(row.data(), columns) !=
                                              LargestOutput(row.data() + columns, columns);
      changed += differs ? 1 : 0;
    }
    rows += block.rows;
  });
  return static_cast<double>(changed) / static_cast<double>(rows);
}

// Of a layer at two epochs, over a sample of the rows.
double CkaOfEpochs(const std::vector<IntermediateQuery> &layers) {
  const Moments moments = MomentsOf(layers);
  return LinearCka(moments, ColumnsOf(layers[0]));
}

std::vector<IntermediateQuery> AtBothEpochs(const NamedArguments &args, const LoggedRow &logged,
                                            std::string_view layer, bool is_sample) {
  std::vector<IntermediateQuery> queries;
  for (const char *const epoch : {"epoch_a", "epoch_b"}) {
    queries.push_back(LayerQuery(args, logged, layer, EpochArgument(args, epoch)));
    if (is_sample) queries.back().rows = SampledRows(queries.back().intermediate.rows);
  }
  return queries;
}

void PutFindings(const std::vector<Finding> &findings, ResultSet *results) {
  for (const Finding &finding : findings) {
    RowValues row;
    row.AddText(finding.rule);
    if (finding.layer.empty()) {
      row.AddNull().AddNull();
    } else {
      row.AddText(finding.layer).AddBigint(finding.columns);
    }
    results->Put(row.AddText(finding.detail));
  }
}

}  // namespace
}  // namespace trails::pg

// trails.svcca(model_a, layer_a, model_b, layer_b, epoch_a, epoch_b, variance, exact, strategy)
TRAILS_PG_FUNCTION(trails_svcca) {
  using namespace trails::pg;
  const NamedArguments args(fcinfo);
  const std::vector<IntermediateQuery> layers = TwoLayers(args);
  const double variance = args.Finite("variance");
  const std::int64_t columns = ColumnsOf(layers[0]);
  const trails::Moments moments = MomentsOf(layers);
  const double similarity =
      RunEngine([&](const std::stop_token &) { return trails::Svcca(moments, columns, variance); });
  return DoubleOrNull(fcinfo, similarity);
}

// trails.cka(model_a, layer_a, model_b, layer_b, epoch_a, epoch_b, exact, strategy)
TRAILS_PG_FUNCTION(trails_cka) {
  using namespace trails::pg;
  const std::vector<IntermediateQuery> layers = TwoLayers(NamedArguments(fcinfo));
  const trails::Moments moments = MomentsOf(layers);
  return DoubleOrNull(fcinfo, trails::LinearCka(moments, ColumnsOf(layers[0])));
}

// trails.correlation(model, layer, against, epoch, exact, strategy) -> ("column", correlation)
TRAILS_PG_FUNCTION(trails_correlation) {
  using namespace trails::pg;
  const NamedArguments args(fcinfo);
  IntermediateQuery query = LayerQuery(args);
  const std::string against = args.Text("against");
  const std::vector<float> other =
      query.intermediate.is_stage
          ? ReadColumn(query, StageColumnNamed(query, against))
          : Against(query, *OpenSnapshot(query.logged, query.intermediate.epoch), against);
  std::vector<std::int32_t> columns = AllNumbers(query);
  if (query.intermediate.is_stage) query.columns = columns;
  ResultSet results(fcinfo);
  auto column = columns.begin();
  for (const double correlation : Correlations(query, other)) {
    RowValues row;
    results.Put(row.AddInteger(*column++ + 1).AddDouble(correlation));
  }
  return Datum{0};
}

// trails.epoch_diff(model, epoch_a, epoch_b, exact, strategy)
//   -> (layer, parameters, l2, relative_l2, cosine, cka, changed)
TRAILS_PG_FUNCTION(trails_epoch_diff) {
  using namespace trails::pg;
  const NamedArguments args(fcinfo);
  const LoggedRow logged = FindLogged(args.Text("model"));
  const std::int32_t epoch_a = args.Integer("epoch_a");
  const std::int32_t epoch_b = args.Integer("epoch_b");
  const std::vector<IntermediateRow> layers = ListIntermediates(logged, epoch_a);
  const auto a = OpenSnapshot(logged, layers.front().epoch);
  const std::vector<IntermediateRow> layers_b = ListIntermediates(logged, epoch_b);
  const auto b = OpenSnapshot(logged, layers_b.front().epoch);
  if (!args.Bool("exact")) {
    // In one pass an epoch, not in one for each layer.
    MakeStatistics(logged, layers);
    MakeStatistics(logged, layers_b);
  }
  ResultSet results(fcinfo);
  for (const IntermediateRow &layer : layers) {
    const trails::ParameterChange change = trails::ChangeOf(*a, *b, layer.layer);
    const double cka = CkaOfEpochs(AtBothEpochs(args, logged, layer.layer, true));
    const bool is_prediction = layer.layer == "prediction";
    RowValues row;
    row.AddText(layer.layer).AddBigint(change.parameters);
    row.AddDouble(change.l2).AddDouble(change.relative_l2).AddDouble(change.cosine).AddDouble(cka);
    row.AddDouble(is_prediction ? ChangedShare(AtBothEpochs(args, logged, layer.layer, false))
                                : kUnknown);
    results.Put(row);
  }
  return Datum{0};
}

// trails.model_rules(model, epoch) -> (rule, layer, columns, detail)
TRAILS_PG_FUNCTION(trails_model_rules) {
  using namespace trails::pg;
  const NamedArguments args(fcinfo);
  const LoggedRow logged = FindLogged(args.Text("model"));
  const std::vector<IntermediateRow> rows = ListIntermediates(logged, EpochArgument(args));
  const auto model = OpenSnapshot(logged, rows.front().epoch);
  const std::vector<trails::Layer> layers = trails::LayersOf(*model);
  MakeStatistics(logged, rows);
  ResultSet results(fcinfo);
  for (const IntermediateRow &row : rows) {
    const auto statistics = ReadStatistics(logged, row);
    PutFindings(
        trails::CheckLayer(layers[trails::FindLayer(layers, row.layer)], statistics->columns),
        &results);
  }
  PutFindings(trails::CheckCurve(LearningCurve(logged)), &results);
  return Datum{0};
}
