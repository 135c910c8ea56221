#include "kernels/block_sum.h"
#include "kernels/card_softmax.h"
#include "kernels/cohort_loss.h"
#include "kernels/launch.h"

namespace trails::kernels {

namespace {

// Of a member's block where outputs are few: a row is a chain of three reads, so that the time of a
// block is that of its rows one after the other.
constexpr int kMostThreads = 1024;
constexpr int kColumns = 32;  // of a block that sums the gradients of many outputs

struct LossTask {
  CohortShape shape;
  std::int32_t outputs;
  CohortRows rows;
  CardLabels labels;
  const float *bend;
  const float *bias;
  float *logits;
  float *bias_gradient;
  double *row_losses;  // [members, batch], of many outputs
  CohortLosses losses;
};

__device__ __forceinline__ std::int32_t RowNumber(const LossTask &task, std::int64_t member,
                                                  std::int64_t b) {
  const std::int64_t first =
      task.rows.step == nullptr ? 0 : task.rows.step->position * task.shape.batch;
  return task.rows.rows[member * task.rows.member_stride + first + b];
}

// Books a member's mean loss; by one thread.
__device__ __forceinline__ void Book(const CohortLosses &losses, std::int64_t member, double loss) {
  losses.last[member] = loss;
  if (!isfinite(loss)) losses.diverged[member] = 1;
  if (losses.diverged[member] != 0) return;
  losses.sum[member] += loss;
  losses.steps[member] += 1;
}

// One row of few logits, the bias added, becomes its gradient; returns its loss.
__device__ __forceinline__ double FewCrossEntropy(float (&row)[kFewOutputs], std::int32_t outputs,
                                                  std::int32_t label, float share) {
  double logit = 0;
#pragma unroll
  for (int c = 0; c < kFewOutputs; ++c) {
    if (c == label) logit = row[c];
  }
  const SoftmaxOf of = ExponentialsOfFew(row, outputs);
  const float part = of.Share();
#pragma unroll
  for (int c = 0; c < kFewOutputs; ++c) {
    row[c] = (row[c] * part - (c == label ? 1.0f : 0.0f)) * share;
  }
  return of.LogSum() - logit;
}

// As HuberErrorCpu.
__device__ __forceinline__ double HuberError(float *y, float target, float bend, float share) {
  const float error = *y - target;
  const float bent = error < -bend ? -bend : (bend < error ? bend : error);
  *y = bent * share;
  return static_cast<double>(bent) * (2.0 * error - bent);
}

// One block a member, for a thread each row or every 1,024th.
__global__ void __launch_bounds__(kMostThreads) FewOutputsKernel(LossTask task) {
  const std::int64_t member = blockIdx.x;
  const auto batch = static_cast<float>(task.shape.batch);
  const bool classes = task.labels.classes != nullptr;
  const float share = (classes ? 1.0f : 2.0f) / batch;
  float bias[kFewOutputs], sums[kFewOutputs];
#pragma unroll
  for (int c = 0; c < kFewOutputs; ++c) {
    bias[c] = c < task.outputs ? task.bias[member * task.outputs + c] : 0.0f;
    sums[c] = 0.0f;
  }
  double loss = 0;
  for (std::int64_t b = threadIdx.x; b < task.shape.batch; b += blockDim.x) {
    float *const logits = task.logits + (member * task.shape.batch + b) * task.outputs;
    float row[kFewOutputs];
#pragma unroll
    for (int c = 0; c < kFewOutputs; ++c) row[c] = c < task.outputs ? logits[c] + bias[c] : 0.0f;
    const std::int32_t number = RowNumber(task, member, b);
    loss += classes ? FewCrossEntropy(row, task.outputs, task.labels.classes[number], share)
                    : HuberError(&row[0], task.labels.numbers[number], task.bend[member], share);
#pragma unroll
    for (int c = 0; c < kFewOutputs; ++c) {
      if (c >= task.outputs) break;
      logits[c] = row[c];
      sums[c] += row[c];
    }
  }
#pragma unroll
  for (int c = 0; c < kFewOutputs; ++c) {
    if (c >= task.outputs) break;
    const float sum = BlockSum(sums[c]);
    if (threadIdx.x == 0) task.bias_gradient[member * task.outputs + c] = sum;
  }
  loss = BlockSum(loss);
  if (threadIdx.x == 0) Book(task.losses, member, loss / task.shape.batch);
}

// One warp a row of a classification of many classes.
__global__ void __launch_bounds__(kThreads) ManyOutputsKernel(LossTask task) {
  const std::int64_t row = (std::int64_t{blockIdx.x} * kThreads + threadIdx.x) / 32;
  if (row >= std::int64_t{task.shape.members} * task.shape.batch) return;  // whole warps
  const std::int64_t member = row / task.shape.batch;
  float *const logits = task.logits + row * task.outputs;
  const float *const bias = task.bias + member * task.outputs;
  const std::int32_t label = task.labels.classes[RowNumber(task, member, row % task.shape.batch)];
  const double logit = logits[label] + bias[label];
  const auto at = [logits, bias](std::int32_t c) { return logits[c] + bias[c]; };
  const SoftmaxOf of = ExponentialsOfMany(at, task.outputs);
  const float part = of.Share(), share = 1.0f / static_cast<float>(task.shape.batch);
  __syncwarp();  // the label's logit is read before it is replaced
  for (auto c = static_cast<std::int32_t>(threadIdx.x % 32); c < task.outputs; c += 32) {
    const float exponential = ExponentialOf(logits[c] + bias[c], of.largest);
    logits[c] = (exponential * part - (c == label ? 1.0f : 0.0f)) * share;
  }
  if (threadIdx.x % 32 == 0) task.row_losses[row] = of.LogSum() - logit;
}

// 32 columns a block: their gradients summed over the batch, and the member's loss by its first.
__global__ void __launch_bounds__(kThreads)
    ManySumsKernel(LossTask task, std::int32_t blocks_of_member) {
  constexpr int kRows = static_cast<int>(kThreads) / kColumns;
  __shared__ float sums[kRows][kColumns];
  const std::int64_t member = blockIdx.x / blocks_of_member;
  const std::int32_t block = static_cast<std::int32_t>(blockIdx.x) % blocks_of_member;
  const int column = static_cast<int>(threadIdx.x) % kColumns;
  const int first = static_cast<int>(threadIdx.x) / kColumns;
  const std::int32_t c = block * kColumns + column;
  float sum = 0;
  if (c < task.outputs) {
    for (std::int64_t b = first; b < task.shape.batch; b += kRows) {
      sum += task.logits[(member * task.shape.batch + b) * task.outputs + c];
    }
  }
  sums[first][column] = sum;
  __syncthreads();
  if (first == 0 && c < task.outputs) {
    for (int r = 1; r < kRows; ++r) sum += sums[r][column];
    task.bias_gradient[member * task.outputs + c] = sum;
  }
  if (block != 0) return;
  double loss = 0;
  for (std::int64_t b = threadIdx.x; b < task.shape.batch; b += kThreads) {
    loss += task.row_losses[member * task.shape.batch + b];
  }
  loss = BlockSum(loss);
  if (threadIdx.x == 0) Book(task.losses, member, loss / task.shape.batch);
}

}  // namespace

std::int64_t CohortLossScratch(const CohortShape &shape, std::int32_t outputs) noexcept {
  return outputs <= kFewOutputs ? 0 : std::int64_t{shape.members} * shape.batch;
}

void CohortLossCuda(const CohortShape &shape, std::int32_t outputs, const CohortRows &rows,
                    const CardLabels &labels, const float *bend, const float *bias, float *logits,
                    float *bias_gradient, double *scratch, const CohortLosses &losses,
                    CUstream_st *stream) {
  if (shape.members == 0) return;
  const LossTask task = {.shape = shape,
                         .outputs = outputs,
                         .rows = rows,
                         .labels = labels,
                         .bend = bend,
                         .bias = bias,
                         .logits = logits,
                         .bias_gradient = bias_gradient,
                         .row_losses = scratch,
                         .losses = losses};
  const auto members = static_cast<unsigned>(shape.members);
  if (outputs <= kFewOutputs) {
    const int warps = std::min((shape.batch + 31) / 32, kMostThreads / 32);
    Launch(FewOutputsKernel, members, static_cast<unsigned>(warps) * 32, stream, task);
    return;
  }
  const std::int64_t warps = std::int64_t{shape.members} * shape.batch;
  Launch(ManyOutputsKernel, BlocksFor(warps * 32), kThreads, stream, task);
  const std::int32_t blocks = (outputs + kColumns - 1) / kColumns;
  Launch(ManySumsKernel, members * static_cast<unsigned>(blocks), kThreads, stream, task, blocks);
}

}  // namespace trails::kernels
