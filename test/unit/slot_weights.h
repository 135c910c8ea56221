// What an encoded row means, written down a second time and directly: the weight of every row of
// the embedding table in every field, in double.
//
// May touch: src/kernels/gather_fields.h.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/gather_fields.h"

namespace trails::test {

// Weights of one encoded row, [fields, table_rows]. Field f's vector is the sum over the table's
// rows of weight x row, for the table as it is trained (knots not cumulated).
//
// A number's knots are the cumulative piecewise-linear encoding: knot k counts with the share of
// the bin before it that lies below z, and knot 0 with 1.
inline std::vector<double> SlotWeights(const kernels::FieldPlan &plan, const std::int32_t *ids,
                                       const float *values) {
  std::vector<double> weights(static_cast<std::size_t>(plan.fields) *
                              static_cast<std::size_t>(plan.table_rows));
  const auto at = [&](std::int32_t field, std::int32_t id) -> double & {
    return weights[static_cast<std::size_t>(field) * static_cast<std::size_t>(plan.table_rows) +
                   static_cast<std::size_t>(id)];
  };
  for (std::int32_t c = 0; c < plan.categorical(); ++c) at(plan.categorical_fields[c], ids[c]) = 1;
  for (std::int32_t n = 0; n < plan.numeric(); ++n) {
    const kernels::NumericSlots &slots = plan.numeric_fields[n];
    const double z = values[n];
    if (std::isnan(z)) {
      if (slots.null_id >= 0) at(slots.field, slots.null_id) = 1;
      continue;
    }
    at(slots.field, slots.value_id) = slots.soft_clip ? z / std::sqrt(1 + z * z / 9) : z;
    for (std::int32_t k = 0; k < slots.knots; ++k) {
      const float *const knots = plan.knot_positions.data() + slots.first_knot;
      at(slots.field, slots.first_knot_id + k) =
          k == 0 ? 1.0
                 : std::clamp((z - knots[k - 1]) / (double{knots[k]} - knots[k - 1]), 0.0, 1.0);
    }
  }
  return weights;
}

}  // namespace trails::test
