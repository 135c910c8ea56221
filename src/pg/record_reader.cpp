// May touch: PostgreSQL headers (through bridge.h), include/trails, src/core/data. Never Torch.
#include "pg/record_reader.h"

extern "C" {
#include "access/htup_details.h"
#include "utils/builtins.h"
#include "utils/typcache.h"
}

#include "pg/column_request.h"

namespace trails::pg {

namespace {

std::uint64_t RowTypeId(HeapTupleHeader record) {
  return assign_record_type_identifier(HeapTupleHeaderGetTypeId(record),
                                       HeapTupleHeaderGetTypMod(record));
}

// Position of the attribute of that name, or -1.
int Position(TupleDesc row, const std::string &name) {
  for (int i = 0; i < row->natts; ++i) {
    const FormData_pg_attribute *const column = TupleDescAttr(row, i);
    if (!column->attisdropped && name == NameStr(column->attname)) return i;
  }
  return -1;
}

}  // namespace

RecordReader::RecordReader(std::vector<InputColumn> columns, std::string model)
    : columns_(std::move(columns)),
      model_(std::move(model)),
      sources_(columns_.size()),
      cells_(columns_.size()) {
  CallPg([this] {
    context_ = AllocSetContextCreate(TopMemoryContext, "trails row type", ALLOCSET_SMALL_SIZES);
    row_context_ = AllocSetContextCreate(context_, "trails record", ALLOCSET_SMALL_SIZES);
  });
}

RecordReader::~RecordReader() {
  MemoryContextDelete(context_);
}

std::span<const Cell> RecordReader::Read(HeapTupleHeader record) {
  const bool is_same_type = CallPg([=, this] { return Convert(record); });
  if (!is_same_type) {
    Resolve(record);
    CallPg([=, this] { (void)Convert(record); });
  }
  return cells_;
}

// Written like C. False when the record is of another type than the one resolved.
bool RecordReader::Convert(HeapTupleHeader record) {
  if (row_type_id_ == 0 || RowTypeId(record) != row_type_id_) return false;
  HeapTupleData tuple;
  tuple.t_len = HeapTupleHeaderGetDatumLength(record);
  ItemPointerSetInvalid(&tuple.t_self);
  tuple.t_tableOid = InvalidOid;
  tuple.t_data = record;
  heap_deform_tuple(&tuple, row_type_, values_, nulls_);
  MemoryContextReset(row_context_);
  MemoryContext const caller = MemoryContextSwitchTo(row_context_);
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const Source &source = sources_[i];
    source.reader.Read(values_[source.position], nulls_[source.position], &cells_[i]);
    (void)ConvertKind(source.reader.kind, columns_[i].kind, &cells_[i]);
  }
  MemoryContextSwitchTo(caller);
  return true;
}

void RecordReader::Resolve(HeapTupleHeader record) {
  row_type_id_ = 0;
  CallPg([=, this] {
    MemoryContextReset(context_);  // and with it row_context_, its child, which is deleted
    row_context_ = AllocSetContextCreate(context_, "trails record", ALLOCSET_SMALL_SIZES);
    TupleDesc const shared =
        lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(record), HeapTupleHeaderGetTypMod(record));
    MemoryContext const caller = MemoryContextSwitchTo(context_);
    row_type_ = CreateTupleDescCopy(shared);
    values_ = static_cast<Datum *>(palloc(sizeof(Datum) * row_type_->natts));
    nulls_ = static_cast<bool *>(palloc(sizeof(bool) * row_type_->natts));
    MemoryContextSwitchTo(caller);
    ReleaseTupleDesc(shared);
  });
  for (std::size_t i = 0; i < columns_.size(); ++i) sources_[i] = FindSource(columns_[i]);
  row_type_id_ = CallPg([=] { return RowTypeId(record); });
}

RecordReader::Source RecordReader::FindSource(const InputColumn &input) const {
  Source source;
  source.position = Position(row_type_, input.name);
  const auto trained = [&] {
    return "Model " + Quoted(model_) + " was trained with column " + Quoted(input.name) +
           " of type " + input.sql_type + ".";
  };
  if (source.position < 0) {
    throw Error(ErrorKind::kUndefinedColumn, "the record has no column " + Quoted(input.name),
                trained(), "Pass whole rows, as in predict('model', t) FROM t.");
  }
  const Oid type = TupleDescAttr(row_type_, source.position)->atttypid;
  MemoryContext const context = context_;
  source.reader = CallPg([=] { return ResolveValueReader(type, context); });
  const char *const sql_type = CallPg([=] { return format_type_be(type); });
  if (!source.reader.supported()) {
    throw Error(ErrorKind::kNotSupported,
                "column " + Quoted(input.name) + " of the record is of type " + sql_type +
                    ", which is not supported",
                trained());
  }
  if (!KindsAreConvertible(source.reader.kind, input.kind)) {
    throw Error(ErrorKind::kInvalidArgument,
                "column " + Quoted(input.name) + " of the record is of type " + sql_type +
                    ", which the model cannot use",
                trained(), "Cast it, also where it is a bare NULL or a literal.");
  }
  return source;
}

}  // namespace trails::pg
