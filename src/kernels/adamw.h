// AdamW and the exponential moving average of the weights in one pass.
//
//   m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2
//   p = p (1 - lr decay) - lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
//   average = average + (1 - average_decay) (p - average)
//
// Source: Loshchilov, Hutter 2019, as torch.optim.AdamW computes it; the average is ours.
//
// May touch: the C++ standard library. Knows nothing of Torch or PostgreSQL.
#pragma once

#include <cstdint>

namespace trails::kernels {

struct AdamWStep {
  float learning_rate = 0;
  float decay = 0;          // decoupled weight decay, times the learning rate in each step
  float average_decay = 0;  // 0: the average is the parameter itself
  std::int64_t step = 1;    // t, from 1
};

// Updates count parameters and their moments and average in place; all arrays [count].
// Cost: memory-bound, 36 bytes a parameter.
void AdamWCpu(float *parameter, const float *gradient, float *first_moment, float *second_moment,
              float *average, std::int64_t count, const AdamWStep &step);

// average += (1 - decay) (value - average) over [count].
void AverageCpu(float *average, const float *value, std::int64_t count, float decay);

}  // namespace trails::kernels
