// The columns of a pipeline's stage: values of SQL types, kept exactly, a thousand rows at a time.
//
// Each column is two chunks. Of numbers, booleans, dates and timestamps: the values as PostgreSQL
// has them in memory (1, 2, 4 or 8 bytes each, 0 for NULL), and a byte each that is 1 for NULL. Of
// everything else: the texts one after the other, and their lengths (4 bytes each, -1 for NULL).
//
// May touch: src/core/intermediates, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pg/bridge.h"

extern "C" {
#include "access/tupdesc.h"
#include "executor/tuptable.h"
#include "utils/tuplestore.h"
}

namespace trails::pg {

struct StageColumn {
  std::string name;
  std::string type;  // as format_type writes it
  Oid oid = InvalidOid;
  std::int32_t typmod = -1;
  std::int32_t bytes = 0;  // of a value; 0: a text

  // Has a value as real: numbers, and booleans as 0 and 1.
  bool is_number() const noexcept;
  // Its type, an enum, was dropped since: see lost_columns.h.
  bool is_lost() const noexcept { return !OidIsValid(oid); }
};

// Some rows of a stage, at most kBlockRows, by ascending row_id.
struct StageBlock {
  std::vector<std::int64_t> row_ids;
  std::vector<std::string> elements;  // [2 * columns], two chunks each column

  std::int64_t rows() const noexcept { return static_cast<std::int64_t>(row_ids.size()); }
};

struct StageRows {
  std::vector<StageColumn> columns;
  std::vector<StageBlock> blocks;

  std::int64_t rows() const noexcept;
};

// Bytes of an element of each chunk. [2 * columns]
std::vector<std::int32_t> ElementWidths(const std::vector<StageColumn> &columns);

// A column of that type; domains are their base type. Throws Error(kNotSupported) with a HINT for
// other types than boolean, smallint, integer, bigint, real, double precision, numeric, text,
// varchar, char, enums, date, timestamp and timestamptz.
StageColumn DescribeStageColumn(std::string name, Oid type, std::int32_t typmod);
// The same of a type as DescribeStageColumn wrote it; of one that is none of a stage any longer, a
// lost column. Throws PgError.
StageColumn ParseStageColumn(std::string name, const std::string &type);

// Name and type of each that is not lost, as a column definition list has them, row_id first.
std::string ColumnDefinitions(const std::vector<StageColumn> &columns);

// Throws Error(kCorruptData) where the sizes of a column's two chunks do not fit the block's rows.
void CheckStageColumn(const StageColumn &column, const StageBlock &block, std::size_t position);

// The column's values of some rows of a block that was checked, as real; kNoValue for NULL. out
// [rows.size()]. Throws Error(kInternal) for a column that is no number; Error(kCorruptData) for
// the text of a number that is none.
void StageReals(const std::vector<StageColumn> &columns, const StageBlock &block,
                std::size_t column, std::span<const std::int32_t> rows, float *out);

// A column's values as text, nothing for NULL. [rows] Blocks must have been checked. Throws
// PgError.
std::vector<std::optional<std::string>> StageTexts(const StageRows &rows, std::size_t column);

// Turns the rows of executor slots into blocks' chunks.
class StageRowReader {
 public:
  // position[i]: attribute number, from 0, of columns[i] in the slots. Throws PgError.
  StageRowReader(std::vector<StageColumn> columns, std::vector<int> positions);

  // Appends the slot's row to the block, whose elements it makes. Returns the bytes that it took.
  // Throws PgError.
  std::int64_t Append(TupleTableSlot *slot, StageBlock *block);

  const std::vector<StageColumn> &columns() const noexcept { return columns_; }

 private:
  struct Piece {
    const char *text = nullptr;
    std::int32_t bytes = -1;
  };

  std::vector<StageColumn> columns_;
  std::vector<int> positions_;
  std::vector<FmgrInfo> output_;  // of numerics and enums
  std::vector<Piece> pieces_;
  MemoryContext row_context_;
};

// Appends all rows to a tuplestore of row_id and the columns, as RowTypeOf describes it; those that
// are lost as NULL. Blocks must have been checked. Throws PgError, also on cancel; its CONTEXT
// names the column and `layer`, whose rows they are, where a value is none of its type any more.
void PutStageRows(const StageRows &rows, const std::string &layer, TupleDesc row_type,
                  Tuplestorestate *store);
// row_id bigint and the columns, those that are lost as kLostType. In the current memory context.
// Throws PgError.
TupleDesc RowTypeOf(const std::vector<StageColumn> &columns);

}  // namespace trails::pg
