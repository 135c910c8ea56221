#include "kernels/gather_fields.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/simd.h"

namespace trails::kernels {

namespace {

constexpr std::int32_t kUsualWidth = 10;  // the papers' embedding width; its loops are unrolled

// The last knot at or below z, in 0 .. knots - 2. Written without branches: the outcome of each
// comparison is as good as random.
inline std::int32_t FindKnot(const float *knots, std::int32_t count, float z) {
  std::int32_t first = 0;
  std::int32_t left = count - 1;  // candidates first .. first + left - 1
  while (left > 1) {
    const std::int32_t half = left / 2;
    first += knots[first + half] <= z ? half : 0;
    left -= half;
  }
  return first;
}

inline LocatedNumber Locate(const FieldPlan &plan, const NumericSlots &slots, float z) {
  LocatedNumber located;
  if (std::isnan(z)) {
    located.is_null = true;
    return located;
  }
  located.value = slots.soft_clip ? z / std::sqrt(1.0f + (z / 3.0f) * (z / 3.0f)) : z;
  if (slots.knots == 0) return located;
  const float *knots = plan.knot_positions.data() + slots.first_knot;
  const std::int32_t j = FindKnot(knots, slots.knots, z);
  const float t = (z - knots[j]) / (knots[j + 1] - knots[j]);
  located.knot = slots.first_knot_id + j;
  located.t = std::clamp(t, 0.0f, 1.0f);
  return located;
}

// kWidth = 0: the width is known at run time only.
template <std::int32_t kWidth>
inline __attribute__((always_inline)) void GatherRows(const FieldPlan &plan,
                                                      const std::int32_t *ids, const float *values,
                                                      const std::int32_t *rows, std::int64_t count,
                                                      const float *table, std::int32_t any_width,
                                                      float *out, LocatedNumber *located) {
  const std::int64_t width = kWidth > 0 ? kWidth : any_width;
  const std::int32_t categorical = plan.categorical();
  const std::int32_t numeric = plan.numeric();
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t row = rows == nullptr ? i : rows[i];
    float *const out_row = out + i * plan.fields * width;
    const std::int32_t *const row_ids = ids + row * categorical;
    for (std::int32_t c = 0; c < categorical; ++c) {
      const float *const from = table + row_ids[c] * width;
      float *const to = out_row + plan.categorical_fields[c] * width;
      for (std::int64_t w = 0; w < width; ++w) to[w] = from[w];
    }
    const float *const row_values = values + row * numeric;
    for (std::int32_t n = 0; n < numeric; ++n) {
      const NumericSlots &slots = plan.numeric_fields[n];
      const float z = row_values[n];
      const LocatedNumber at = Locate(plan, slots, z);
      if (located != nullptr) located[i * numeric + n] = at;
      float *const to = out_row + slots.field * width;
      if (at.is_null) {
        if (slots.null_id < 0) {
          for (std::int64_t w = 0; w < width; ++w) to[w] = 0.0f;
        } else {
          const float *const null_row = table + slots.null_id * width;
          for (std::int64_t w = 0; w < width; ++w) to[w] = null_row[w];
        }
        continue;
      }
      const float *const value_row = table + slots.value_id * width;
      if (at.knot < 0) {
        for (std::int64_t w = 0; w < width; ++w) to[w] = at.value * value_row[w];
        continue;
      }
      const float *const low = table + at.knot * width;
      const float *const high = low + width;
      for (std::int64_t w = 0; w < width; ++w) {
        to[w] = at.value * value_row[w] + (1.0f - at.t) * low[w] + at.t * high[w];
      }
    }
  }
}

template <std::int32_t kWidth>
inline __attribute__((always_inline)) void ScatterRows(
    const FieldPlan &plan, const std::int32_t *ids, const LocatedNumber *located,
    const std::int32_t *rows, std::int64_t count, const float *out_gradient, std::int32_t any_width,
    float *table_gradient) {
  const std::int64_t width = kWidth > 0 ? kWidth : any_width;
  const std::int32_t categorical = plan.categorical();
  const std::int32_t numeric = plan.numeric();
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t row = rows == nullptr ? i : rows[i];
    const float *const gradient = out_gradient + i * plan.fields * width;
    const std::int32_t *const row_ids = ids + row * categorical;
    for (std::int32_t c = 0; c < categorical; ++c) {
      float *const to = table_gradient + row_ids[c] * width;
      const float *const from = gradient + plan.categorical_fields[c] * width;
      for (std::int64_t w = 0; w < width; ++w) to[w] += from[w];
    }
    for (std::int32_t n = 0; n < numeric; ++n) {
      const NumericSlots &slots = plan.numeric_fields[n];
      const LocatedNumber at = located[i * numeric + n];
      const float *const from = gradient + slots.field * width;
      if (at.is_null) {
        if (slots.null_id < 0) continue;
        float *const to = table_gradient + slots.null_id * width;
        for (std::int64_t w = 0; w < width; ++w) to[w] += from[w];
        continue;
      }
      float *const value_row = table_gradient + slots.value_id * width;
      for (std::int64_t w = 0; w < width; ++w) value_row[w] += at.value * from[w];
      if (at.knot < 0) continue;
      float *const low = table_gradient + at.knot * width;
      float *const high = low + width;
      for (std::int64_t w = 0; w < width; ++w) low[w] += (1.0f - at.t) * from[w];
      for (std::int64_t w = 0; w < width; ++w) high[w] += at.t * from[w];
    }
  }
}

}  // namespace

TRAILS_SIMD void GatherFieldsCpu(const FieldPlan &plan, const std::int32_t *ids,
                                 const float *values, const std::int32_t *rows, std::int64_t count,
                                 const float *table, std::int32_t width, float *out,
                                 LocatedNumber *located) {
  if (width == kUsualWidth) {
    GatherRows<kUsualWidth>(plan, ids, values, rows, count, table, width, out, located);
  } else {
    GatherRows<0>(plan, ids, values, rows, count, table, width, out, located);
  }
}

TRAILS_SIMD void ScatterFieldsCpu(const FieldPlan &plan, const std::int32_t *ids,
                                  const LocatedNumber *located, const std::int32_t *rows,
                                  std::int64_t count, const float *out_gradient, std::int32_t width,
                                  float *table_gradient) {
  if (width == kUsualWidth) {
    ScatterRows<kUsualWidth>(plan, ids, located, rows, count, out_gradient, width, table_gradient);
  } else {
    ScatterRows<0>(plan, ids, located, rows, count, out_gradient, width, table_gradient);
  }
}

void CumulateKnotsCpu(const FieldPlan &plan, const float *table, std::int32_t width, float *out) {
  if (out != table) {
    std::memcpy(out, table, sizeof(float) * static_cast<std::size_t>(plan.table_rows) * width);
  }
  for (const NumericSlots &slots : plan.numeric_fields) {
    for (std::int64_t k = 1; k < slots.knots; ++k) {
      float *const to = out + (slots.first_knot_id + k) * width;
      for (std::int64_t w = 0; w < width; ++w) to[w] += to[w - width];
    }
  }
}

void CumulateKnotsBackwardCpu(const FieldPlan &plan, std::int32_t width, float *table_gradient) {
  for (const NumericSlots &slots : plan.numeric_fields) {
    for (std::int64_t k = slots.knots - 2; k >= 0; --k) {
      float *const to = table_gradient + (slots.first_knot_id + k) * width;
      for (std::int64_t w = 0; w < width; ++w) to[w] += to[w + width];
    }
  }
}

}  // namespace trails::kernels
