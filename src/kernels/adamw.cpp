#include "kernels/adamw.h"

#include <cmath>

#include "kernels/simd.h"

namespace trails::kernels {

namespace {
constexpr float kBeta1 = 0.9f;
constexpr float kBeta2 = 0.999f;
constexpr float kEps = 1e-8f;
}  // namespace

TRAILS_SIMD void AdamWCpu(float *parameter, const float *gradient, float *first_moment,
                          float *second_moment, float *average, std::int64_t count,
                          const AdamWStep &step) {
  const auto t = static_cast<double>(step.step);
  const double correction1 = 1.0 - std::pow(static_cast<double>(kBeta1), t);
  const double correction2 = 1.0 - std::pow(static_cast<double>(kBeta2), t);
  const auto rate = static_cast<float>(step.learning_rate / correction1);
  const auto spread = static_cast<float>(1.0 / std::sqrt(correction2));
  const float shrink = 1.0f - step.learning_rate * step.decay;
  const float follow = 1.0f - step.average_decay;
  for (std::int64_t i = 0; i < count; ++i) {
    const float g = gradient[i];
    const float m = kBeta1 * first_moment[i] + (1.0f - kBeta1) * g;
    const float v = kBeta2 * second_moment[i] + (1.0f - kBeta2) * g * g;
    const float p = parameter[i] * shrink - rate * m / (std::sqrt(v) * spread + kEps);
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
