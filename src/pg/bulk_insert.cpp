#include "pg/bulk_insert.h"

extern "C" {
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/objectaddress.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
}

namespace trails::pg {

namespace {

constexpr int kBatch = 500;  // rows; some ten pages, and a few hundred microseconds
constexpr int kMaxColumns = 16;

// Everything of one insertion. Plain data: an ERROR leaves it to the transaction's abort.
struct Insertion {
  Relation relation;
  EState *estate;
  ResultRelInfo *result;
  BulkInsertState bulk;
  TupleTableSlot *slots[kBatch];
  int columns[kMaxColumns];  // index of each given column among the relation's
  MemoryContext batch_context;
};

void FindColumns(const BulkRows &rows, Insertion *insertion) {
  for (int i = 0; i < rows.column_count; ++i) {
    const AttrNumber number = get_attnum(RelationGetRelid(insertion->relation), rows.columns[i]);
    if (number == InvalidAttrNumber) {
      ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
                      errmsg("column \"%s\" of relation \"%s\" does not exist", rows.columns[i],
                             RelationGetRelationName(insertion->relation))));
    }
    insertion->columns[i] = number - 1;
  }
}

void Open(Oid table, const BulkRows &rows, Insertion *insertion) {
  if (pg_class_aclcheck(table, GetUserId(), ACL_INSERT) != ACLCHECK_OK) {
    aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, rows.table);
  }
  insertion->relation = table_open(table, RowExclusiveLock);
  FindColumns(rows, insertion);
  insertion->estate = CreateExecutorState();
  insertion->result = makeNode(ResultRelInfo);
  InitResultRelInfo(insertion->result, insertion->relation, 0, nullptr, 0);
  ExecOpenIndices(insertion->result, false);
  insertion->bulk = GetBulkInsertState();
  for (TupleTableSlot *&slot : insertion->slots)
    slot = table_slot_create(insertion->relation, nullptr);
  insertion->batch_context =
      AllocSetContextCreate(CurrentMemoryContext, "trails bulk insert", ALLOCSET_DEFAULT_SIZES);
}

void FillSlot(const BulkRows &rows, std::int64_t row, const Insertion &insertion,
              TupleTableSlot *slot) {
  Datum values[kMaxColumns];
  bool nulls[kMaxColumns] = {};
  rows.fill(rows.source, row, values, nulls);
  ExecClearTuple(slot);
  for (int i = 0; i < slot->tts_tupleDescriptor->natts; ++i) slot->tts_isnull[i] = true;
  for (int i = 0; i < rows.column_count; ++i) {
    slot->tts_values[insertion.columns[i]] = values[i];
    slot->tts_isnull[insertion.columns[i]] = nulls[i];
  }
  ExecStoreVirtualTuple(slot);
  if (insertion.relation->rd_att->constr != nullptr) {
    ExecConstraints(insertion.result, slot, insertion.estate);
  }
}

void InsertBatch(const BulkRows &rows, std::int64_t first, int count, Insertion *insertion) {
  MemoryContext const before = MemoryContextSwitchTo(insertion->batch_context);
  for (int i = 0; i < count; ++i) FillSlot(rows, first + i, *insertion, insertion->slots[i]);
  table_multi_insert(insertion->relation, insertion->slots, count, GetCurrentCommandId(true), 0,
                     insertion->bulk);
  for (int i = 0; i < count; ++i) {
    (void)ExecInsertIndexTuples(insertion->result, insertion->slots[i], insertion->estate, false,
                                false, nullptr, NIL);
    ExecClearTuple(insertion->slots[i]);
  }
  MemoryContextSwitchTo(before);
  MemoryContextReset(insertion->batch_context);
  ResetPerTupleExprContext(insertion->estate);
  CHECK_FOR_INTERRUPTS();
}

void Close(Insertion *insertion) {
  table_finish_bulk_insert(insertion->relation, 0);
  for (TupleTableSlot *const slot : insertion->slots) ExecDropSingleTupleTableSlot(slot);
  FreeBulkInsertState(insertion->bulk);
  ExecCloseIndices(insertion->result);
  FreeExecutorState(insertion->estate);
  MemoryContextDelete(insertion->batch_context);
  table_close(insertion->relation, NoLock);
  CommandCounterIncrement();
}

}  // namespace

void InsertRows([[maybe_unused]] CatalogSession &catalog, const BulkRows &rows) {
  if (rows.rows == 0) return;
  if (rows.column_count > kMaxColumns) throw Error(ErrorKind::kInternal, "too many columns");
  const Oid table = CatalogTable(rows.table);
  CallPg([&] {
    Insertion insertion;
    Open(table, rows, &insertion);
    for (std::int64_t first = 0; first < rows.rows; first += kBatch) {
      const std::int64_t left = rows.rows - first;
      InsertBatch(rows, first, static_cast<int>(left < kBatch ? left : kBatch), &insertion);
    }
    Close(&insertion);
  });
}

}  // namespace trails::pg
