#include "kernels/adamw.h"

#include <algorithm>
#include <cmath>

#include "kernels/simd.h"

namespace trails::kernels {

float AverageDecay(std::int64_t step) {
  constexpr float kLongestAverage = 0.995f;
  if (step <= 1) return 0.0f;
  const auto t = static_cast<float>(step);
  return std::min(kLongestAverage, (1.0f + t) / (10.0f + t));
}

AdamWFactors FactorsOf(const AdamWStep &step) {
  const auto t = static_cast<double>(step.step);
  const double correction1 = 1.0 - std::pow(static_cast<double>(kAdamBeta1), t);
  const double correction2 = 1.0 - std::pow(static_cast<double>(kAdamBeta2), t);
  return {.rate = static_cast<float>(step.learning_rate / correction1),
          .spread = static_cast<float>(1.0 / std::sqrt(correction2)),
          .shrink = 1.0f - step.learning_rate * step.decay,
          .follow = 1.0f - step.average_decay};
}

TRAILS_SIMD void AdamWCpu(float *parameter, const float *gradient, float *first_moment,
                          float *second_moment, float *average, std::int64_t count,
                          const AdamWStep &step) {
  const auto [rate, spread, shrink, follow] = FactorsOf(step);
  for (std::int64_t i = 0; i < count; ++i) {
    const float g = gradient[i];
    const float m = kAdamBeta1 * first_moment[i] + (1.0f - kAdamBeta1) * g;
    const float v = kAdamBeta2 * second_moment[i] + (1.0f - kAdamBeta2) * g * g;
    const float p = parameter[i] * shrink - rate * m / (std::sqrt(v) * spread + kAdamEps);
    first_moment[i] = m;
    second_moment[i] = v;
    parameter[i] = p;
    average[i] += follow * (p - average[i]);
  }
}

TRAILS_SIMD void AverageCpu(float *average, const float *value, std::int64_t count, float decay) {
  const float follow = 1.0f - decay;
  for (std::int64_t i = 0; i < count; ++i) average[i] += follow * (value[i] - average[i]);
}

}  // namespace trails::kernels
