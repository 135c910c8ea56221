#include "kernels/adamw.h"
#include "kernels/card_random.h"
#include "kernels/cohort_step.h"
#include "kernels/launch.h"

namespace trails::kernels {

namespace {

// As AverageDecay.
__device__ float DecayOfAverages(std::int64_t step) {
  if (step <= 1) return 0.0f;
  const auto t = static_cast<float>(step);
  return fminf(0.995f, (1.0f + t) / (10.0f + t));
}

__global__ void BeginStepKernel(CohortStepOptions options, const std::uint64_t *seeds,
                                CohortStep *step, std::uint32_t *dropout_seeds) {
  const std::int64_t done = step->steps;
  __syncthreads();  // before it is advanced
  if (threadIdx.x == 0) {
    const auto t = static_cast<double>(done + 1);
    const double correction1 = 1.0 - pow(static_cast<double>(kAdamBeta1), t);
    const double correction2 = 1.0 - pow(static_cast<double>(kAdamBeta2), t);
    CohortStep next;
    next.steps = done + 1;
    next.position = done % options.steps_per_epoch;
    next.learning_rate = options.learning_rate;
    next.decay = options.weight_decay;
    next.average_decay = DecayOfAverages(done + 1);
    next.rate = static_cast<float>(options.learning_rate / correction1);
    next.spread = static_cast<float>(1.0 / sqrt(correction2));
    next.shrink = 1.0f - options.learning_rate * options.weight_decay;
    next.follow = 1.0f - next.average_decay;
    *step = next;
  }
  const std::int64_t seeds_to_draw = std::int64_t{options.hidden} * options.members;
  for (std::int64_t i = threadIdx.x; i < seeds_to_draw; i += blockDim.x) {
    const std::uint64_t seed = seeds[i % options.members];
    const auto layer = static_cast<std::uint64_t>(i / options.members);
    dropout_seeds[i] = static_cast<std::uint32_t>(
        DrawOf(seed + static_cast<std::uint64_t>(done) * 0x9E3779B9ULL, layer));
  }
}

}  // namespace

void CohortBeginStepCuda(const CohortStepOptions &options, const std::uint64_t *seeds,
                         CohortStep *step, std::uint32_t *dropout_seeds, CUstream_st *stream) {
  Launch(BeginStepKernel, 1, kThreads, stream, options, seeds, step, dropout_seeds);
}

}  // namespace trails::kernels
