#include "kernels/cohort_record.h"

#include <algorithm>
#include <cstring>

namespace trails::kernels {

namespace {

std::int32_t BytesOf(std::int32_t ids) {
  if (ids <= 1 << 8) return 1;
  return ids <= 1 << 16 ? 2 : 4;
}

template <typename Narrow>
void Store(std::int32_t id, unsigned char *to) {
  const auto narrow = static_cast<Narrow>(id);
  std::memcpy(to, &narrow, sizeof(narrow));
}

}  // namespace

RecordLayout::RecordLayout(const FieldPlan &plan, std::span<const FieldIds> categories)
    : table_rows_(plan.table_rows),
      categorical_fields_(plan.categorical_fields),
      slots_(static_cast<std::size_t>(plan.fields)),
      numbers_(plan.numeric_fields),
      knot_positions_(plan.knot_positions) {
  for (std::size_t c = 0; c < categories.size(); ++c) {
    RecordSlot &slot = slots_[static_cast<std::size_t>(plan.categorical_fields[c])];
    slot.ids = categories[c];
    slot.bytes = BytesOf(slot.ids.count);
  }
  for (std::size_t n = 0; n < numbers_.size(); ++n) {
    const NumericSlots &number = numbers_[n];
    RecordSlot &slot = slots_[static_cast<std::size_t>(number.field)];
    slot.number = static_cast<std::int32_t>(n);
    slot.bytes = sizeof(float);
    // Knots, value and NULL lie side by side (Fields::Plan).
    slot.ids.first = number.knots > 0 ? number.first_knot_id : number.value_id;
    slot.ids.count = std::max(number.value_id, number.null_id) + 1 - slot.ids.first;
  }
  for (const std::int32_t bytes : {4, 2, 1}) {
    for (RecordSlot &slot : slots_) {
      if (slot.bytes != bytes) continue;
      slot.offset = record_bytes_;
      record_bytes_ += bytes;
    }
  }
  record_bytes_ = (record_bytes_ + 3) / 4 * 4;
}

CardFields RecordLayout::Host() const noexcept {
  return {.fields = static_cast<std::int32_t>(slots_.size()),
          .numeric = static_cast<std::int32_t>(numbers_.size()),
          .table_rows = table_rows_,
          .record_bytes = record_bytes_,
          .slots = slots_.data(),
          .numbers = numbers_.data(),
          .knot_positions = knot_positions_.data()};
}

void RecordLayout::Pack(const std::int32_t *ids, const float *values, std::int64_t count,
                        unsigned char *records) const {
  const auto categorical = static_cast<std::int64_t>(categorical_fields_.size());
  const auto numeric = static_cast<std::int64_t>(numbers_.size());
  for (std::int64_t row = 0; row < count; ++row) {
    unsigned char *const record = records + row * record_bytes_;
    std::memset(record, 0, static_cast<std::size_t>(record_bytes_));
    for (std::int64_t c = 0; c < categorical; ++c) {
      const RecordSlot &slot =
          slots_[static_cast<std::size_t>(categorical_fields_[static_cast<std::size_t>(c)])];
      const std::int32_t id = ids[row * categorical + c] - slot.ids.first;
      if (slot.bytes == 1) {
        Store<std::uint8_t>(id, record + slot.offset);
      } else if (slot.bytes == 2) {
        Store<std::uint16_t>(id, record + slot.offset);
      } else {
        Store<std::int32_t>(id, record + slot.offset);
      }
    }
    for (std::int64_t n = 0; n < numeric; ++n) {
      const std::int32_t field = numbers_[static_cast<std::size_t>(n)].field;
      std::memcpy(record + slots_[static_cast<std::size_t>(field)].offset,
                  values + row * numeric + n, sizeof(float));
    }
  }
}

}  // namespace trails::kernels
