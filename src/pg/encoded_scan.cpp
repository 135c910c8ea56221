#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/encoded_scan.h"

extern "C" {
#include "miscadmin.h"
#include "utils/builtins.h"
}

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "pg/record_reader.h"
#include "pg/row_reader.h"
#include "pg/scan_settings.h"
#include "pg/spi_session.h"

namespace trails::pg {

namespace {

std::string Quoted(const std::string &name) {
  const char *const text = name.c_str();
  return CallPg([=] { return quote_identifier(text); });
}

// A name that no column has: a column would be taken for it.
std::string UnusedName(std::string name, const std::vector<InputColumn> &columns) {
  while (std::ranges::find(columns, name, &InputColumn::name) != columns.end()) name += '_';
  return name;
}

// One row of the query is (key as text, record of the model's columns). The record is made from
// a subquery, so that the caller needs rights on these columns only.
std::string ScanQuery(const ScanRequest &request, const ResolvedRequest &resolved,
                      const std::vector<InputColumn> &columns) {
  const std::string split = request.split ? request.split->split : std::string();
  const std::string key = Quoted(UnusedName("key", columns));
  const std::string record = Quoted(UnusedName("record", columns));
  std::string query = fmt::format("SELECT {0}.{1}, {0} FROM (SELECT ", record, key);
  query += request.key.empty() ? "NULL::pg_catalog.text"
                               : fmt::format("s.{}::pg_catalog.text", Quoted(request.key));
  query += fmt::format(" AS {}", key);
  for (const InputColumn &column : columns) {
    const std::string quoted = Quoted(column.name);
    query += fmt::format(", s.{0}", quoted);
    // Its words are read whatever its type.
    if (column.name == split) query += fmt::format("::pg_catalog.text AS {}", quoted);
  }
  return query + fmt::format(" FROM {} AS s) AS {}", resolved.relation, record);
}

Portal OpenCursor(const std::string &query) {
  const char *const sql = query.c_str();
  return CallPg([=] {
    SPIPlanPtr const plan = SPI_prepare(sql, 0, nullptr);
    if (plan == nullptr) {
      elog(ERROR, "could not prepare the scan: %s", SPI_result_code_string(SPI_result));
    }
    return SPI_cursor_open(nullptr, plan, nullptr, nullptr, true);
  });
}

// Where one fetch goes; its arrays never grow.
struct FetchedRows {
  Datum keys[kScanRows];
  bool key_is_null[kScanRows];
  HeapTupleHeader records[kScanRows];
};

std::int64_t Fetch(Portal cursor, FetchedRows *rows) {
  return CallPg([=] {
    CHECK_FOR_INTERRUPTS();
    SPI_cursor_fetch(cursor, true, kScanRows);
    TupleDesc const columns = SPI_tuptable->tupdesc;
    for (std::uint64_t i = 0; i < SPI_processed; ++i) {
      bool is_null = false;
      HeapTuple const tuple = SPI_tuptable->vals[i];
      rows->keys[i] = SPI_getbinval(tuple, columns, 1, &rows->key_is_null[i]);
      rows->records[i] = DatumGetHeapTupleHeader(SPI_getbinval(tuple, columns, 2, &is_null));
    }
    return static_cast<std::int64_t>(SPI_processed);
  });
}

void Append(const Cell &cell, Column *column) {
  if (cell.is_null) {
    column->AppendNull();
  } else if (column->kind() == ColumnKind::kInteger) {
    column->AppendInteger(cell.integer);
  } else if (column->kind() == ColumnKind::kFloat) {
    column->AppendFloat(cell.number);
  } else {
    column->AppendText(cell.text);
  }
}

// The columns that decide about the split, beside those that the model needs.
std::vector<InputColumn> SplitColumns(const ScanRequest &request,
                                      const std::vector<InputColumn> &others) {
  if (!request.split->split.empty()) {
    return {{request.split->split, "text", ColumnKind::kText}};
  }
  ReadRequest described;
  described.relation = request.source;
  described.features.emplace();
  for (const std::string &name : request.split->columns()) {
    if (std::ranges::find(others, name, &InputColumn::name) == others.end()) {
      described.features->push_back(name);
    }
  }
  std::vector<InputColumn> columns;
  if (described.features->empty()) return columns;
  for (const ResolvedColumn &column : DescribeColumns(described).features) {
    columns.push_back({column.name, column.sql_type, column.kind});
  }
  return columns;
}

// Which part of the split each row is in.
class PartReader {
 public:
  // cells: of the columns; `target` among them.
  PartReader(const SplitRule &rule, const std::vector<InputColumn> &columns, std::size_t target)
      : splitter_(rule, columns), target_(target) {}

  void Read(std::span<const Cell> cells, std::int64_t row) {
    const Cell &target = cells[target_];
    const bool is_null = target.is_null || std::isnan(target.number);
    parts_[row] = is_null ? SplitPart::kNone : splitter_.PartOf(cells);
  }
  const SplitPart *parts() const noexcept { return parts_; }

 private:
  RowSplitter splitter_;
  std::size_t target_;
  SplitPart parts_[kScanRows] = {};
};

}  // namespace

void ScanEncoded(const Model &model, const std::string &name, const ScanRequest &request,
                 const std::function<void(const EncodedBlock &)> &sink) {
  const Fields &fields = model.fields;
  const InputColumn &target = model.target.column;
  ReadRequest described;
  described.relation = request.source;
  described.inputs = fields.columns;
  if (request.with_target) described.target = target.name;
  described.key = request.key;
  const ResolvedRequest resolved = DescribeColumns(described);

  std::vector<InputColumn> columns = fields.columns;
  if (request.with_target) columns.push_back(target);
  std::optional<PartReader> parts;
  if (request.split) {
    for (InputColumn &column : SplitColumns(request, columns)) columns.push_back(std::move(column));
    parts.emplace(*request.split, columns, fields.columns.size());
  }
  const ScanSettings settings;
  const SpiSession session;
  Portal const cursor = OpenCursor(ScanQuery(request, resolved, columns));
  RecordReader reader(columns, name);

  const std::int32_t categorical = fields.categorical();
  const std::int32_t numeric = fields.numeric();
  std::vector<std::int32_t> ids(static_cast<std::size_t>(kScanRows) * categorical);
  std::vector<float> values(static_cast<std::size_t>(kScanRows) * numeric);
  const auto fetched = std::make_unique<FetchedRows>();
  for (;;) {
    EncodedBlock block;
    block.rows = Fetch(cursor, fetched.get());
    if (block.rows == 0) return;
    Column labels(target.name, target.kind, target.sql_type);
    for (std::int64_t row = 0; row < block.rows; ++row) {
      const std::span<const Cell> cells = reader.Read(fetched->records[row]);
      fields.EncodeRow(cells.first(fields.columns.size()), ids.data() + row * categorical,
                       values.data() + row * numeric);
      if (request.with_target) Append(cells[fields.columns.size()], &labels);
      if (parts) parts->Read(cells, row);
    }
    block.ids = ids.data();
    block.values = values.data();
    block.keys = fetched->keys;
    block.key_is_null = fetched->key_is_null;
    if (request.with_target) block.target = &labels;
    if (parts) block.parts = parts->parts();
    sink(block);
    CallPg([] { SPI_freetuptable(SPI_tuptable); });
  }
}

}  // namespace trails::pg
