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

inline constexpr float kAdamBeta1 = 0.9f;
inline constexpr float kAdamBeta2 = 0.999f;
inline constexpr float kAdamEps = 1e-8f;

// The decay of the moving average after mini-batch `step`, from 1: it follows closely at first,
// then over the last 200 mini-batches or so (docs/architecture.md, "Training recipe").
float AverageDecay(std::int64_t step);

// What a step is to each parameter.
struct AdamWFactors {
  float rate;    // learning_rate / (1 - b1^t)
  float spread;  // 1 / sqrt(1 - b2^t)
  float shrink;  // 1 - learning_rate * decay
  float follow;  // 1 - average_decay
};
AdamWFactors FactorsOf(const AdamWStep &step);

// Updates count parameters and their moments and average in place; all arrays [count].
// Cost: memory-bound, 36 bytes a parameter.
void AdamWCpu(float *parameter, const float *gradient, float *first_moment, float *second_moment,
              float *average, std::int64_t count, const AdamWStep &step);

// average += (1 - decay) (value - average) over [count].
void AverageCpu(float *average, const float *value, std::int64_t count, float decay);

}  // namespace trails::kernels
