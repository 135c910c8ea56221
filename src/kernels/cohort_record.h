// The encoded table as it lies on a card: one packed record a row.
//
// A category is kept relative to its field's first id in 1, 2 or 4 bytes, the fewest that hold all
// of the field's ids, a number as a float (NaN = NULL), each at its natural alignment: first what
// has 4 bytes, then what has 2, then 1; a record is padded to 4 bytes. A random row is then one or
// two sectors of memory instead of one a field.
//
// May touch: src/kernels, the C++ standard library.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/gather_fields.h"

namespace trails::kernels {

// The ids of one field: rows first .. first + count - 1 of the embedding table.
struct FieldIds {
  std::int32_t first = 0;
  std::int32_t count = 0;
};

// Where a field is in a record.
struct RecordSlot {
  std::int32_t number = -1;  // index into the numeric fields; -1: a category
  std::int32_t offset = 0;   // bytes from the record's start
  std::int32_t bytes = 0;    // 1, 2 or 4
  FieldIds ids;              // of a number: its knots, value and NULL
};

// Where everything is, in plain arrays: of host memory for the twins, of device memory for the
// kernels. All pointers belong to the caller.
struct CardFields {
  std::int32_t fields = 0;
  std::int32_t numeric = 0;
  std::int32_t table_rows = 0;
  std::int32_t record_bytes = 0;          // a multiple of 4
  const RecordSlot *slots = nullptr;      // [fields] in the order of the input
  const NumericSlots *numbers = nullptr;  // [numeric]
  const float *knot_positions = nullptr;
};

// The layout of a table's records; owns what CardFields points to.
class RecordLayout {
 public:
  // categories [plan.categorical()]: the ids of each categorical field (Field::first_id, ids).
  RecordLayout(const FieldPlan &plan, std::span<const FieldIds> categories);

  std::int32_t record_bytes() const noexcept { return record_bytes_; }
  const std::vector<RecordSlot> &slots() const noexcept { return slots_; }
  const std::vector<NumericSlots> &numbers() const noexcept { return numbers_; }
  const std::vector<float> &knot_positions() const noexcept { return knot_positions_; }
  // Of this object's own arrays: for the twins. The cohort uploads slots(), numbers() and
  // knot_positions() and points a copy to them.
  CardFields Host() const noexcept;

  // records [count, record_bytes] of ids [count, categorical] and values [count, numeric], of rows
  // that follow one another; padding is zeroed. Cost: some 2 ns a slot.
  void Pack(const std::int32_t *ids, const float *values, std::int64_t count,
            unsigned char *records) const;

 private:
  std::int32_t table_rows_ = 0;
  std::int32_t record_bytes_ = 0;
  std::vector<std::int32_t> categorical_fields_;  // FieldPlan's
  std::vector<RecordSlot> slots_;
  std::vector<NumericSlots> numbers_;
  std::vector<float> knot_positions_;
};

}  // namespace trails::kernels
