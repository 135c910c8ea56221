// Hands rows back to PostgreSQL: one record, or a set that is materialised.
//
// May touch: PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pg/bridge.h"

extern "C" {
#include "access/tupdesc.h"
#include "datatype/timestamp.h"
#include "miscadmin.h"
#include "utils/tuplestore.h"
}

namespace trails::pg {

// A text datum in the current memory context. Throws PgError.
Datum TextDatum(std::string_view text);

// The values of one row, in column order. Texts are copied into the current memory context.
//
// Every Add may throw PgError.
class RowValues {
 public:
  RowValues &AddNull();
  RowValues &AddInteger(std::int32_t value);
  RowValues &AddBigint(std::int64_t value);
  RowValues &AddBool(bool value);
  RowValues &AddDouble(double value);  // NaN becomes NULL
  RowValues &AddText(std::string_view value);
  RowValues &AddTextOrNull(const std::optional<std::string> &value);
  RowValues &AddName(std::string_view value);
  RowValues &AddOid(Oid value);
  RowValues &AddTimestamp(TimestampTz value);
  RowValues &AddIntegers(const std::vector<std::int32_t> &values);  // integer[]

  const Datum *values() const noexcept { return values_.data(); }
  const bool *nulls() const noexcept { return reinterpret_cast<const bool *>(nulls_.data()); }
  std::size_t columns() const noexcept { return values_.size(); }

 private:
  RowValues &Add(Datum value, bool is_null = false);

  std::vector<Datum> values_;
  std::vector<char> nulls_;  // not bool: std::vector<bool> has no array inside
};

// The row as the composite result of the function being called.
// Throws Error(kInternal) when it does not fit the function's OUT columns, PgError.
Datum MakeRecord(FunctionCallInfo fcinfo, const RowValues &row);

// The result of a set-returning function, kept by PostgreSQL, on disk above work_mem.
class ResultSet {
 public:
  // Throws PgError where the caller accepts no set.
  explicit ResultSet(FunctionCallInfo fcinfo);

  void Put(const RowValues &row);
  // Appends `rows` rows at once: fill(row, values, nulls) is written like C (see CallPg); what it
  // allocates is freed after each row.
  template <typename Fill>
  void PutRows(std::int64_t rows, Fill fill) {
    CallPg([&] {
      Datum values[kMaxColumns];
      bool nulls[kMaxColumns];
      MemoryContext const before = MemoryContextSwitchTo(row_context_);
      for (std::int64_t row = 0; row < rows; ++row) {
        fill(row, values, nulls);
        tuplestore_putvalues(store_, columns_, values, nulls);
        MemoryContextReset(row_context_);
        CHECK_FOR_INTERRUPTS();  // a row may have a million values
      }
      MemoryContextSwitchTo(before);
    });
  }

 private:
  static constexpr int kMaxColumns = 16;

  Tuplestorestate *store_ = nullptr;
  TupleDesc columns_ = nullptr;
  MemoryContext row_context_ = nullptr;  // goes with the query's
};

}  // namespace trails::pg
