// Maps records (composite values) to the cells of a model's input columns, for predict.
//
// May touch: PostgreSQL headers (through bridge.h), include/trails, src/core/data. Never Torch.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/data/fields.h"
#include "pg/bridge.h"
#include "pg/column_type.h"

extern "C" {
#include "access/htup.h"
#include "access/tupdesc.h"
}

namespace trails::pg {

// Reads one record after the other; the row type is resolved when it changes, ALTER TABLE
// included. Columns are found by name, whatever their order and whatever else the record has.
// Backend's thread only. Owns a memory context below TopMemoryContext.
class RecordReader {
 public:
  // `columns`: the model's inputs, copied. `model`: its name, for messages.
  RecordReader(std::vector<InputColumn> columns, std::string model);
  ~RecordReader();
  RecordReader(const RecordReader &) = delete;
  RecordReader &operator=(const RecordReader &) = delete;

  // Cells [columns], each of its column's kind; valid until the next call.
  //
  // Throws Error(kUndefinedColumn) when the record lacks a column; kInvalidArgument when a column
  // is text here and a number in the model, or the other way round; kNotSupported when its type
  // is not supported; PgError.
  // Cost: below 1 us a row besides deforming the record.
  std::span<const Cell> Read(HeapTupleHeader record);

 private:
  struct Source {
    ValueReader reader;
    int position = 0;  // in the record, from 0
  };

  bool Convert(HeapTupleHeader record);
  void Resolve(HeapTupleHeader record);
  Source FindSource(const InputColumn &input) const;

  std::vector<InputColumn> columns_;
  std::string model_;
  std::vector<Source> sources_;
  std::vector<Cell> cells_;
  MemoryContext context_;      // row type and enum labels; reset with the row type
  MemoryContext row_context_;  // what conversions allocate; reset with every row
  TupleDesc row_type_ = nullptr;
  std::uint64_t row_type_id_ = 0;  // PostgreSQL's, 0: none resolved yet
  Datum *values_ = nullptr;        // [row_type_->natts]
  bool *nulls_ = nullptr;
};

}  // namespace trails::pg
