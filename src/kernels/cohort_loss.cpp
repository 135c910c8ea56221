#include "kernels/cohort_loss.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/batch_norm.h"
#include "kernels/loss.h"

namespace trails::kernels {

void CohortLossCpu(const CohortShape &shape, std::int32_t outputs, const CohortRows &rows,
                   const CardLabels &labels, const float *bend, const float *bias, float *logits,
                   float *bias_gradient, const CohortLosses &losses) {
  const std::int64_t first = rows.step == nullptr ? 0 : rows.step->position * shape.batch;
  std::vector<double> of_batch(static_cast<std::size_t>(shape.batch));
  std::vector<std::int32_t> index(of_batch.size());
  for (std::int64_t m = 0; m < shape.members; ++m) {
    float *const y = logits + m * shape.batch * outputs;
    const std::int32_t *const numbers = rows.rows + m * rows.member_stride + first;
    for (std::size_t b = 0; b < of_batch.size(); ++b) {
      index[b] = static_cast<std::int32_t>(b);
      of_batch[b] =
          labels.classes != nullptr ? labels.classes[numbers[b]] : labels.numbers[numbers[b]];
    }
    AddBiasCpu(y, shape.batch, outputs, bias + m * outputs, /*relu=*/false);
    // The labels are standardised already: mean 0, scale 1.
    const double loss =
        labels.classes != nullptr
            ? CrossEntropyCpu(y, shape.batch, outputs, of_batch.data(), index.data(), shape.batch)
            : HuberErrorCpu(y, shape.batch, of_batch.data(), index.data(), 0, 1, bend[m],
                            shape.batch);
    AddRowsCpu(y, shape.batch, outputs, bias_gradient + m * outputs);
    losses.last[m] = loss;
    if (!std::isfinite(loss)) losses.diverged[m] = 1;
    if (losses.diverged[m] != 0) continue;
    losses.sum[m] += loss;
    losses.steps[m] += 1;
  }
}

}  // namespace trails::kernels
