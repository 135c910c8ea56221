// SQL surface of reading intermediates: get_intermediate, explain_intermediate, value_at, topk,
// column_distribution.
//
// May touch: src/core/intermediates, src/pg and include/trails. Never Torch.
#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "core/intermediates/distribution.h"
#include "pg/bridge.h"
#include "pg/column_names.h"
#include "pg/intermediate_reader.h"
#include "pg/layer_query.h"
#include "pg/missing_values.h"
#include "pg/named_arguments.h"
#include "pg/result_rows.h"

extern "C" {
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
}

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

namespace trails::pg {
namespace {

constexpr std::int32_t kMostTopRows = 100'000;
constexpr std::int32_t kMostBins = 10'000;
constexpr std::size_t kOrdered = 1 << 18;  // columns, between two looks for a cancel

// What get_intermediate and explain_intermediate ask for.
struct AskedValues {
  IntermediateQuery query;
  std::vector<std::size_t> order;  // of each column asked for, its place among query.columns
  bool no_rows = false;            // an empty array of rows
  bool no_columns = false;         // an empty array of columns: rows without values
};

// ids: of the rows of `query`'s layer.
AskedValues ReadAsked(const NamedArguments &args, IntermediateQuery query, const RowIds &ids) {
  AskedValues asked;
  asked.query = std::move(query);
  if (const auto columns = ColumnsArgument(args, "columns")) {
    asked.no_columns = columns->empty();
    const Scheme &scheme = asked.query.intermediate.scheme;
    const Shape shape = StoredShape(scheme, asked.query.intermediate.shape);
    const std::vector<std::int64_t> each = EachOnce(*columns, shape.columns());
    asked.query.columns.assign(each.begin(), each.end());
    for (const std::int64_t column : *columns) {
      if (asked.order.size() % kOrdered == 0) CallPg([] { CHECK_FOR_INTERRUPTS(); });
      const auto found = std::ranges::lower_bound(asked.query.columns, column);
      asked.order.push_back(static_cast<std::size_t>(found - asked.query.columns.begin()));
    }
  } else {
    const Scheme &scheme = asked.query.intermediate.scheme;
    const Shape shape = StoredShape(scheme, asked.query.intermediate.shape);
    asked.order.resize(static_cast<std::size_t>(shape.columns()));
    std::iota(asked.order.begin(), asked.order.end(), std::size_t{0});
  }
  if (auto rows = RowsArgument(args, "rows", ids)) {
    asked.no_rows = rows->empty();
    asked.query.rows = EachOnce(*rows, asked.query.intermediate.rows);
  }
  return asked;
}

// Written like C. A real[] of one row's values, NULL where there is none.
Datum RowArray(const ColumnBlock &block, std::int64_t row, const AskedValues &asked,
               const MissingValues &missing) {
  const std::size_t count = asked.order.size();
  const auto value_at = [&block, &asked, row](std::size_t i) {
    return block.values[static_cast<std::int64_t>(asked.order[i]) * block.rows + row];
  };
  std::size_t nulls = 0;
  for (std::size_t i = 0; i < count; ++i) {
    nulls += missing.IsMissing(value_at(i), block.row_ids[row]) ? 1 : 0;
  }
  const auto items = static_cast<int>(count);
  const Size overhead = nulls == 0 ? ARR_OVERHEAD_NONULLS(1) : ARR_OVERHEAD_WITHNULLS(1, items);
  const Size bytes = overhead + (count - nulls) * sizeof(float);
  auto *const array = static_cast<ArrayType *>(palloc(bytes));
  SET_VARSIZE(array, bytes);
  array->ndim = 1;
  array->dataoffset = nulls == 0 ? 0 : static_cast<std::int32_t>(overhead);
  array->elemtype = FLOAT4OID;
  ARR_DIMS(array)[0] = items;
  ARR_LBOUND(array)[0] = 1;
  auto *value = reinterpret_cast<float *>(ARR_DATA_PTR(array));
  bits8 *const bitmap = ARR_NULLBITMAP(array);
  if (nulls > 0) memset(bitmap, 0, (count + 7) / 8);
  for (std::size_t i = 0; i < count; ++i) {
    const float one = value_at(i);
    if (nulls > 0) {
      if (missing.IsMissing(one, block.row_ids[row])) continue;
      bitmap[i / 8] |= static_cast<bits8>(1U << (i % 8));
    }
    *value++ = one;
  }
  return PointerGetDatum(array);
}

// The rows that are asked for, each with an empty array.
void PutRowsAlone(const AskedValues &asked, const RowIds &ids, ResultSet *results) {
  const IntermediateQuery &query = asked.query;
  // Those of a model are positions, of which nobody has looked yet whether they are inside.
  if (!query.intermediate.has_row_ids()) RequireColumns(query);
  const auto rows =
      query.rows.empty() ? query.intermediate.rows : static_cast<std::int64_t>(query.rows.size());
  results->PutRows(rows, [&](std::int64_t row, Datum *values, bool *nulls) {
    const std::int64_t position =
        query.rows.empty() ? row : query.rows[static_cast<std::size_t>(row)];
    values[0] = Int64GetDatum(ids.IdOf(position));
    values[1] = PointerGetDatum(construct_empty_array(FLOAT4OID));
    nulls[0] = nulls[1] = false;
  });
}

double Milliseconds(double seconds) {
  return 1e3 * seconds;
}

// The k largest of a column, NaN left out; of equal values the first row first.
class LargestRows {
 public:
  explicit LargestRows(std::size_t k) : k_(k) {}

