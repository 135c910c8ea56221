// The averaged weights of all members as networks to predict with, and these networks' passes that
// are no products: Trainer::Fold and PredictRows (core/refinement) for many networks.
//
// May touch: src/kernels, the CUDA runtime (.cu only). Knows nothing of Torch or PostgreSQL.
#pragma once

#include <cstdint>

#include "kernels/cohort_record.h"
#include "kernels/cohort_shape.h"

struct CUstream_st;

namespace trails::kernels {

// folded [members, table_rows, 10] = the averaged tables with the knots' rows cumulated, exactly;
// CohortGather reads it as table and as knots. Cost: 8 bytes a number.
void CohortFoldTableCpu(std::int32_t members, const CardFields &fields, const float *table,
                        float *folded);
void CohortFoldTableCuda(std::int32_t members, const CardFields &fields, const float *table,
                         float *folded, CUstream_st *stream);

// The averages of one hidden layer, [members, padded] but for weight.
struct CohortAverages {
  const float *weight = nullptr;  // [members, padded, inputs]
  const float *gamma = nullptr;
  const float *beta = nullptr;
  const float *mean = nullptr;  // CohortMoments, as var
  const float *var = nullptr;
};

// weight [members, padded, inputs] = the averaged one with the batch norm multiplied in, bias
// [members, padded] its bias. inputs: the padded width below, a multiple of 4. Exact. The output
// layer needs no folding. Cost: 8 bytes a weight.
void CohortFoldLayerCpu(std::int32_t members, std::int32_t padded, std::int32_t inputs,
                        const CohortAverages &averages, float *weight, float *bias);
void CohortFoldLayerCuda(std::int32_t members, std::int32_t padded, std::int32_t inputs,
                         const CohortAverages &averages, float *weight, float *bias,
                         CUstream_st *stream);

// y [members, rows, padded] = max(y + bias, 0), bias [members, padded]: a hidden layer of folded
// networks. padded: a multiple of 4. Exact. Cost: 8 bytes a number.
void CohortBiasReluCpu(std::int32_t members, std::int64_t rows, std::int32_t padded,
                       const float *bias, float *y);
void CohortBiasReluCuda(std::int32_t members, std::int64_t rows, std::int32_t padded,
                        const float *bias, float *y, CUstream_st *stream);

// From logits to predictions, as PredictRows gives them: with outputs = 1
// float(mean + scale * (y + bias)), else the softmax of y + bias. logits [members, rows, outputs],
// bias [members, outputs]. predictions are written where member m's block of rows belongs:
// predictions[m * member_stride + i] for i in [rows, outputs]; member_stride >= rows * outputs.
// Numbers exactly, probabilities within 8e-7 relative. Cost: 8 bytes a logit.
void CohortPredictCpu(std::int32_t members, std::int64_t rows, std::int32_t outputs, double mean,
                      double scale, const float *bias, const float *logits,
                      std::int64_t member_stride, float *predictions);
void CohortPredictCuda(std::int32_t members, std::int64_t rows, std::int32_t outputs, double mean,
                       double scale, const float *bias, const float *logits,
                       std::int64_t member_stride, float *predictions, CUstream_st *stream);

}  // namespace trails::kernels
