#include "kernels/gather_fields.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/simd.h"

namespace trails::kernels {

namespace {

constexpr std::int32_t kUsualWidth = 10;   // the papers' embedding width; its loops are unrolled
constexpr std::int64_t kPrefetchRows = 8;  // a random row is a cache miss

constexpr int kLanes = 8;                  // numbers that are located together
constexpr std::int64_t kChunkRows = 128;   // of which the output stays in a core's cache
constexpr std::int32_t kMostKnots = 192;   // that are searched for all lanes at once
constexpr float kNoPositions[2] = {0, 0};  // looked at where no field has knots, to no effect

// Vectors of the compiler's own kind, which become as many of the machine's as it takes.
using FloatLanes [[gnu::vector_size(4 * kLanes)]] = float;
using IntLanes [[gnu::vector_size(4 * kLanes)]] = std::int32_t;

// The slots of up to kLanes numeric fields, as the lanes of vectors; lanes that are left over
// repeat the last field.
struct NumericLanes {
  std::int32_t fields;
  std::int32_t source[kLanes];  // of the fields' numbers, from the first of them on
  std::int32_t first_knot[kLanes], intervals[kLanes], first_knot_id[kLanes], soft_clip[kLanes];
  const float *positions;
  std::int32_t inner_knots = 0;  // of the field with most; 0 where they are not laid out in lanes
  FloatLanes inner[kMostKnots];  // knots but the first and last, infinity beyond a field's last

