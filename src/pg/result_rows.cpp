#include "pg/result_rows.h"

extern "C" {
#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
}

#include <cmath>

namespace trails::pg {

Datum TextDatum(std::string_view text) {
  const char *const first = text.data();
  const int length = static_cast<int>(text.size());
  return CallPg([=] { return PointerGetDatum(cstring_to_text_with_len(first, length)); });
}

RowValues &RowValues::Add(Datum value, bool is_null) {
  values_.push_back(value);
  nulls_.push_back(is_null ? 1 : 0);
  return *this;
}

RowValues &RowValues::AddNull() {
  return Add(0, true);
}

RowValues &RowValues::AddInteger(std::int32_t value) {
  return Add(Int32GetDatum(value));
}

RowValues &RowValues::AddBigint(std::int64_t value) {
  return Add(Int64GetDatum(value));
}

RowValues &RowValues::AddBool(bool value) {
  return Add(BoolGetDatum(value));
}

RowValues &RowValues::AddDouble(double value) {
  return std::isnan(value) ? Add(0, true) : Add(Float8GetDatum(value));
}

RowValues &RowValues::AddText(std::string_view value) {
  return Add(TextDatum(value));
}

RowValues &RowValues::AddTextOrNull(const std::optional<std::string> &value) {
  return value ? AddText(*value) : AddNull();
}

RowValues &RowValues::AddOid(Oid value) {
  return Add(ObjectIdGetDatum(value));
}

RowValues &RowValues::AddTimestamp(TimestampTz value) {
  return Add(Int64GetDatum(value));
}

RowValues &RowValues::AddIntegers(const std::vector<std::int32_t> &values) {
  const std::int32_t *const first = values.data();
  const auto count = static_cast<int>(values.size());
  return Add(CallPg([=] {
    auto *const elements = static_cast<Datum *>(palloc(sizeof(Datum) * (count + 1)));
    for (int i = 0; i < count; ++i) elements[i] = Int32GetDatum(first[i]);
    return PointerGetDatum(
        construct_array(elements, count, INT4OID, sizeof(std::int32_t), true, TYPALIGN_INT));
  }));
}

RowValues &RowValues::AddName(std::string_view value) {
  const char *const first = value.data();
  const std::size_t length = std::min<std::size_t>(value.size(), NAMEDATALEN - 1);
  return Add(CallPg([=] {
    auto *const name = static_cast<NameData *>(palloc0(NAMEDATALEN));
    memcpy(NameStr(*name), first, length);
    return PointerGetDatum(name);
  }));
}

Datum MakeRecord(FunctionCallInfo fcinfo, const RowValues &row) {
  TupleDesc const columns = CallPg([=] {
    TupleDesc result = nullptr;
    if (get_call_result_type(fcinfo, nullptr, &result) != TYPEFUNC_COMPOSITE) {
      ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                      errmsg("function returning record called in context that cannot accept "
                             "type record")));
    }
    return BlessTupleDesc(result);
  });
  if (static_cast<std::size_t>(columns->natts) != row.columns()) {
    throw Error(ErrorKind::kInternal, "result row does not fit the function's columns");
  }
  const Datum *const values = row.values();
  const bool *const nulls = row.nulls();
  return CallPg([=] {
    return HeapTupleGetDatum(
        heap_form_tuple(columns, const_cast<Datum *>(values), const_cast<bool *>(nulls)));
  });
}

ResultSet::ResultSet(FunctionCallInfo fcinfo) {
  CallPg([=] { InitMaterializedSRF(fcinfo, 0); });
  const auto *const info = reinterpret_cast<const ReturnSetInfo *>(fcinfo->resultinfo);
  store_ = info->setResult;
  columns_ = info->setDesc;
  if (columns_->natts > kMaxColumns) {
    throw Error(ErrorKind::kInternal, "too many result columns");
  }
  MemoryContext const query = info->econtext->ecxt_per_query_memory;
  row_context_ = CallPg(
      [=] { return AllocSetContextCreate(query, "trails result row", ALLOCSET_SMALL_SIZES); });
}

void ResultSet::Put(const RowValues &row) {
  if (static_cast<std::size_t>(columns_->natts) != row.columns()) {
    throw Error(ErrorKind::kInternal, "result row does not fit the function's columns");
  }
  const Datum *const values = row.values();
  const bool *const nulls = row.nulls();
  CallPg([=, this] {
    tuplestore_putvalues(store_, columns_, const_cast<Datum *>(values), const_cast<bool *>(nulls));
  });
}

}  // namespace trails::pg
