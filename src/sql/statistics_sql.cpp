// SQL surface of what the statistics of layers tell: column_statistics, model_rules.
//
// May touch: src/core, src/pg and include/trails. Never Torch.
#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "core/intermediates/model_rules.h"
#include "pg/bridge.h"
#include "pg/column_names.h"
#include "pg/layer_query.h"
#include "pg/logged_rows.h"
#include "pg/model_scan.h"
#include "pg/result_rows.h"
#include "pg/stage_source.h"

#include <cmath>

namespace trails::pg {
namespace {

// Positions of the columns asked for, in their order; by default all, of a stage those that are
// numbers.
std::vector<std::int64_t> AskedColumns(const NamedArguments &args, const IntermediateQuery &query) {
  std::vector<std::int64_t> columns;
  if (auto asked = ColumnsArgument(args, "columns")) {
    IntermediateQuery named = query;
    named.columns.assign(asked->begin(), asked->end());
    if (!named.columns.empty()) RequireColumns(named);
    return *std::move(asked);
  }
  if (query.intermediate.is_stage) {
    for (const std::int32_t column : NumberColumns(query)) columns.push_back(column);
    return columns;
  }
  for (std::int64_t column = 0; column < ColumnsOf(query); ++column) columns.push_back(column);
  return columns;
}

// Written like C. One row of column_statistics.
void FillStatistics(const ColumnStatistics &column, std::int64_t position,
                    const std::optional<std::string> &name, Datum *values, bool *nulls) {
  const std::int64_t finite = column.rows - column.not_finite;
  const double share = static_cast<double>(column.zeros) / static_cast<double>(finite);
  values[0] = Int32GetDatum(static_cast<std::int32_t>(position + 1));
  values[1] = Int64GetDatum(column.rows);
  values[2] = Int64GetDatum(column.nans);
  values[3] = Int64GetDatum(column.not_finite - column.nans);
  values[4] = Int64GetDatum(column.zeros);
  values[5] = Float8GetDatum(share);
  values[6] = Float4GetDatum(column.least);
  values[7] = Float4GetDatum(column.largest);
  values[8] = Float8GetDatum(column.mean());
  values[9] = Float8GetDatum(column.deviation());
  for (int i = 0; i < 10; ++i) nulls[i] = i >= 5 && finite == 0;
  nulls[10] = !name;
  if (name) values[10] = TextDatum(*name);
}

// Rows of the model by the class predicted. Exact values: of a scheme that keeps a bit each the
// largest says nothing.
std::vector<std::int64_t> CountPredictions(const LoggedRow &logged, const IntermediateRow &layer) {
  IntermediateQuery query;
  query.precision = Precision::kExact;
  query.logged = logged;
  query.intermediate = layer;
  const auto classes = static_cast<std::size_t>(ColumnsOf(query));
  std::vector<std::int64_t> rows(classes);
  std::vector<float> outputs(classes);
  ReadIntermediate(query, [&](const ColumnBlock &block) {
    for (std::int64_t i = 0; i < block.rows; ++i) {
      for (std::int64_t c = 0; c < block.columns; ++c) {
        outputs[static_cast<std::size_t>(c)] = block.values[c * block.rows + i];
      }
      ++rows[static_cast<std::size_t>(
          LargestOutput(outputs.data(), static_cast<std::int32_t>(classes)))];
    }
  });
  return rows;
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

// trails.column_statistics(model, layer, columns, epoch, version)
//   -> ("column", rows, nulls, infinite, zeros, zero_share, min, max, mean, deviation, name)
TRAILS_PG_FUNCTION(trails_column_statistics) {
  using namespace trails::pg;
  const NamedArguments args(fcinfo);
  const IntermediateQuery query = ExactQuery(args);
  const std::vector<std::int64_t> columns = AskedColumns(args, query);
  const auto statistics = ReadStatistics(query.logged, query.intermediate);
  const std::vector<trails::ColumnName> names = ColumnNamesOf(query.logged, query.intermediate);
  ResultSet results(fcinfo);
  results.PutRows(
      static_cast<std::int64_t>(columns.size()), [&](std::int64_t i, Datum *values, bool *nulls) {
        const std::int64_t position = columns[static_cast<std::size_t>(i)];
        FillStatistics(statistics->columns[static_cast<std::size_t>(position)], position,
                       names[static_cast<std::size_t>(position)].name, values, nulls);
      });
  return Datum{0};
}

// trails.model_rules(model, epoch, version) -> (rule, layer, columns, detail)
TRAILS_PG_FUNCTION(trails_model_rules) {
  using namespace trails::pg;
  const NamedArguments args(fcinfo);
  const LoggedRow logged = LoggedArgument(args);
  const std::vector<IntermediateRow> rows = ListIntermediates(logged, EpochArgument(args));
  const auto model = OpenSnapshot(logged, rows.front().epoch);
  const std::vector<trails::Layer> layers = trails::LayersOf(*model);
  MakeStatistics(logged, rows);
  ResultSet results(fcinfo);
  for (const IntermediateRow &row : rows) {
    const auto statistics = ReadStatistics(logged, row);
    const trails::Layer &layer = layers[trails::FindLayer(layers, row.layer)];
    PutFindings(trails::CheckLayer(layer, statistics->columns), &results);
    if (layer.kind == trails::LayerKind::kPrediction &&
        model->target.task != trails::Task::kRegression &&
        trails::MayMissClass(statistics->columns)) {
      PutFindings(trails::CheckClasses(layer, model->target.classes, CountPredictions(logged, row)),
                  &results);
    }
  }
  PutFindings(trails::CheckCurve(LearningCurve(logged)), &results);
  return Datum{0};
}
