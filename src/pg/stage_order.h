// The rows that a stage's queries give, put in order by row_id. Each is checked when it comes, so
// that queries that multiply rows are stopped at the first one that does.
//
// May touch: src/core/intermediates, PostgreSQL headers (through bridge.h). Never Torch.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "pg/stage_columns.h"

extern "C" {
#include "utils/tuplesort.h"
}

namespace trails::pg {

class StageOrder {
 public:
  // what: the rows' name in messages. type: theirs, with row_id, a bigint, at that position from 0.
  // input: whose row ids there may be; must outlive this. Throws PgError. Memory: work_mem, then
  // disk, and a bit for each row of the input.
  StageOrder(std::string what, TupleDesc type, int row_id, const StageRows &input);
  ~StageOrder();
  StageOrder(const StageOrder &) = delete;
  StageOrder &operator=(const StageOrder &) = delete;

  // Throws Error(kBadData) for a row_id that is NULL, came before or is none of the input's;
  // PgError. Cost: as a row of a sort; where ids do not ascend a search among the input's.
  void Add(TupleTableSlot *slot);

  // Gives all rows by ascending row_id; to be called once. Throws PgError, on cancel too, and what
  // `use` throws.
  void Give(const std::function<void(TupleTableSlot *)> &use);

 private:
  // Where the id stands in the input. Throws Error(kBadData).
  std::size_t PositionOf(std::int64_t id);

  const int exceptions_ = std::uncaught_exceptions();
  std::string what_;
  TupleDesc type_;
  int row_id_;
  std::vector<std::int64_t> ids_;  // of the input, ascending
  std::vector<bool> has_come_;     // [ids_]
  std::size_t next_ = 0;           // after the last id
  Tuplesortstate *sort_ = nullptr;
};

}  // namespace trails::pg
