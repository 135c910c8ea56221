// The input of all members of a cohort from the packed table, and its gradient back into their
// embedding tables: GatherFieldsCpu and ScatterFieldsCpu for many networks.
//
// The gradient of an embedding table is summed in fixed point, 64-bit integers of 2^-40: integer
// addition is associative, so any order of any number of threads gives the same bits. A gradient
// beyond +-kMostTableGradient, or none at all, marks its member as diverged: with 2,048 rows a
// sum of smaller ones cannot overflow.
//
// May touch: src/kernels, the CUDA runtime (.cu only). Knows nothing of Torch or PostgreSQL.
#pragma once

#include <cstdint>

#include "kernels/cohort_record.h"
#include "kernels/cohort_shape.h"

struct CUstream_st;

namespace trails::kernels {

inline constexpr float kTableGradientUnits = 0x1p40f;  // in 1
inline constexpr float kMostTableGradient = 2048.0f;

// What the gather keeps of each field for the scatter, fields in the order of the input.
struct CohortSlots {
  // [members, fields, batch]: a category's id; of a number LocatedNumber::knot, or kNoKnots, kNull.
  std::int32_t *ids = nullptr;
  float *weights = nullptr;  // [members, numeric, batch, 2]: LocatedNumber::t and value
};

// knots [members, table_rows, 10] = CumulateKnotsCpu of each table, exactly: rows of numeric fields
// only, others are not touched; knots may be table. Cost: 80 bytes a row of a numeric field.
void CohortCumulateCpu(std::int32_t members, const CardFields &fields, const float *table,
                       float *knots);
void CohortCumulateCuda(std::int32_t members, const CardFields &fields, const float *table,
                        float *knots, CUstream_st *stream);

// input [members, shape.batch, padded_inputs], padded_inputs a multiple of 8 >= 10 fields: the
// fields' vectors, then zeros. records [rows of the table, record_bytes]. Categories are read from
// table, numbers from knots, each [members, table_rows, 10]. slots: filled where given, for the
// scatter. shape.batch may be any number of rows here. Equals GatherFieldsCpu exactly.
// Cost: 4 bytes a number of the input, a record a row and member, 4 bytes a category, 12 a number;
// table and knots from the cache while they fit it.
void CohortGatherCpu(const CohortShape &shape, const CardFields &fields,
                     const unsigned char *records, const CohortRows &rows, const float *table,
                     const float *knots, std::int32_t padded_inputs, float *input,
                     const CohortSlots &slots);
void CohortGatherCuda(const CohortShape &shape, const CardFields &fields,
                      const unsigned char *records, const CohortRows &rows, const float *table,
                      const float *knots, std::int32_t padded_inputs, float *input,
                      const CohortSlots &slots, CUstream_st *stream);

// table_sums [members, table_rows, 10] += the gradient of the gathered rows, each term rounded to
// the nearest unit of 2^-40, halves to even. input_gradient as input. diverged [members]: set to 1
// where a term is beyond the range; that term is left out. shape.batch <= kMostBatchRows.
// Cost: 4 bytes a number of the input's gradient, what the slots have, 16 bytes a touched sum.
void CohortScatterCpu(const CohortShape &shape, const CardFields &fields, const CohortSlots &slots,
                      const float *input_gradient, std::int32_t padded_inputs,
                      std::int64_t *table_sums, std::int32_t *diverged);
void CohortScatterCuda(const CohortShape &shape, const CardFields &fields, const CohortSlots &slots,
                       const float *input_gradient, std::int32_t padded_inputs,
                       std::int64_t *table_sums, std::int32_t *diverged, CUstream_st *stream);

// gradient [members, table_rows, 10] = table_sums, knots' rows as suffix sums over their field
// (CumulateKnotsBackwardCpu, in integers), rounded once to float; table_sums becomes zero.
// Exact. Cost: 20 bytes a number of the table.
void CohortTableGradientCpu(std::int32_t members, const CardFields &fields,
                            std::int64_t *table_sums, float *gradient);
void CohortTableGradientCuda(std::int32_t members, const CardFields &fields,
                             std::int64_t *table_sums, float *gradient, CUstream_st *stream);

}  // namespace trails::kernels
