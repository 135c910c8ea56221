// A random encoded table of fields of all kinds, on the host and on the card.
#pragma once

#include <limits>
#include <vector>

#include "kernels/cohort_record.h"
#include "kernels/cohort_shape.h"
#include "on_card.h"

namespace trails::kernels {

// Categories of one, two and four bytes, numbers with many, two and no knots, with NULL and
// without an id for it, soft-clipped and not; in mixed order.
struct CohortTable {
  CohortTable(std::int64_t rows_of_it, std::uint64_t seed)
      : rows(rows_of_it), plan(MakePlan()), layout(plan, categories) {
    RandomStream random(seed);
    for (std::int64_t row = 0; row < rows; ++row) {
      for (const FieldIds &category : categories) {
        // Half the rows have one of two values, as real columns do.
        const std::int64_t among = random.Below(2) == 0 ? 2 : category.count;
        ids.push_back(category.first + static_cast<std::int32_t>(random.Below(among)));
      }
      for (std::size_t n = 0; n < plan.numeric_fields.size(); ++n) {
        const bool null = random.Below(9) == 0;
        const auto z = static_cast<float>(random.Normal() * (random.Below(20) == 0 ? 100 : 1));
        values.push_back(null ? std::numeric_limits<float>::quiet_NaN() : z);
      }
    }
    records.resize(static_cast<std::size_t>(rows * layout.record_bytes()));
    layout.Pack(ids.data(), values.data(), rows, records.data());
  }

  std::int64_t rows;
  std::vector<FieldIds> categories;
  FieldPlan plan;
  RecordLayout layout;
  std::vector<std::int32_t> ids;
  std::vector<float> values;
  std::vector<unsigned char> records;

 private:
  FieldPlan MakePlan() {
    FieldPlan made;
    const auto category = [&](std::int32_t count) {
      made.categorical_fields.push_back(made.fields++);
      categories.push_back({made.table_rows, count});
      made.table_rows += count;
    };
    const auto number = [&](std::int32_t knots, bool null, bool soft_clip) {
      NumericSlots slots;
      slots.field = made.fields++;
      slots.first_knot_id = made.table_rows;
      slots.knots = knots;
      slots.first_knot = static_cast<std::int32_t>(made.knot_positions.size());
      slots.value_id = made.table_rows + knots;
      slots.null_id = null ? slots.value_id + 1 : -1;
      slots.soft_clip = soft_clip;
      made.table_rows += knots + 1 + (null ? 1 : 0);
      for (std::int32_t k = 0; k < knots; ++k) {
        made.knot_positions.push_back(-2.0f +
                                      4.0f * static_cast<float>(k) / static_cast<float>(knots - 1));
      }
      made.numeric_fields.push_back(slots);
    };
    category(3);
    number(49, true, true);
    category(256);
    category(257);
    number(0, true, false);
    number(2, false, true);
    category(65'537);
    number(0, false, true);
    number(300, true, true);  // more ids than a block's shared memory takes
    return made;
  }
};

// The same on the card.
struct TableOnCard {
  TableOnCard(const CohortTable &table, const CardStream &stream)
      : slots(OnCard(table.layout.slots(), stream)),
        numbers(OnCard(table.layout.numbers(), stream)),
        knot_positions(OnCard(table.layout.knot_positions(), stream)),
        records(OnCard(table.records, stream)),
        fields(table.layout.Host()) {
    fields.slots = slots.data();
    fields.numbers = numbers.data();
    fields.knot_positions = knot_positions.data();
  }

  CardArray<RecordSlot> slots;
  CardArray<NumericSlots> numbers;
  CardArray<float> knot_positions;
  CardArray<unsigned char> records;
  CardFields fields;
};

}  // namespace trails::kernels
