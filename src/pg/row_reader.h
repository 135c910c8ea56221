// Reads a relation into columns: one scan, under the caller's rights and row security.
//
// The scan is a SELECT of the needed columns through SPI whose rows go straight from the
// executor's slots into Columns: no tuple is copied. Parallel plans and synchronized scans are
// off, so that the same table gives the same order of rows.
//
// May touch: PostgreSQL headers (through bridge.h), include/trails, src/core/data. Never Torch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/data/fields.h"
#include "pg/bridge.h"
#include "pg/column_type.h"
#include "pg/progress.h"
#include "trails/columns.h"
#include "trails/progress.h"

namespace trails::pg {

// What to read of which relation.
struct ReadRequest {
  Oid relation = InvalidOid;

  // The columns that become Table::features, in one of three ways:
  //   inputs     the columns of a model, in its order, converted to its kinds;
  //   features   these, in the relation's column order;
  //   neither    every column of a supported type, except what `exclude` names and the ones below.
  // At most one of inputs and features; exclude with neither.
  std::vector<InputColumn> inputs;
  std::optional<std::vector<std::string>> features;
  std::vector<std::string> exclude;

  // Empty: no such column; Table::target then stays empty, and Table::rows() 0: count
  // features.front().rows().
  std::string target;
  std::string split;  // read as text
  std::string group;

  std::int64_t memory_limit_bytes = 0;          // 0: no limit
  std::optional<Clock::time_point> read_until;  // stop the scan early, see ReadResult::complete
  Progress *progress = nullptr;                 // rows_read is counted here
  ProgressSession *progress_session = nullptr;  // and published here
};

// One column of the relation, resolved.
struct ResolvedColumn {
  std::string name;
  std::string sql_type;  // as format_type writes it: "numeric(10,2)"
  Oid type = InvalidOid;
  std::int16_t attribute = 0;
  ColumnKind kind = ColumnKind::kFloat;  // of the Column that is filled
};

// A request resolved against the relation. The relation stays locked (ACCESS SHARE) until the
// end of the transaction, so that reading it later sees the same columns.
struct ResolvedRequest {
  std::string relation;  // as quote_qualified_identifier writes it
  std::string name;      // without schema, for messages and default model names
  std::vector<ResolvedColumn> features;
  std::optional<ResolvedColumn> target;
  std::optional<ResolvedColumn> split;
  std::optional<ResolvedColumn> group;
  std::vector<std::string> skipped_columns;  // of types not supported: 'position (point)'
};

struct ReadResult {
  Table table;
  bool complete = true;  // false: read_until passed, the table holds the rows read before it
  std::vector<std::string> skipped_columns;
};

// Resolves a request without reading a row: names, types, and privilege to see the columns.
//
// Throws Error: kUndefinedColumn with a HINT of similar or available columns; kInvalidArgument for
// the target (split, group) among the features or in exclude, a column named twice, or a column
// whose kind does not fit the model's; kNotSupported for a column asked for by name whose type is
// not (see column_type.h); kBadData when no feature is left. PgError: 42P01, 42501, 42809 for a
// relation that holds no rows (index, sequence, composite type).
// Cost: catalog look-ups only.
ResolvedRequest DescribeColumns(const ReadRequest &request);

// Reads the rows. Tells a NOTICE that names the skipped columns when the features were not asked
// for by name. Rows are in physical order as far as the relation has one.
//
// Throws as DescribeColumns; Error(kLimit) above the memory limit, before the scan when the
// planner's estimate for a table (not for a view) is above it already, with the number needed;
// PgError for what the scan raises (privileges, row security, cancel, a view's own errors).
// A relation whose first row comes late (a view with a sort) is stopped at its next row only.
// Cost: some 100 ns a row of 11 integer columns; memory as in columns.h.
ReadResult ReadTable(const ReadRequest &request);

}  // namespace trails::pg
