// AdamW and the moving average over a whole group of a cohort: kernels/adamw.h, with what changes
// from step to step read from device memory.
//
// May touch: src/kernels, the CUDA runtime (.cu only). Knows nothing of Torch or PostgreSQL.
#pragma once

#include <cstdint>

#include "kernels/cohort_shape.h"

struct CUstream_st;

namespace trails::kernels {

// The five flat arrays of a group, of equal layout, each aligned to 16 bytes.
struct CohortParameters {
  float *values = nullptr;
  float *gradients = nullptr;
  float *first_moments = nullptr;
  float *second_moments = nullptr;
  float *averages = nullptr;
};

// One step over all `count` numbers, of which the first `decaying` feel the weight decay; both are
// multiples of 4. The numbers are exactly AdamWCpu's for equal *step.
// Cost: memory-bound, 36 bytes a number.
void CohortAdamWCpu(const CohortParameters &parameters, std::int64_t count, std::int64_t decaying,
                    const CohortStep *step);
void CohortAdamWCuda(const CohortParameters &parameters, std::int64_t count, std::int64_t decaying,
                     const CohortStep *step, CUstream_st *stream);

}  // namespace trails::kernels
