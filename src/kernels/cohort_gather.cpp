#include "kernels/cohort_gather.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

namespace trails::kernels {

namespace {

// The plan that `fields` was made of, as far as the CPU's kernels read it.
FieldPlan PlanOf(const CardFields &fields) {
  FieldPlan plan;
  plan.fields = fields.fields;
  plan.table_rows = fields.table_rows;
  for (std::int32_t f = 0; f < fields.fields; ++f) {
    if (fields.slots[f].number < 0) plan.categorical_fields.push_back(f);
  }
  plan.numeric_fields.assign(fields.numbers, fields.numbers + fields.numeric);
  std::int32_t positions = 0;
  for (const NumericSlots &number : plan.numeric_fields) {
    positions = std::max(positions, number.first_knot + number.knots);
  }
  plan.knot_positions.assign(fields.knot_positions, fields.knot_positions + positions);
  return plan;
}

template <typename T>
T Load(const unsigned char *from) {
  T value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

std::int32_t IdAt(const RecordSlot &slot, const unsigned char *record) {
  const unsigned char *const from = record + slot.offset;
  if (slot.bytes == 1) return slot.ids.first + Load<std::uint8_t>(from);
  if (slot.bytes == 2) return slot.ids.first + Load<std::uint16_t>(from);
  return slot.ids.first + Load<std::int32_t>(from);
}

// The encoded rows of a mini-batch, as GatherFieldsCpu takes them.
struct EncodedBatch {
  std::vector<std::int32_t> ids;
  std::vector<float> values;
};

EncodedBatch Unpack(const CardFields &fields, const FieldPlan &plan, const unsigned char *records,
                    const std::int32_t *rows, std::int64_t count) {
  EncodedBatch batch;
  for (std::int64_t b = 0; b < count; ++b) {
    const unsigned char *const record = records + std::int64_t{rows[b]} * fields.record_bytes;
    for (const std::int32_t field : plan.categorical_fields) {
      batch.ids.push_back(IdAt(fields.slots[field], record));
    }
    for (const NumericSlots &number : plan.numeric_fields) {
      batch.values.push_back(Load<float>(record + fields.slots[number.field].offset));
    }
  }
  return batch;
}

// What the CPU's gather found, member `member`'s rows, as the scatter reads it.
void KeepSlots(const CohortShape &shape, const CardFields &fields, const FieldPlan &plan,
               const EncodedBatch &batch, const std::vector<LocatedNumber> &located,
               std::int64_t member, const CohortSlots &slots) {
  const auto at = [&](std::int64_t of, std::int64_t field, std::int64_t b) {
    return (member * of + field) * shape.batch + b;
  };
  for (std::int64_t b = 0; b < shape.batch; ++b) {
    for (std::int32_t c = 0; c < plan.categorical(); ++c) {
      const std::int32_t field = plan.categorical_fields[static_cast<std::size_t>(c)];
      slots.ids[at(fields.fields, field, b)] =
          batch.ids[static_cast<std::size_t>(b * plan.categorical() + c)];
    }
    for (std::int32_t n = 0; n < plan.numeric(); ++n) {
      const LocatedNumber &number = located[static_cast<std::size_t>(b * plan.numeric() + n)];
      const std::int32_t field = plan.numeric_fields[static_cast<std::size_t>(n)].field;
      slots.ids[at(fields.fields, field, b)] = number.knot;
      float *const weights = slots.weights + 2 * at(fields.numeric, n, b);
      weights[0] = number.t;
      weights[1] = number.value;
    }
  }
}

// Adds up one member's terms in units.
class FixedSums {
 public:
  FixedSums(std::int64_t *table, std::int32_t *diverged) : table_(table), diverged_(diverged) {}

  // Adds factor times gradient [kCohortWidth] to row `id`.
  void Add(std::int32_t id, const float *gradient, float factor) {
    for (int w = 0; w < kCohortWidth; ++w) {
      const float term = factor * gradient[w];
      if (std::fabs(term) <= kMostTableGradient) {
        table_[std::int64_t{id} * kCohortWidth + w] += std::llrintf(term * kTableGradientUnits);
      } else {
        *diverged_ = 1;
      }
    }
  }

 private:
  std::int64_t *table_;
  std::int32_t *diverged_;
};

}  // namespace

void CohortCumulateCpu(std::int32_t members, const CardFields &fields, const float *table,
                       float *knots) {
  const FieldPlan plan = PlanOf(fields);
  const std::int64_t numbers = std::int64_t{fields.table_rows} * kCohortWidth;
  for (std::int64_t m = 0; m < members; ++m) {
    CumulateKnotsCpu(plan, table + m * numbers, kCohortWidth, knots + m * numbers);
  }
}

void CohortGatherCpu(const CohortShape &shape, const CardFields &fields,
                     const unsigned char *records, const CohortRows &rows, const float *table,
                     const float *knots, std::int32_t padded_inputs, float *input,
                     const CohortSlots &slots) {
  const FieldPlan plan = PlanOf(fields);
  const std::int64_t numbers = std::int64_t{fields.table_rows} * kCohortWidth;
  const std::int64_t inputs = std::int64_t{fields.fields} * kCohortWidth;
  const std::int64_t first = rows.step == nullptr ? 0 : rows.step->position * shape.batch;
  std::vector<float> gathered(static_cast<std::size_t>(shape.batch * inputs));
  std::vector<LocatedNumber> located(static_cast<std::size_t>(shape.batch) *
                                     static_cast<std::size_t>(plan.numeric()));
  for (std::int64_t m = 0; m < shape.members; ++m) {
    const EncodedBatch batch =
        Unpack(fields, plan, records, rows.rows + m * rows.member_stride + first, shape.batch);
    GatherFieldsCpu(plan, batch.ids.data(), batch.values.data(), nullptr, shape.batch,
                    table + m * numbers, kCohortWidth, gathered.data(), located.data(),
                    knots + m * numbers);
    for (std::int64_t b = 0; b < shape.batch; ++b) {
      float *const row = input + (m * shape.batch + b) * padded_inputs;
      std::copy_n(gathered.data() + b * inputs, inputs, row);
      std::fill(row + inputs, row + padded_inputs, 0.0f);
    }
    if (slots.ids != nullptr) KeepSlots(shape, fields, plan, batch, located, m, slots);
  }
}

void CohortScatterCpu(const CohortShape &shape, const CardFields &fields, const CohortSlots &slots,
                      const float *input_gradient, std::int32_t padded_inputs,
                      std::int64_t *table_sums, std::int32_t *diverged) {
  for (std::int64_t m = 0; m < shape.members; ++m) {
    FixedSums sums(table_sums + m * fields.table_rows * kCohortWidth, diverged + m);
    for (std::int32_t f = 0; f < fields.fields; ++f) {
      const std::int32_t index = fields.slots[f].number;
      const std::int32_t *const ids = slots.ids + (m * fields.fields + f) * shape.batch;
      for (std::int64_t b = 0; b < shape.batch; ++b) {
        const float *const gradient =
            input_gradient + (m * shape.batch + b) * padded_inputs + f * kCohortWidth;
        if (index < 0) {
          sums.Add(ids[b], gradient, 1.0f);
          continue;
        }
        const NumericSlots &number = fields.numbers[index];
        if (ids[b] == LocatedNumber::kNull) {
          if (number.null_id >= 0) sums.Add(number.null_id, gradient, 1.0f);
          continue;
        }
        const float *const weights =
            slots.weights + 2 * ((m * fields.numeric + index) * shape.batch + b);
        sums.Add(number.value_id, gradient, weights[1]);
        if (ids[b] < 0) continue;
        sums.Add(ids[b], gradient, 1.0f - weights[0]);
        sums.Add(ids[b] + 1, gradient, weights[0]);
      }
    }
  }
}

void CohortTableGradientCpu(std::int32_t members, const CardFields &fields,
                            std::int64_t *table_sums, float *gradient) {
  const std::int64_t numbers = std::int64_t{fields.table_rows} * kCohortWidth;
  for (std::int64_t m = 0; m < members; ++m) {
    std::int64_t *const sums = table_sums + m * numbers;
    for (std::int32_t n = 0; n < fields.numeric; ++n) {
      const NumericSlots &number = fields.numbers[n];
      for (std::int64_t k = number.knots - 2; k >= 0; --k) {
        std::int64_t *const to = sums + (number.first_knot_id + k) * kCohortWidth;
        for (std::int64_t w = 0; w < kCohortWidth; ++w) to[w] += to[w + kCohortWidth];
      }
    }
    for (std::int64_t i = 0; i < numbers; ++i) {
      gradient[m * numbers + i] = static_cast<float>(sums[i]) * (1.0f / kTableGradientUnits);
      sums[i] = 0;
    }
  }
}

}  // namespace trails::kernels
