// Appends many rows to one of the extension's tables at the speed of COPY.
//
// Like COPY it fills whole pages at once and writes one WAL record a page; unlike COPY it needs no
// text, and leaves the backend's progress slots alone. Constraints are checked and indexes kept;
// row triggers that somebody may have put on the table do not fire.
//
// May touch: PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>

#include "pg/bridge.h"
#include "pg/catalog_session.h"

namespace trails::pg {

// The values of row `row` of `source`, in the order of the columns given to InsertRows. Written
// like C (see CallPg); what it allocates is freed after some hundred rows.
using FillRow = void (*)(const void *source, std::int64_t row, Datum *values, bool *nulls);

// The columns of a table, by name, and their values.
struct BulkRows {
  const char *table;           // in schema trails
  const char *const *columns;  // [column_count]; the table's other columns become NULL
  int column_count;            // at most 16
  std::int64_t rows;
  FillRow fill;
  const void *source;
};

// Appends the rows, as the role that is current: the tables' owner, inside WithCatalog. They are
// seen by the session's next statement.
// Looks for a cancel every few hundred rows. Throws PgError, Error(kUndefinedObject).
// Cost: see docs/benchmarks.md; some 2 us a row of trails.candidate, its primary key included.
void InsertRows(CatalogSession &catalog, const BulkRows &rows);

}  // namespace trails::pg