  void Add(const ColumnBlock &block) {
    const std::span<const float> values = block.column(0);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (std::isnan(values[i])) continue;
      if (heap_.size() == k_ && !(values[i] > heap_.front().value)) continue;  // rows ascend
      if (heap_.size() == k_) {
        std::ranges::pop_heap(heap_, Before);
        heap_.pop_back();
      }
      heap_.push_back({block.row_ids[i] - 1, values[i]});
      std::ranges::push_heap(heap_, Before);
    }
  }

  std::vector<RowValue> Take() {
    std::ranges::sort_heap(heap_, Before);
    return std::move(heap_);
  }

 private:
  static bool Before(const RowValue &a, const RowValue &b) {
    return a.value > b.value || (a.value == b.value && a.row < b.row);
  }

  std::size_t k_;
  std::vector<RowValue> heap_;  // the last one in front
};

void RequireColumn(const IntermediateQuery &query, std::int32_t column) {
  IntermediateQuery one = query;
  one.columns = {column};
  RequireColumns(one);
}

std::vector<RowValue> TopRows(const IntermediateQuery &query, std::int32_t column, std::int32_t k) {
  if (k <= ColumnStatistics::kLargestRows) {
    const auto statistics = ReadStatistics(query.logged, query.intermediate);
    std::vector<RowValue> top = statistics->columns.at(static_cast<std::size_t>(column)).top;
    if (top.size() > static_cast<std::size_t>(k)) top.resize(static_cast<std::size_t>(k));
    return top;
  }
  IntermediateQuery one = query;
  one.columns = {column};
  LargestRows largest(static_cast<std::size_t>(k));
  ReadIntermediate(one, [&](const ColumnBlock &block) { largest.Add(block); });
  return largest.Take();
}

Histogram MakeHistogram(const IntermediateQuery &query, std::int32_t column, std::int32_t bins) {
  const auto statistics = ReadStatistics(query.logged, query.intermediate);
  const ColumnStatistics &exact = statistics->columns.at(static_cast<std::size_t>(column));
  const bool is_bit = query.intermediate.scheme.kind == SchemeKind::kThreshold &&
                      query.precision == Precision::kStored;
  Histogram histogram =
      is_bit ? Histogram(0, 1, bins) : Histogram(exact.least, exact.largest, bins);
  IntermediateQuery one = query;
  one.columns = {column};
  ReadIntermediate(one, [&](const ColumnBlock &block) { histogram.Add(block.column(0)); });
  return histogram;
}

}  // namespace
}  // namespace trails::pg

// trails.get_intermediate(model, layer, columns, rows, epoch, exact, strategy, version)
TRAILS_PG_FUNCTION(trails_get_intermediate) {
  using namespace trails::pg;
  const NamedArguments args(fcinfo);
  IntermediateQuery query = LayerQuery(args);
  const RowIds ids(query.intermediate);
  const AskedValues asked = ReadAsked(args, std::move(query), ids);
  ResultSet results(fcinfo);
  if (asked.no_rows) return Datum{0};
  if (asked.no_columns) {
    PutRowsAlone(asked, ids, &results);
    return Datum{0};
  }
  const MissingValues missing(asked.query);
  ReadIntermediate(asked.query, [&](const trails::ColumnBlock &block) {
    results.PutRows(block.rows, [&](std::int64_t row, Datum *values, bool *nulls) {
      values[0] = Int64GetDatum(ids.IdOf(block.row_ids[row] - 1));
      values[1] = RowArray(block, row, asked, missing);
      nulls[0] = nulls[1] = false;
    });
  });
  return Datum{0};
}

