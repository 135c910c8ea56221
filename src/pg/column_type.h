// How values of SQL types become columns and cells: the one place that knows PostgreSQL's types.
//
// | SQL type (domains: their base type)                  | kind     | value                   |
// |------------------------------------------------------|----------|-------------------------|
// | smallint, integer, bigint                            | kInteger | itself                  |
// | real, double precision, numeric                      | kFloat   | itself; NaN is NULL     |
// | date, timestamp, timestamptz                         | kFloat   | seconds since 1970, UTC |
// | interval                                             | kFloat   | seconds, as extract(epoch) |
// | boolean                                              | kText    | 'false', 'true'         |
// | char(n)                                              | kText    | without trailing blanks |
// | text, varchar, "char", name, what is binary-coercible | kText   | itself                  |
// | enum, uuid                                           | kText    | label, text form        |
//
// Infinite dates and timestamps become infinite doubles.
//
// May touch: PostgreSQL headers (through bridge.h), include/trails. Never Torch.
#pragma once

#include <string>

#include "pg/bridge.h"
#include "trails/columns.h"

namespace trails::pg {

// The labels of an enum type, by OID; plain data in a memory context.
struct EnumLabels;

// Converts values of one SQL type. Plain data, resolved once a column.
struct ValueReader {
  // Fills *cell from a value that is not NULL. Written like C: may ereport and may palloc in the
  // current memory context, where cell->text then points; else it points into the value.
  using Convert = void (*)(Datum value, const ValueReader &reader, Cell *cell);

  Convert convert = nullptr;             // null: no such kind, the type is not supported
  ColumnKind kind = ColumnKind::kFloat;  // of the cells that `convert` fills
  Oid base_type = InvalidOid;            // domains resolved
  const EnumLabels *labels = nullptr;    // enum types only

  bool supported() const noexcept { return convert != nullptr; }
  // Fills *cell. See Convert.
  void Read(Datum value, bool is_null, Cell *cell) const {
    cell->is_null = is_null;
    if (!is_null) convert(value, *this, cell);
  }
};

// Resolves the type; enum labels are kept in `context`, which must outlive the reader.
// Written like C: may ereport, call it inside CallPg. Cost: a syscache look-up, for an enum a scan
// of its labels.
ValueReader ResolveValueReader(Oid type, MemoryContext context);

// Changes a cell that `from` describes into one of kind `to`: integers become floats, floats the
// nearest integer (NaN becomes NULL, what is out of range the nearest bigint). False, and the
// cell left alone, when the kinds have nothing to do with each other.
bool ConvertKind(ColumnKind from, ColumnKind to, Cell *cell) noexcept;

// True where ConvertKind would succeed.
bool KindsAreConvertible(ColumnKind from, ColumnKind to) noexcept;

}  // namespace trails::pg
