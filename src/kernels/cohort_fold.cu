#include "kernels/batch_norm.h"
#include "kernels/card_softmax.h"
#include "kernels/cohort_fold.h"
#include "kernels/cohort_gather.h"
#include "kernels/launch.h"

namespace trails::kernels {

namespace {

__global__ void __launch_bounds__(kThreads)
    CopyKernel(std::int64_t pairs, const float *from, float *to) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < pairs) reinterpret_cast<float2 *>(to)[i] = reinterpret_cast<const float2 *>(from)[i];
}

// Four weights of one unit a thread.
__global__ void __launch_bounds__(kThreads)
    FoldLayerKernel(std::int64_t quads, std::int32_t quads_of_unit, CohortAverages averages,
                    float *weight, float *bias) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= quads) return;
  const std::int64_t unit = i / quads_of_unit;
  const float scale = averages.gamma[unit] / sqrtf(averages.var[unit] + kBatchNormEps);
  const float4 w = reinterpret_cast<const float4 *>(averages.weight)[i];
  reinterpret_cast<float4 *>(weight)[i] =
      make_float4(w.x * scale, w.y * scale, w.z * scale, w.w * scale);
  if (i % quads_of_unit == 0) bias[unit] = averages.beta[unit] - averages.mean[unit] * scale;
}

__device__ __forceinline__ float AddRelu(float y, float bias) {
  const float sum = y + bias;
  return sum > 0.0f ? sum : 0.0f;
}

__global__ void __launch_bounds__(kThreads)
    BiasReluKernel(std::int64_t quads, std::int64_t quads_of_member, std::int32_t quads_of_row,
                   const float *bias, float *y) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= quads) return;
  const std::int64_t unit = i / quads_of_member * quads_of_row + i % quads_of_row;
  const float4 b = reinterpret_cast<const float4 *>(bias)[unit];
  float4 *const at = reinterpret_cast<float4 *>(y) + i;
  const float4 x = *at;
  *at = make_float4(AddRelu(x.x, b.x), AddRelu(x.y, b.y), AddRelu(x.z, b.z), AddRelu(x.w, b.w));
}

struct PredictTask {
  std::int64_t all_rows;  // of all members
  std::int64_t rows;
  std::int32_t outputs;
  double mean, scale;
  const float *bias;
  const float *logits;
  std::int64_t member_stride;
  float *predictions;
};

// One row a thread.
__global__ void __launch_bounds__(kThreads) PredictFewKernel(PredictTask task) {
  const std::int64_t row = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (row >= task.all_rows) return;
  const std::int64_t member = row / task.rows;
  const float *const logits = task.logits + row * task.outputs;
  const float *const bias = task.bias + member * task.outputs;
  float *const to = task.predictions + member * task.member_stride + row % task.rows * task.outputs;
  if (task.outputs == 1) {
    *to = static_cast<float>(task.mean + task.scale * (*logits + *bias));
    return;
  }
  float y[kFewOutputs];
#pragma unroll
  for (int c = 0; c < kFewOutputs; ++c) y[c] = c < task.outputs ? logits[c] + bias[c] : 0.0f;
  const float share = ExponentialsOfFew(y, task.outputs).Share();
#pragma unroll
  for (int c = 0; c < kFewOutputs; ++c) {
    if (c < task.outputs) to[c] = y[c] * share;
  }
}

// One row a warp.
__global__ void __launch_bounds__(kThreads) PredictManyKernel(PredictTask task) {
  const std::int64_t row = (std::int64_t{blockIdx.x} * kThreads + threadIdx.x) / 32;
  if (row >= task.all_rows) return;  // whole warps
  const std::int64_t member = row / task.rows;
  const float *const logits = task.logits + row * task.outputs;
  const float *const bias = task.bias + member * task.outputs;
  float *const to = task.predictions + member * task.member_stride + row % task.rows * task.outputs;
  const auto at = [logits, bias](std::int32_t c) { return logits[c] + bias[c]; };
  const SoftmaxOf of = ExponentialsOfMany(at, task.outputs);
  for (auto c = static_cast<std::int32_t>(threadIdx.x % 32); c < task.outputs; c += 32) {
    to[c] = ExponentialOf(at(c), of.largest) * of.Share();
  }
}

}  // namespace

void CohortFoldTableCuda(std::int32_t members, const CardFields &fields, const float *table,
                         float *folded, CUstream_st *stream) {
  const std::int64_t pairs = std::int64_t{members} * fields.table_rows * (kCohortWidth / 2);
  if (pairs == 0) return;
  Launch(CopyKernel, BlocksFor(pairs), kThreads, stream, pairs, table, folded);
  CohortCumulateCuda(members, fields, folded, folded, stream);
}

void CohortFoldLayerCuda(std::int32_t members, std::int32_t padded, std::int32_t inputs,
                         const CohortAverages &averages, float *weight, float *bias,
                         CUstream_st *stream) {
  const std::int64_t quads = std::int64_t{members} * padded * (inputs / 4);
  if (quads == 0) return;
  Launch(FoldLayerKernel, BlocksFor(quads), kThreads, stream, quads, inputs / 4, averages, weight,
         bias);
}

void CohortBiasReluCuda(std::int32_t members, std::int64_t rows, std::int32_t padded,
                        const float *bias, float *y, CUstream_st *stream) {
  const std::int64_t quads_of_member = rows * (padded / 4);
  const std::int64_t quads = members * quads_of_member;
  if (quads == 0) return;
  Launch(BiasReluKernel, BlocksFor(quads), kThreads, stream, quads, quads_of_member, padded / 4,
         bias, y);
}

void CohortPredictCuda(std::int32_t members, std::int64_t rows, std::int32_t outputs, double mean,
                       double scale, const float *bias, const float *logits,
                       std::int64_t member_stride, float *predictions, CUstream_st *stream) {
  const PredictTask task = {.all_rows = members * rows,
                            .rows = rows,
                            .outputs = outputs,
                            .mean = mean,
                            .scale = scale,
                            .bias = bias,
                            .logits = logits,
                            .member_stride = member_stride,
                            .predictions = predictions};
  if (task.all_rows == 0) return;
  if (outputs <= kFewOutputs) {
    Launch(PredictFewKernel, BlocksFor(task.all_rows), kThreads, stream, task);
  } else {
    Launch(PredictManyKernel, BlocksFor(task.all_rows * 32), kThreads, stream, task);
  }
}

}  // namespace trails::kernels
