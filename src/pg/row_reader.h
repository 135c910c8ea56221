// Reads a relation into columns: one scan, under the caller's rights and row security.
//
// The scan is a SELECT of the needed columns through SPI whose rows go straight from the
// executor's slots into Columns: no tuple is copied. Parallel plans and synchronized scans are
// off, so that the same table gives the same order of rows.
//
// May touch: PostgreSQL headers (through bridge.h), include/trails, src/core/data. Never Torch.
#pragma once

#include <string>
#include <vector>

#include "pg/column_request.h"
#include "trails/columns.h"

namespace trails::pg {

struct ReadResult {
  Table table;
  bool complete = true;  // false: read_until passed, the table holds the rows read before it
  std::vector<std::string> skipped_columns;
};

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
