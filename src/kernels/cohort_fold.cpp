#include "kernels/cohort_fold.h"

#include <algorithm>
#include <cmath>

#include "kernels/batch_norm.h"
#include "kernels/cohort_gather.h"
#include "kernels/loss.h"

namespace trails::kernels {

void CohortFoldTableCpu(std::int32_t members, const CardFields &fields, const float *table,
                        float *folded) {
  std::copy_n(table, std::int64_t{members} * fields.table_rows * kCohortWidth, folded);
  CohortCumulateCpu(members, fields, folded, folded);
}

void CohortFoldLayerCpu(std::int32_t members, std::int32_t padded, std::int32_t inputs,
                        const CohortAverages &averages, float *weight, float *bias) {
  for (std::int64_t unit = 0; unit < std::int64_t{members} * padded; ++unit) {
    const float scale = averages.gamma[unit] / std::sqrt(averages.var[unit] + kBatchNormEps);
    bias[unit] = averages.beta[unit] - averages.mean[unit] * scale;
    for (std::int64_t i = 0; i < inputs; ++i) {
      weight[unit * inputs + i] = averages.weight[unit * inputs + i] * scale;
    }
  }
}

void CohortBiasReluCpu(std::int32_t members, std::int64_t rows, std::int32_t padded,
                       const float *bias, float *y) {
  for (std::int64_t m = 0; m < members; ++m) {
    AddBiasCpu(y + m * rows * padded, rows, padded, bias + m * padded, /*relu=*/true);
  }
}

void CohortPredictCpu(std::int32_t members, std::int64_t rows, std::int32_t outputs, double mean,
                      double scale, const float *bias, const float *logits,
                      std::int64_t member_stride, float *predictions) {
  for (std::int64_t m = 0; m < members; ++m) {
    float *const to = predictions + m * member_stride;
    std::copy_n(logits + m * rows * outputs, rows * outputs, to);
    AddBiasCpu(to, rows, outputs, bias + m * outputs, /*relu=*/false);
    if (outputs > 1) {
      SoftmaxCpu(to, rows, outputs);
      continue;
    }
    for (std::int64_t i = 0; i < rows; ++i) to[i] = static_cast<float>(mean + scale * to[i]);
  }
}

}  // namespace trails::kernels
