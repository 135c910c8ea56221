#include "kernels/cohort_adamw.h"

#include "kernels/adamw.h"

namespace trails::kernels {

void CohortAdamWCpu(const CohortParameters &parameters, std::int64_t count, std::int64_t decaying,
                    const CohortStep *step) {
  AdamWStep of_part = {.learning_rate = step->learning_rate,
                       .decay = step->decay,
                       .average_decay = step->average_decay,
                       .step = step->steps};
  AdamWCpu(parameters.values, parameters.gradients, parameters.first_moments,
           parameters.second_moments, parameters.averages, decaying, of_part);
  of_part.decay = 0;
  AdamWCpu(parameters.values + decaying, parameters.gradients + decaying,
           parameters.first_moments + decaying, parameters.second_moments + decaying,
           parameters.averages + decaying, count - decaying, of_part);
}

}  // namespace trails::kernels
