// SQL surface of comparing layers, epochs and models: svcca, cka, correlation, epoch_diff.
//
// May touch: src/core, src/pg and include/trails. Never Torch.
#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "core/intermediates/alignment.h"
#include "core/intermediates/correlation.h"
#include "core/intermediates/moments.h"
#include "core/intermediates/parameter_change.h"
#include "pg/bridge.h"
#include "pg/column_names.h"
#include "pg/engine_call.h"
#include "pg/feature_values.h"
#include "pg/layer_query.h"
#include "pg/logged_rows.h"
#include "pg/model_scan.h"
#include "pg/moments_pass.h"
#include "pg/result_rows.h"
#include "pg/row_groups.h"
#include "pg/row_pairs.h"
#include "pg/settings.h"
#include "pg/stage_source.h"

#include <cmath>
#include <limits>

namespace trails::pg {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

// Two layers, of one model or of two, and which rows are the same.
struct TwoLayers {
  IntermediateQuery a;
  IntermediateQuery b;
  RowPairs pairs;
};

TwoLayers TwoLayersArgument(const NamedArguments &args) {
  TwoLayers layers{LayerQuery(args, "_a"), LayerQuery(args, "_b"), {}};
  layers.pairs = PairRows(layers.a, layers.b);
  for (IntermediateQuery *const layer : {&layers.a, &layers.b}) {
    if (layer->intermediate.is_stage) layer->columns = NumberColumns(*layer);
  }
  return layers;
}

Datum DoubleOrNull(FunctionCallInfo fcinfo, double value) {
  if (std::isnan(value)) PG_RETURN_NULL();
  PG_RETURN_FLOAT8(value);
}

// 1 in the rows of a class, 0 in those of others, NaN where no class is known or it is NULL: as SQL
// compares.
std::vector<float> OfClass(const IntermediateQuery &query, const std::string &by,
                           const std::string &name) {
  const RowGroups groups = GroupRows(query, by);
  const std::int32_t wanted = FindGroup(groups, by, name);
  std::vector<float> values;
  values.reserve(groups.group.size());
  for (const std::int32_t group : groups.group) {
    const bool is_known = group >= 0 && groups.names[static_cast<std::size_t>(group)].has_value();
    values.push_back(is_known ? static_cast<float>(group == wanted)
                              : std::numeric_limits<float>::quiet_NaN());
  }
  return values;
}

// The number of each row that correlation holds a model's layer against: values of the target, the
// loss, the prediction, or a feature.
std::vector<float> Against(const IntermediateQuery &query, const Model &model,
                           const std::string &against) {
  if (against == "loss") return ReadColumn(OtherLayer(query, "loss"), 0);
  if (against != "target" && against != "prediction") {
    return FeatureValues(query.logged, model.fields, against);
  }
  if (model.target.task == Task::kMulticlass) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("target \"{}\" has more than two classes", model.target.column.name),
                "No one number stands for a row's class.",
                "Correlate with one class of the target, named by argument \"class\", or with "
                "'loss'.");
  }
  if (against == "prediction") {
    // Two classes: the second one's probability.
    return ReadColumn(OtherLayer(query, "prediction"), model.target.outputs() - 1);
  }
  const std::vector<double> labels = ReadLabels(query.logged);
  return {labels.begin(), labels.end()};
}

std::vector<float> Against(const IntermediateQuery &query, const NamedArguments &args) {
  const std::string against = args.Text("against");
  if (!args.IsNull("class")) return OfClass(query, against, args.Text("class"));
  if (query.intermediate.is_stage) return ReadColumn(query, ColumnNamed(query, against));
  RequireModel(query.logged, "Its labels are classes, for which no number stands.",
               "Correlate with one of them, named by argument \"class\", against being 'target'.");
  return Against(query, *OpenSnapshot(query.logged, query.intermediate.epoch), against);
}

