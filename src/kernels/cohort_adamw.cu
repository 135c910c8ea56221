#include "kernels/adamw.h"
#include "kernels/cohort_adamw.h"
#include "kernels/launch.h"

namespace trails::kernels {

namespace {

// One number of AdamWCpu.
__device__ __forceinline__ void Advance(const CohortStep &step, float shrink, float g, float *p,
                                        float *m, float *v, float *average) {
  *m = kAdamBeta1 * *m + (1.0f - kAdamBeta1) * g;
  *v = kAdamBeta2 * *v + (1.0f - kAdamBeta2) * g * g;
  *p = *p * shrink - step.rate * *m / (sqrtf(*v) * step.spread + kAdamEps);
  *average += step.follow * (*p - *average);
}

// Four numbers a thread: each array is read and written in whole 16-byte pieces.
__global__ void __launch_bounds__(kThreads)
    AdamWKernel(CohortParameters parameters, std::int64_t quads, std::int64_t decaying_quads,
                const CohortStep *present) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= quads) return;
  const CohortStep step = *present;
  const float shrink = i < decaying_quads ? step.shrink : 1.0f;
  const auto at = [i](float *array) { return reinterpret_cast<float4 *>(array) + i; };
  const float4 g = *at(parameters.gradients);
  float4 p = *at(parameters.values), m = *at(parameters.first_moments),
         v = *at(parameters.second_moments), average = *at(parameters.averages);
  Advance(step, shrink, g.x, &p.x, &m.x, &v.x, &average.x);
  Advance(step, shrink, g.y, &p.y, &m.y, &v.y, &average.y);
  Advance(step, shrink, g.z, &p.z, &m.z, &v.z, &average.z);
  Advance(step, shrink, g.w, &p.w, &m.w, &v.w, &average.w);
  *at(parameters.values) = p;
  *at(parameters.first_moments) = m;
  *at(parameters.second_moments) = v;
  *at(parameters.averages) = average;
}

}  // namespace

void CohortAdamWCuda(const CohortParameters &parameters, std::int64_t count, std::int64_t decaying,
                     const CohortStep *step, CUstream_st *stream) {
  if (count == 0) return;
  Launch(AdamWKernel, BlocksFor(count / 4), kThreads, stream, parameters, count / 4, decaying / 4,
         step);
}

}  // namespace trails::kernels
