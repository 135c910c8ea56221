// The input of every network: fields as sums over their slots of value x embedding row.
//
// A row of the encoded data is ids [categorical] and values [numeric] (NaN = NULL). Field f of
// the output is `width` floats:
//   categorical:  table[id]
//   numeric:      s(z) * table[value_id] + (1 - t) * table[knot j] + t * table[knot j + 1],
//                 j, t: where z, clipped to the knots, lies between knots j and j + 1;
//                 s(z) = z / sqrt(1 + (z / 3)^2) with soft_clip, else z
//   NULL number:  table[null_id], or zeros where null_id < 0
// The knots' rows must be the cumulated ones (CumulateKnotsCpu), so that the encoding is the
// cumulative piecewise-linear one (docs/architecture.md, "Encodings").
//
// May touch: the C++ standard library. Knows nothing of Torch or PostgreSQL.
#pragma once

#include <cstdint>
#include <vector>

namespace trails::kernels {

// How one numeric value becomes slots. Ids are rows of the embedding table.
struct NumericSlots {
  std::int32_t field = 0;          // position in the output
  std::int32_t first_knot_id = 0;  // rows first_knot_id .. first_knot_id + knots - 1
  std::int32_t knots = 0;          // 0: no piecewise-linear slots; else >= 2
  std::int32_t first_knot = 0;     // knot positions start here in FieldPlan::knot_positions
  std::int32_t value_id = 0;
  std::int32_t null_id = -1;
  bool soft_clip = true;
};

// The layout of a row, for all fields. Made once by Fields::Plan().
struct FieldPlan {
  std::int32_t fields = 0;                       // categorical + numeric
  std::int32_t table_rows = 0;                   // rows of the embedding table
  std::vector<std::int32_t> categorical_fields;  // output position of ids[c]
  std::vector<NumericSlots> numeric_fields;      // of values[n]
  std::vector<float> knot_positions;             // ascending within a field, in units of z

  std::int32_t categorical() const noexcept {
    return static_cast<std::int32_t>(categorical_fields.size());
  }
  std::int32_t numeric() const noexcept { return static_cast<std::int32_t>(numeric_fields.size()); }
};

// Where one numeric value lies: its two knots and weights. Made by the gather for the scatter.
struct LocatedNumber {
  static constexpr std::int32_t kNoKnots = -1;
  static constexpr std::int32_t kNull = -2;

  std::int32_t knot = kNull;  // row of the embedding table, kNoKnots, or kNull
  float t = 0;                // weight of knot + 1; 1 - t is knot's
  float value = 0;            // s(z)
};

// ids [all rows, categorical], values [all rows, numeric], row-major; rows [count] picks rows,
// null picks 0 .. count - 1. table [table_rows, width]; out [count, fields * width] is
// overwritten; located [count, numeric] is filled when given. cumulated, when given, is where the
// rows of numeric fields are read instead, of the layout of table. Cost: 2 to 4 ns a slot of
// width 10.
void GatherFieldsCpu(const FieldPlan &plan, const std::int32_t *ids, const float *values,
                     const std::int32_t *rows, std::int64_t count, const float *table,
                     std::int32_t width, float *out, LocatedNumber *located = nullptr,
                     const float *cumulated = nullptr);

// A run of the categorical fields in their order, then the numeric ones: first .. last - 1. No two
// fields share a row of the embedding table.
struct FieldRange {
  std::int32_t first = 0;
  std::int32_t last = 0;
};

// The transpose, for the fields of `range`: adds the gradient of `out` to table_gradient
// [table_rows, width], in the order of the rows, whatever the range.
// `located` is what the gather of the same rows filled.
void ScatterFieldsCpu(const FieldPlan &plan, FieldRange range, const std::int32_t *ids,
                      const LocatedNumber *located, const std::int32_t *rows, std::int64_t count,
                      const float *out_gradient, std::int32_t width, float *table_gradient);

// out = table in the rows of numeric fields, but each knot's row is the sum of its field's knot
// rows up to it. Rows of categorical fields are not touched; `out` may be `table`.
void CumulateKnotsCpu(const FieldPlan &plan, const float *table, std::int32_t width, float *out);

// The transpose of CumulateKnotsCpu, in place: suffix sums over each field's knots.
void CumulateKnotsBackwardCpu(const FieldPlan &plan, std::int32_t width, float *table_gradient);

}  // namespace trails::kernels