// Share of the rows whose prediction differs: by its class, or of a number at all.
double ChangedShare(std::vector<IntermediateQuery> predictions) {
  for (IntermediateQuery &prediction : predictions) AskExactly(&prediction);
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

double CkaOf(const TwoLayers &layers) {
  const Moments moments = MomentsOf(layers.a, layers.b, layers.pairs);
  return RunEngine(
      [&](const std::stop_token &stop) { return LinearCka(moments, ColumnsOf(layers.a), stop); });
}

// Of a layer, over all rows or a sample of them.
std::vector<IntermediateQuery> AtBothEpochs(const NamedArguments &args, const LoggedRow &logged,
                                            std::string_view layer, bool is_sample) {
  std::vector<IntermediateQuery> queries;
  for (const char *const epoch : {"epoch_a", "epoch_b"}) {
    queries.push_back(LayerQuery(args, logged, layer, EpochArgument(args, epoch)));
    if (is_sample) queries.back().rows = SampledRows(queries.back().intermediate.rows);
  }
  return queries;
}

// NaN, and a NOTICE, for more columns than can be compared with one another.
double CkaOfEpochs(const std::vector<IntermediateQuery> &layers) {
  const std::int64_t columns = ColumnsOf(layers[0]);
  if (2 * columns <= Moments::kMostColumns) return CkaOf({layers[0], layers[1], {}});
  Tell({NoticeLevel::kNotice,
        fmt::format("layer \"{}\" has too many columns for its cka", layers[0].intermediate.layer),
        fmt::format("It has {}; at most {} can be compared with themselves at another epoch.",
                    columns, Moments::kMostColumns / 2),
        {}});
  return kUnknown;
}

}  // namespace
}  // namespace trails::pg

// trails.svcca(model_a, layer_a, model_b, layer_b, epoch_a, epoch_b, variance, exact, strategy,
//   version_a, version_b)
TRAILS_PG_FUNCTION(trails_svcca) {
  using namespace trails::pg;
  const NamedArguments args(fcinfo);
  const double variance = args.Finite("variance");
  trails::CheckVariance(variance);
  const TwoLayers layers = TwoLayersArgument(args);
  const std::int64_t columns = ColumnsOf(layers.a);
  const std::int32_t threads = EngineThreads();
  const trails::Moments moments = MomentsOf(layers.a, layers.b, layers.pairs);
  const double similarity = RunEngine([&](const std::stop_token &stop) {
    return trails::Svcca(moments, columns, variance, threads, stop);
  });
  return DoubleOrNull(fcinfo, similarity);
}

// trails.cka(model_a, layer_a, model_b, layer_b, epoch_a, epoch_b, exact, strategy, version_a,
//   version_b)
TRAILS_PG_FUNCTION(trails_cka) {
  using namespace trails::pg;
  return DoubleOrNull(fcinfo, CkaOf(TwoLayersArgument(NamedArguments(fcinfo))));
}

// trails.correlation(model, layer, against, class, epoch, exact, strategy, version)
//   -> ("column", correlation, name)
TRAILS_PG_FUNCTION(trails_correlation) {
  using namespace trails::pg;
  const NamedArguments args(fcinfo);
  const IntermediateQuery query = NumbersQuery(args);
  const std::vector<float> other = Against(query, args);
  const std::vector<trails::ColumnName> names = ColumnNamesOf(query.logged, query.intermediate);
  trails::ColumnCorrelations found(ColumnsOf(query));
  ReadIntermediate(query, [&](const trails::ColumnBlock &block) {
    found.Add({block.values, static_cast<std::size_t>(block.columns * block.rows)},
              std::span(other).subspan(static_cast<std::size_t>(block.row_ids[0] - 1),
                                       static_cast<std::size_t>(block.rows)));
  });
  ResultSet results(fcinfo);
  for (std::int64_t column = 0; column < ColumnsOf(query); ++column) {
    RowValues row;
    row.AddInteger(ColumnNumber(query, column)).AddDouble(found.correlation(column));
    results.Put(row.AddTextOrNull(NameOf(names, query, column)));
  }
  return Datum{0};
}

// trails.epoch_diff(model, epoch_a, epoch_b, exact, strategy, version)
//   -> (layer, parameters, l2, relative_l2, cosine, cka, changed)
TRAILS_PG_FUNCTION(trails_epoch_diff) {
  using namespace trails::pg;
  const NamedArguments args(fcinfo);
  const LoggedRow logged = LoggedArgument(args);
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
