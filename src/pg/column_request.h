// Which columns of a relation a caller wants, and what they are.
//
// May touch: PostgreSQL headers (through bridge.h), include/trails, src/core/data. Never Torch.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/data/fields.h"
#include "pg/bridge.h"
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
  std::string split;  // read as text, whatever its type
  std::string group;
  // A column to know rows by, of any type, which whoever asks reads himself: it is there, and may
  // be read, or that is an error.
  std::string key;

  std::int64_t memory_limit_bytes = 0;  // 0: no limit
  // Stop the scan early, see ReadResult::complete: when this has passed, or when what each value
  // read will cost afterwards would no longer fit before it.
  std::optional<Clock::time_point> read_until;
  double seconds_per_value_after = 0;
  Progress *progress = nullptr;                 // rows_read is counted here
  ProgressSession *progress_session = nullptr;  // and published here
};

// One column of the relation, resolved.
struct ResolvedColumn {
  std::string name;
  std::string sql_type;  // as format_type writes it: "numeric(10,2)"
  Oid type = InvalidOid;
  ColumnKind kind = ColumnKind::kFloat;  // of the Column that is filled
};

// A request resolved against the relation. The relation stays locked (ACCESS SHARE) until the
// end of the transaction, so that reading it later sees the same columns.
struct ResolvedRequest {
  std::string relation;  // quoted and qualified, for SQL
  std::string schema;    // as they are, for messages, lineage and default names
  std::string name;
  char relkind = 0;  // as in pg_class
  std::vector<ResolvedColumn> features;
  std::optional<ResolvedColumn> target;
  std::optional<ResolvedColumn> split;
  std::optional<ResolvedColumn> group;
  std::vector<std::string> skipped_columns;  // of types not supported: 'position (point)'
};

// Resolves a request without reading a row: names, types, and privilege to see the columns.
//
// Throws Error: kUndefinedColumn with a HINT of similar or available columns; kInvalidArgument for
// the target (split, group) among the features or in exclude, a column named twice, or a column
// whose kind does not fit the model's; kNotSupported for a column asked for by name whose type is
// not (see column_type.h); kBadData when no feature is left. PgError: 42P01, 42501 (of columns, for
// the key alone), 42809 for a relation that holds no rows (index, sequence, composite type).
// Cost: catalog look-ups only.
ResolvedRequest DescribeColumns(const ReadRequest &request);

// A HINT for a name that is none of these: a similar one, or all of them.
std::string ColumnHint(std::span<const std::string> names, const std::string &wanted);

// The name in double quotes, for SQL and for messages.
std::string Quoted(const std::string &name);

}  // namespace trails::pg