  NumericLanes(const FieldPlan &plan, std::int32_t first, std::int64_t rows)
      : fields(std::min(kLanes, plan.numeric() - first)) {
    positions = plan.knot_positions.empty() ? kNoPositions : plan.knot_positions.data();
    std::int32_t most = 0;
    for (std::int32_t l = 0; l < kLanes; ++l) {
      source[l] = std::min(l, fields - 1);
      const NumericSlots &slots = plan.numeric_fields[first + source[l]];
      intervals[l] = std::max(slots.knots - 1, 0);
      first_knot[l] = slots.knots > 0 ? slots.first_knot : 0;
      first_knot_id[l] = slots.first_knot_id;
      soft_clip[l] = slots.soft_clip ? 1 : 0;
      most = std::max(most, intervals[l] - 1);
    }
    // Not worth it for a few rows.
    if (most > kMostKnots || rows < kLanes) return;
    inner_knots = most;
    for (std::int32_t k = 0; k < most; ++k) {
      for (int l = 0; l < kLanes; ++l) {
        inner[k][l] = k + 1 < intervals[l] ? positions[first_knot[l] + k + 1]
                                           : std::numeric_limits<float>::infinity();
      }
    }
  }
};

struct LocatedLanes {
  std::int32_t knot[kLanes];
  float t[kLanes], value[kLanes];
};

// The last knots at or below z, from 0: as many as there are knots between the first and the last
// that are not above z. Counting all of them needs no branch, whose outcome would be as good as
// random.
inline __attribute__((always_inline)) void FindKnots(const NumericLanes &lanes, const float *z,
                                                     std::int32_t *knots) {
  if (lanes.inner_knots > 0) {
    FloatLanes of;
    std::memcpy(&of, z, sizeof(of));
    IntLanes below = {};
    for (std::int32_t k = 0; k < lanes.inner_knots; ++k) below -= lanes.inner[k] <= of;
    std::memcpy(knots, &below, sizeof(below));
    return;
  }
  for (int l = 0; l < kLanes; ++l) {
    const float *const positions = lanes.positions + lanes.first_knot[l];
    knots[l] = 0;
    for (std::int32_t k = 1; k < lanes.intervals[l]; ++k) knots[l] += positions[k] <= z[l] ? 1 : 0;
  }
}

inline __attribute__((always_inline)) void Locate(const NumericLanes &lanes, const float *z,
                                                  LocatedLanes *out) {
  std::int32_t first[kLanes];
  FindKnots(lanes, z, first);
  for (int l = 0; l < kLanes; ++l) first[l] += lanes.first_knot[l];
  // Without a branch, so that the lanes become vectors.
  for (int l = 0; l < kLanes; ++l) {
    const float low = lanes.positions[first[l]];
    const float high = lanes.positions[first[l] + 1];
    const bool null = std::isnan(z[l]);
    const bool knots = lanes.intervals[l] > 0;
    float t = (z[l] - low) / (high - low);
    t = t < 0.0f ? 0.0f : t;
    t = t > 1.0f ? 1.0f : t;
    out->t[l] = null || !knots ? 0.0f : t;
    const float clipped = z[l] / std::sqrt(1.0f + (z[l] / 3.0f) * (z[l] / 3.0f));
    const float value = lanes.soft_clip[l] != 0 ? clipped : z[l];
    out->value[l] = null ? 0.0f : value;
    const std::int32_t knot =
        knots ? lanes.first_knot_id[l] + first[l] - lanes.first_knot[l] : LocatedNumber::kNoKnots;
    out->knot[l] = null ? LocatedNumber::kNull : knot;
  }
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
template <std::int32_t kWidth>
inline void CopyRow(const float *__restrict from, float *__restrict to, std::int64_t width) {
  if constexpr (kWidth == kUsualWidth) {
    Ten::Load(from).Store(to);
  } else {
    for (std::int64_t w = 0; w < width; ++w) to[w] = from[w];
  }
}

template <std::int32_t kWidth>
inline void AddRow(const float *__restrict from, float *__restrict to, std::int64_t width) {
  if constexpr (kWidth == kUsualWidth) {
    (Ten::Load(to) + Ten::Load(from)).Store(to);
  } else {
    for (std::int64_t w = 0; w < width; ++w) to[w] += from[w];
  }
}

template <std::int32_t kWidth>
inline void AddScaledRow(const float *__restrict from, float factor, float *__restrict to,
                         std::int64_t width) {
  if constexpr (kWidth == kUsualWidth) {
    (Ten::Load(to) + factor * Ten::Load(from)).Store(to);
  } else {
    for (std::int64_t w = 0; w < width; ++w) to[w] += factor * from[w];
  }
}

template <std::int32_t kWidth>
inline void ScaleRow(const float *__restrict from, float factor, float *__restrict to,
                     std::int64_t width) {
  if constexpr (kWidth == kUsualWidth) {
    (factor * Ten::Load(from)).Store(to);
  } else {
    for (std::int64_t w = 0; w < width; ++w) to[w] = factor * from[w];
  }
}

// value * value_row + (1 - t) * low + t * (the row after low).
template <std::int32_t kWidth>
inline void MixRows(float value, float t, const float *__restrict value_row,
                    const float *__restrict low, float *__restrict to, std::int64_t width) {
  const float *__restrict const high = low + width;
  if constexpr (kWidth == kUsualWidth) {
    (value * Ten::Load(value_row) + (1.0f - t) * Ten::Load(low) + t * Ten::Load(high)).Store(to);
  } else {
    for (std::int64_t w = 0; w < width; ++w) {
      to[w] = value * value_row[w] + (1.0f - t) * low[w] + t * high[w];
    }
  }
}

// Asks for all cache lines of a row of `width` numbers.
template <typename Number>
inline void PrefetchRow(const Number *numbers, std::int64_t row, std::int64_t width) {
  constexpr std::int64_t kLine = 64 / sizeof(Number);
  const Number *const first = numbers + row * width;
  for (std::int64_t i = 0; i < width; i += kLine) __builtin_prefetch(first + i);
}

// What a gather reads and writes, from the first of its rows on.
struct Gathered {
  const FieldPlan &plan;
  const std::int32_t *ids;
  const float *values;
  const std::int32_t *rows;
  const float *table;
  const float *numbers;  // the table of the numeric fields
  float *out;
  LocatedNumber *located;

  std::int64_t Row(std::int64_t i) const { return rows == nullptr ? i : rows[i]; }
};

// kWidth = 0: the width is known at run time only.
template <std::int32_t kWidth>
inline __attribute__((always_inline)) void GatherCategories(const Gathered &g, std::int64_t first,
                                                            std::int64_t last, std::int64_t width) {
  const std::int32_t categorical = g.plan.categorical();
  const std::int32_t *const fields = g.plan.categorical_fields.data();
  for (std::int64_t i = first; i < last; ++i) {
    if (g.rows != nullptr && i + kPrefetchRows < last) {
      const std::int64_t later = g.rows[i + kPrefetchRows];
      PrefetchRow(g.ids, later, categorical);
      PrefetchRow(g.values, later, g.plan.numeric());
    }
    float *const out_row = g.out + i * g.plan.fields * width;
    const std::int32_t *const row_ids = g.ids + g.Row(i) * categorical;
    for (std::int32_t c = 0; c < categorical; ++c) {
      CopyRow<kWidth>(g.table + row_ids[c] * width, out_row + fields[c] * width, width);
    }
  }
}

template <std::int32_t kWidth>
inline __attribute__((always_inline)) void GatherNumbers(const Gathered &g,
                                                         const NumericLanes &lanes,
                                                         std::int32_t first_number,
                                                         std::int64_t first, std::int64_t last,
                                                         std::int64_t width) {
  const std::int32_t numeric = g.plan.numeric();
  for (std::int64_t i = first; i < last; ++i) {
    const float *const numbers = g.values + g.Row(i) * numeric + first_number;
    float z[kLanes];
    if (lanes.fields == kLanes) {
      std::memcpy(z, numbers, sizeof(z));
    } else {
      for (int l = 0; l < kLanes; ++l) z[l] = numbers[lanes.source[l]];
    }
    LocatedLanes at;
    Locate(lanes, z, &at);
    float *const out_row = g.out + i * g.plan.fields * width;
    for (std::int32_t l = 0; l < lanes.fields; ++l) {
      const NumericSlots &slots = g.plan.numeric_fields[first_number + l];
      float *const to = out_row + slots.field * width;
      if (at.knot[l] >= 0) {
        MixRows<kWidth>(at.value[l], at.t[l], g.numbers + slots.value_id * width,
                        g.numbers + at.knot[l] * width, to, width);
      } else if (at.knot[l] == LocatedNumber::kNoKnots) {
        ScaleRow<kWidth>(g.numbers + slots.value_id * width, at.value[l], to, width);
      } else if (slots.null_id >= 0) {
        CopyRow<kWidth>(g.numbers + slots.null_id * width, to, width);
      } else {
        std::fill_n(to, width, 0.0f);
      }
    }
    if (g.located == nullptr) continue;
    LocatedNumber *const kept = g.located + i * numeric + first_number;
    for (std::int32_t l = 0; l < lanes.fields; ++l) {
      kept[l] = {at.knot[l], at.t[l], at.value[l]};
    }
  }
}

template <std::int32_t kWidth>
inline __attribute__((always_inline)) void GatherRows(const Gathered &g, std::int64_t count,
                                                      std::int64_t any_width) {
  const std::int64_t width = kWidth > 0 ? kWidth : any_width;
  for (std::int64_t first = 0; first < count; first += kChunkRows) {
    const std::int64_t last = std::min(first + kChunkRows, count);
    GatherCategories<kWidth>(g, first, last, width);
    const std::int32_t numeric = g.plan.numeric();
    for (std::int32_t n = 0; n < numeric; n += kLanes) {
      // The last lanes may repeat fields of those before, to the same values.
      const std::int32_t from = std::max(std::min(n, numeric - kLanes), 0);
      GatherNumbers<kWidth>(g, NumericLanes(g.plan, from, last - first), from, first, last, width);
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
      AddRow<kWidth>(gradient + plan.categorical_fields[c] * width,
                     table_gradient + row_ids[c] * width, width);
    }
    for (std::int32_t n = first_number; n < last_number; ++n) {
      const NumericSlots &slots = plan.numeric_fields[n];
      const LocatedNumber at = located[i * numeric + n];
      const float *const from = gradient + slots.field * width;
      if (at.knot == LocatedNumber::kNull) {
        if (slots.null_id >= 0) AddRow<kWidth>(from, table_gradient + slots.null_id * width, width);
        continue;
      }
      AddScaledRow<kWidth>(from, at.value, table_gradient + slots.value_id * width, width);
      if (at.knot < 0) continue;
      AddScaledRow<kWidth>(from, 1.0f - at.t, table_gradient + at.knot * width, width);
      AddScaledRow<kWidth>(from, at.t, table_gradient + (at.knot + 1) * width, width);
    }
  }
}

}  // namespace

TRAILS_SIMD void GatherFieldsCpu(const FieldPlan &plan, const std::int32_t *ids,
                                 const float *values, const std::int32_t *rows, std::int64_t count,
                                 const float *table, std::int32_t width, float *out,
                                 LocatedNumber *located, const float *cumulated) {
  const Gathered gathered{
      plan, ids, values, rows, table, cumulated == nullptr ? table : cumulated, out, located};
  if (width == kUsualWidth) {
    GatherRows<kUsualWidth>(gathered, count, width);
  } else {
    GatherRows<0>(gathered, count, width);
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
