// Begins a step of a cohort: counts it, and computes what all its kernels need of its number.
//
// May touch: the CUDA runtime (.cu only). Knows nothing of Torch or PostgreSQL.
#pragma once

#include <cstdint>

#include "kernels/cohort_shape.h"

struct CUstream_st;

namespace trails::kernels {

struct CohortStepOptions {
  std::int32_t members = 0;
  std::int32_t hidden = 0;  // layers, 0 or more
  std::int64_t steps_per_epoch = 1;
  float learning_rate = 0;
  float weight_decay = 0;
};

// With s = step->steps, the steps done: position = s mod steps_per_epoch, the rest of *step is that
// of AdamW's step t = s + 1 (FactorsOf and AverageDecay of kernels/adamw.h are the specification:
// rate and spread within 1 ulp, the rest exactly), and step->steps becomes s + 1.
// dropout_seeds [hidden, members]: those of layer l are the lower 32 bits of draw l of
// RandomStream(seed + s * 0x9E3779B9), as Trainer::ComputeGradients draws them. seeds [members]:
// TrainerOptions::seed. All in device memory, queued on `stream`. Throws Error(kDevice).
// Cost: one block.
void CohortBeginStepCuda(const CohortStepOptions &options, const std::uint64_t *seeds,
                         CohortStep *step, std::uint32_t *dropout_seeds, CUstream_st *stream);

}  // namespace trails::kernels
