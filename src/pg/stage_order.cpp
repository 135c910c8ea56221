#include <fmt/format.h>  // before PostgreSQL redefines fprintf

#include "pg/stage_order.h"

extern "C" {
#include "catalog/pg_operator.h"
#include "executor/executor.h"
#include "miscadmin.h"
}

#include <algorithm>
#include <utility>

namespace trails::pg {

StageOrder::StageOrder(std::string what, TupleDesc type, int row_id, const StageRows &input)
    : what_(std::move(what)), type_(type), row_id_(row_id) {
  for (const StageBlock &block : input.blocks) {
    ids_.insert(ids_.end(), block.row_ids.begin(), block.row_ids.end());
  }
  has_come_.resize(ids_.size(), false);
  sort_ = CallPg([=] {
    AttrNumber key = static_cast<AttrNumber>(row_id + 1);
    Oid less = Int8LessOperator;
    Oid collation = InvalidOid;
    bool nulls_first = false;
    return tuplesort_begin_heap(type, 1, &key, &less, &collation, &nulls_first, work_mem, nullptr,
                                TUPLESORT_NONE);
  });
}

// After an error the (sub)transaction's abort frees what it has.
StageOrder::~StageOrder() {
  if (std::uncaught_exceptions() == exceptions_) tuplesort_end(sort_);
}

std::size_t StageOrder::PositionOf(std::int64_t id) {
  if (next_ >= ids_.size() || ids_[next_] != id) {
    const auto found = std::ranges::lower_bound(ids_, id);
    if (found == ids_.end() || *found != id) {
      throw Error(ErrorKind::kBadData,
                  fmt::format("row_id {} of {} is not one of its input's", id, what_),
                  "A stage may leave rows out, but not invent any.");
    }
    next_ = static_cast<std::size_t>(found - ids_.begin());
  }
  return next_++;
}

void StageOrder::Add(TupleTableSlot *slot) {
  Tuplesortstate *const sort = sort_;
  const int attribute = row_id_ + 1;
  bool is_null = false;
  bool *const null = &is_null;
  const auto id = DatumGetInt64(CallPg([=] {
    tuplesort_puttupleslot(sort, slot);
    return slot_getattr(slot, attribute, null);
  }));
  if (is_null) {
    throw Error(ErrorKind::kBadData, fmt::format("a row of {} has no row_id", what_),
                "A row_id is a number, never NULL.");
  }
  const std::size_t position = PositionOf(id);
  if (has_come_[position]) {
    throw Error(ErrorKind::kBadData, fmt::format("row_id {} comes twice in {}", id, what_),
                "Each row of a stage has a row_id of its own.",
                "Where its query joins, let a row find no more than one other: aggregate the other "
                "side, or pick one with DISTINCT ON.");
  }
  has_come_[position] = true;
}

void StageOrder::Give(const std::function<void(TupleTableSlot *)> &use) {
  Tuplesortstate *const sort = sort_;
  TupleDesc const type = type_;
  TupleTableSlot *const slot = CallPg([=] {
    tuplesort_performsort(sort);
    return MakeSingleTupleTableSlot(type, &TTSOpsMinimalTuple);
  });
  while (CallPg([=] {
    CHECK_FOR_INTERRUPTS();
    return tuplesort_gettupleslot(sort, true, false, slot, nullptr);
  })) {
    use(slot);
  }
  CallPg([=] { ExecDropSingleTupleTableSlot(slot); });
}

}  // namespace trails::pg
