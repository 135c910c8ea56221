#include "kernels/gather_fields.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/simd.h"

namespace trails::kernels {

namespace {

constexpr std::int32_t kUsualWidth = 10;   // the papers' embedding width; its loops are unrolled
constexpr std::int64_t kPrefetchRows = 8;  // a random row is a cache miss

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

// Fills its outputs one by one: a struct returned by value would be packed through the stack.
inline __attribute__((always_inline)) void Locate(const FieldPlan &plan, const NumericSlots &slots,
                                                  float z, std::int32_t *knot, float *t,
                                                  float *value) {
  *knot = LocatedNumber::kNull;
  *t = *value = 0.0f;
  if (std::isnan(z)) return;
  *value = slots.soft_clip ? z / std::sqrt(1.0f + (z / 3.0f) * (z / 3.0f)) : z;
  *knot = LocatedNumber::kNoKnots;
  if (slots.knots == 0) return;
  const float *knots = plan.knot_positions.data() + slots.first_knot;
  const std::int32_t j = FindKnot(knots, slots.knots, z);
  *knot = slots.first_knot_id + j;
  *t = std::clamp((z - knots[j]) / (knots[j + 1] - knots[j]), 0.0f, 1.0f);
}

// Vectors of the compiler's own kind: of ten numbers in a row it would make ten scalars.
using Eight [[gnu::vector_size(32)]] = float;
using Two [[gnu::vector_size(8)]] = float;

// The ten numbers of a field's vector.
struct Ten {
  Eight low;
  Two high;

  static Ten Load(const float *from) {
    Ten ten;
    std::memcpy(&ten.low, from, sizeof(ten.low));
    std::memcpy(&ten.high, from + 8, sizeof(ten.high));
    return ten;
  }
  void Store(float *to) const {
    std::memcpy(to, &low, sizeof(low));
    std::memcpy(to + 8, &high, sizeof(high));
  }
  friend Ten operator+(const Ten &a, const Ten &b) { return {a.low + b.low, a.high + b.high}; }
  friend Ten operator*(float factor, const Ten &a) { return {factor * a.low, factor * a.high}; }
};
static_assert(kUsualWidth == 10);

// One field's vector, to and from the embedding table. Rows of the table and of the output never
// overlap, which the compiler must be told to vectorise.
inline void CopyRow(const float *__restrict from, float *__restrict to, std::int64_t width) {
  for (std::int64_t w = 0; w < width; ++w) to[w] = from[w];
}

inline void ScaleRow(const float *__restrict from, float factor, float *__restrict to,
                     std::int64_t width) {
  for (std::int64_t w = 0; w < width; ++w) to[w] = factor * from[w];
}

// value * value_row + (1 - t) * low + t * (the row after low).
inline void MixRows(float value, float t, const float *__restrict value_row,
                    const float *__restrict low, float *__restrict to, std::int64_t width) {
  const float *__restrict const high = low + width;
  for (std::int64_t w = 0; w < width; ++w) {
    to[w] = value * value_row[w] + (1.0f - t) * low[w] + t * high[w];
  }
}

template <std::int32_t kWidth>
inline void AddRow(const float *__restrict from, float factor, float *__restrict to,
                   std::int64_t width) {
  if constexpr (kWidth == kUsualWidth) {
    (Ten::Load(to) + factor * Ten::Load(from)).Store(to);
  } else {
    for (std::int64_t w = 0; w < width; ++w) to[w] += factor * from[w];
  }
}

// Asks for all cache lines of a row of `width` numbers.
template <typename Number>
inline void PrefetchRow(const Number *numbers, std::int64_t row, std::int64_t width) {
  constexpr std::int64_t kLine = 64 / sizeof(Number);
  const Number *const first = numbers + row * width;
  for (std::int64_t i = 0; i < width; i += kLine) __builtin_prefetch(first + i);
}

// kWidth = 0: the width is known at run time only.
template <std::int32_t kWidth>
inline __attribute__((always_inline)) void GatherRows(const FieldPlan &plan,
                                                      const std::int32_t *ids, const float *values,
                                                      const std::int32_t *rows, std::int64_t count,
                                                      const float *table, const float *numbers,
                                                      std::int32_t any_width, float *out,
                                                      LocatedNumber *located) {
  const std::int64_t width = kWidth > 0 ? kWidth : any_width;
  const std::int32_t categorical = plan.categorical();
  const std::int32_t numeric = plan.numeric();
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t row = rows == nullptr ? i : rows[i];
    if (rows != nullptr && i + kPrefetchRows < count) {
      const std::int64_t later = rows[i + kPrefetchRows];
      PrefetchRow(ids, later, categorical);
      PrefetchRow(values, later, numeric);
    }
    float *const out_row = out + i * plan.fields * width;
    const std::int32_t *const row_ids = ids + row * categorical;
    for (std::int32_t c = 0; c < categorical; ++c) {
      CopyRow(table + row_ids[c] * width, out_row + plan.categorical_fields[c] * width, width);
    }
    const float *const row_values = values + row * numeric;
    for (std::int32_t n = 0; n < numeric; ++n) {
      const NumericSlots &slots = plan.numeric_fields[n];
      std::int32_t knot;
      float t, value;
      Locate(plan, slots, row_values[n], &knot, &t, &value);
      if (located != nullptr) {
        LocatedNumber *const kept = located + i * numeric + n;
        kept->knot = knot;
        kept->t = t;
        kept->value = value;
      }
      float *const to = out_row + slots.field * width;
      if (knot >= 0) {
        MixRows(value, t, numbers + slots.value_id * width, numbers + knot * width, to, width);
      } else if (knot == LocatedNumber::kNoKnots) {
        ScaleRow(numbers + slots.value_id * width, value, to, width);
      } else if (slots.null_id >= 0) {
        CopyRow(numbers + slots.null_id * width, to, width);
      } else {
        std::fill_n(to, width, 0.0f);
      }
    }
  }
}

template <std::int32_t kWidth>
inline __attribute__((always_inline)) void ScatterRows(
    const FieldPlan &plan, FieldRange range, const std::int32_t *ids, const LocatedNumber *located,
    const std::int32_t *rows, std::int64_t count, const float *out_gradient, std::int32_t any_width,
    float *table_gradient) {
  const std::int64_t width = kWidth > 0 ? kWidth : any_width;
  const std::int32_t categorical = plan.categorical();
  const std::int32_t numeric = plan.numeric();
  const std::int32_t last_category = std::min(range.last, categorical);
  const std::int32_t first_number = std::max(range.first - categorical, 0);
  const std::int32_t last_number = range.last - categorical;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t row = rows == nullptr ? i : rows[i];
    if (rows != nullptr && i + kPrefetchRows < count) {
      PrefetchRow(ids, rows[i + kPrefetchRows], categorical);
    }
    const float *const gradient = out_gradient + i * plan.fields * width;
    const std::int32_t *const row_ids = ids + row * categorical;
    for (std::int32_t c = range.first; c < last_category; ++c) {
      AddRow<kWidth>(gradient + plan.categorical_fields[c] * width, 1.0f,
                     table_gradient + row_ids[c] * width, width);
    }
    for (std::int32_t n = first_number; n < last_number; ++n) {
      const NumericSlots &slots = plan.numeric_fields[n];
      const LocatedNumber at = located[i * numeric + n];
      const float *const from = gradient + slots.field * width;
      if (at.knot == LocatedNumber::kNull) {
        if (slots.null_id >= 0)
          AddRow<kWidth>(from, 1.0f, table_gradient + slots.null_id * width, width);
        continue;
      }
      AddRow<kWidth>(from, at.value, table_gradient + slots.value_id * width, width);
      if (at.knot < 0) continue;
      AddRow<kWidth>(from, 1.0f - at.t, table_gradient + at.knot * width, width);
      AddRow<kWidth>(from, at.t, table_gradient + (at.knot + 1) * width, width);
    }
  }
}

}  // namespace

