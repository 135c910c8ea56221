// The loss of all members of a cohort and its gradient: kernels/loss.h for many networks, with the
// output layer's bias.
//
// May touch: src/kernels, the CUDA runtime (.cu only). Knows nothing of Torch or PostgreSQL.
#pragma once

#include <cstdint>

#include "kernels/cohort_shape.h"

struct CUstream_st;

namespace trails::kernels {

// Labels of all rows of the table; exactly one pointer is set.
struct CardLabels {
  const std::int32_t *classes = nullptr;  // class index, -1 where there is none
  const float *numbers = nullptr;         // (label - mean) / scale, rounded to float
};

// What the steps leave behind, [members] each, in device memory; zeroed by the host.
struct CohortLosses {
  double *last = nullptr;            // mean loss of the last mini-batch
  double *sum = nullptr;             // of finite losses, before the member diverged
  std::int64_t *steps = nullptr;     // how many of them
  std::int32_t *diverged = nullptr;  // 1 from the first loss on that is no finite number
};

// Numbers (double) of scratch that CohortLossCuda needs; 0 for few outputs.
std::int64_t CohortLossScratch(const CohortShape &shape, std::int32_t outputs) noexcept;

// logits [members, batch, outputs], without the bias, become the gradient of the mean loss with
// respect to the logits in place; bias [members, outputs]; bias_gradient, of its shape, is
// overwritten. Cross entropy for labels.classes (outputs >= 2), else Huber's loss with bend
// [members] (outputs = 1; infinite: the squared error). bend may be null for classes.
// The card's exponential and logarithm differ from the CPU's by ulps: each gradient is within
// 6e-7 / batch, the loss within 1e-6 relative; the gradients of Huber's loss are exact. Sums go
// over a fixed tree: gradients of the bias are within 2e-6 and 1e-5 relative. Cost: 8 bytes a
// logit, up to kFewOutputs outputs one block a member, else two kernels.
void CohortLossCpu(const CohortShape &shape, std::int32_t outputs, const CohortRows &rows,
                   const CardLabels &labels, const float *bend, const float *bias, float *logits,
                   float *bias_gradient, const CohortLosses &losses);
void CohortLossCuda(const CohortShape &shape, std::int32_t outputs, const CohortRows &rows,
                    const CardLabels &labels, const float *bend, const float *bias, float *logits,
                    float *bias_gradient, double *scratch, const CohortLosses &losses,
                    CUstream_st *stream);

}  // namespace trails::kernels