// trails.explain_intermediate(model, layer, columns, rows, epoch, exact, strategy, version)
TRAILS_PG_FUNCTION(trails_explain_intermediate) {
  using namespace trails::pg;
  const NamedArguments args(fcinfo);
  IntermediateQuery query = LayerQuery(args);
  const RowIds ids(query.intermediate);
  const AskedValues asked = ReadAsked(args, std::move(query), ids);
  ResultSet results(fcinfo);
  if (asked.no_rows || asked.no_columns) return Datum{0};
  for (const GroupPlan &group : PlanQuery(asked.query)) {
    RowValues row;
    row.AddInteger(group.first_column + 1).AddInteger(group.first_column + group.group_columns);
    row.AddInteger(group.columns).AddText(trails::StrategyWord(group.strategy));
    row.AddText(group.reason).AddBool(group.stored).AddBigint(group.stored_bytes);
    row.AddBigint(group.rerun.blocks).AddBigint(group.read.slices);
    row.AddDouble(Milliseconds(group.read_seconds)).AddDouble(Milliseconds(group.rerun_seconds));
    row.AddDouble(group.counted.queries).AddDouble(group.counts).AddDouble(group.gamma);
    row.AddBool(group.materialise).AddText(group.materialise_reason);
    results.Put(row);
  }
  return Datum{0};
}

// trails.value_at(model, layer, "column", row_id, epoch, exact, strategy, version) -> real
TRAILS_PG_FUNCTION(trails_value_at) {
  using namespace trails::pg;
  const NamedArguments args(fcinfo);
  IntermediateQuery query = LayerQuery(args);
  query.rows = {RowArgument(args, "row_id", RowIds(query.intermediate))};
  const float value = ReadColumn(query, ColumnArgument(args, "column", query)).front();
  if (MissingValues(query).IsMissing(value, query.rows.front() + 1)) PG_RETURN_NULL();
  PG_RETURN_FLOAT4(value);
}

// trails.topk(model, layer, "column", k, epoch, version) -> (rank, row_id, value)
TRAILS_PG_FUNCTION(trails_topk) {
  using namespace trails::pg;
  const NamedArguments args(fcinfo);
  const IntermediateQuery query = ExactQuery(args);
  const std::int32_t column = ColumnArgument(args, "column", query);
  RequireColumn(query, column);
  const std::vector<trails::RowValue> top =
      TopRows(query, column, CountArgument(args, "k", kMostTopRows));
  const RowIds ids(query.intermediate);
  ResultSet results(fcinfo);
  results.PutRows(static_cast<std::int64_t>(top.size()),
                  [&](std::int64_t i, Datum *values, bool *nulls) {
                    values[0] = Int32GetDatum(static_cast<std::int32_t>(i + 1));
                    const trails::RowValue &row = top[static_cast<std::size_t>(i)];
                    values[1] = Int64GetDatum(ids.IdOf(row.row));
                    values[2] = Float4GetDatum(row.value);
                    nulls[0] = nulls[1] = nulls[2] = false;
                  });
  return Datum{0};
}

// trails.column_distribution(model, layer, "column", bins, epoch, exact, strategy, version)
//   -> (bin, lower, upper, rows)
TRAILS_PG_FUNCTION(trails_column_distribution) {
  using namespace trails::pg;
  const NamedArguments args(fcinfo);
  const IntermediateQuery query = LayerQuery(args);
  const std::int32_t column = ColumnArgument(args, "column", query);
  RequireColumn(query, column);
  const trails::Histogram histogram =
      MakeHistogram(query, column, CountArgument(args, "bins", kMostBins));
  ResultSet results(fcinfo);
  for (std::int32_t bin = 0; bin < histogram.bins(); ++bin) {
    RowValues row;
    row.AddInteger(bin + 1).AddDouble(histogram.lower(bin)).AddDouble(histogram.lower(bin + 1));
    results.Put(row.AddBigint(histogram.count(bin)));
  }
  if (histogram.not_finite() > 0) {
    RowValues row;
    results.Put(row.AddNull().AddNull().AddNull().AddBigint(histogram.not_finite()));
  }
  return Datum{0};
}