TRAILS_SIMD void GatherFieldsCpu(const FieldPlan &plan, const std::int32_t *ids,
                                 const float *values, const std::int32_t *rows, std::int64_t count,
                                 const float *table, std::int32_t width, float *out,
                                 LocatedNumber *located, const float *cumulated) {
  const float *const numbers = cumulated == nullptr ? table : cumulated;
  if (width == kUsualWidth) {
    GatherRows<kUsualWidth>(plan, ids, values, rows, count, table, numbers, width, out, located);
  } else {
    GatherRows<0>(plan, ids, values, rows, count, table, numbers, width, out, located);
  }
}

TRAILS_SIMD void ScatterFieldsCpu(const FieldPlan &plan, FieldRange range, const std::int32_t *ids,
                                  const LocatedNumber *located, const std::int32_t *rows,
                                  std::int64_t count, const float *out_gradient, std::int32_t width,
                                  float *table_gradient) {
  if (width == kUsualWidth) {
    ScatterRows<kUsualWidth>(plan, range, ids, located, rows, count, out_gradient, width,
                             table_gradient);
  } else {
    ScatterRows<0>(plan, range, ids, located, rows, count, out_gradient, width, table_gradient);
  }
}

void CumulateKnotsCpu(const FieldPlan &plan, const float *table, std::int32_t width, float *out) {
  for (const NumericSlots &slots : plan.numeric_fields) {
    const auto copy = [&](std::int64_t id) {
      if (out != table) std::copy_n(table + id * width, width, out + id * width);
    };
    copy(slots.value_id);
    if (slots.null_id >= 0) copy(slots.null_id);
    if (slots.knots > 0) copy(slots.first_knot_id);
    for (std::int64_t id = slots.first_knot_id + 1; id < slots.first_knot_id + slots.knots; ++id) {
      const float *const before = out + (id - 1) * width;
      for (std::int64_t w = 0; w < width; ++w)
        out[id * width + w] = table[id * width + w] + before[w];
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
